/**
 * Two ways to the same numbers, run in turns: a compiled graph as users run it, and one written by hand as users of
 * onnxruntime-node run theirs.
 */
import * as ort from "onnxruntime-node";
import { type LoweredGraph, loadGraph } from "../../src/runtime/index.ts";
import type { NDArray } from "../../src/util/ndarray.ts";
import { median } from "../harness.ts";
import { feedsFor } from "./layers.ts";

/** One: the threads of a session go on spinning for a while after its run, at the expense of the other's. */
const threads = 1;
/** Runs of a turn, of which the fastest counts: what another process takes from the machine is not measured. */
const turnRuns = 4;
const leastRounds = 6;
/** How often both graphs are loaded; even, so that each is loaded first as often as the other. */
const loads = 10;

/** What the compiled graph's engine sets as well. */
const sessionOptions: ort.InferenceSession.SessionOptions = {
  intraOpNumThreads: threads,
  interOpNumThreads: 1,
  executionMode: "sequential",
  graphOptimizationLevel: "all",
  logSeverityLevel: 3,
  extra: { session: { set_denormal_as_zero: "1" } },
};

/** Times of both, and how they compare. */
export interface Comparison {
  readonly compiledMs: number;
  readonly byHandMs: number;
  /** Median over neighbouring turns of time by hand / time compiled: above 1, the compiled graph is faster. */
  readonly speed: number;
}

const tensorOf = ({ data, dtype, shape }: NDArray) =>
  new ort.Tensor(dtype === "i64" ? "int64" : "float32", data as Float32Array, shape as number[]) as ort.Tensor;

function checkSame(name: string, a: Float32Array, b: Float32Array): void {
  const worst = a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
  if (a.length !== b.length || !(worst <= 1e-3))
    throw new Error(`the two graphs of ${name} do not compute the same: they differ by ${worst}`);
}

interface Case {
  readonly rows: number;
  readonly feeds: Readonly<Record<string, NDArray>>;
  /** Milliseconds of turns. */
  readonly compiled: number[];
  readonly byHand: number[];
}

interface Runner {
  readonly compiled: boolean;
  run(feeds: Readonly<Record<string, NDArray>>): Promise<Float32Array>;
  close(): Promise<void>;
}

async function openCompiled(lowered: LoweredGraph): Promise<Runner> {
  const executable = await loadGraph(lowered, { threads });
  return {
    compiled: true,
    run: async (feeds) => (await executable.run(feeds)).y!.data as Float32Array,
    close: () => executable.dispose(),
  };
}

async function openByHand(model: Uint8Array): Promise<Runner> {
  const session = await ort.InferenceSession.create(model, sessionOptions);
  return {
    compiled: false,
    async run(feeds) {
      const tensors: Record<string, ort.Tensor> = {};
      for (const name in feeds) tensors[name] = tensorOf(feeds[name]!);
      return (await session.run(tensors)).y!.data as Float32Array;
    },
    close: () => session.release(),
  };
}

/** The fastest of a few runs, in milliseconds. */
async function turn({ run }: Runner, feeds: Readonly<Record<string, NDArray>>): Promise<number> {
  let fastest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < turnRuns; i++) {
    const started = performance.now();
    await run(feeds);
    fastest = Math.min(fastest, performance.now() - started);
  }
  return fastest;
}

/** Runs two graphs in turns for some milliseconds and adds the times of their turns. */
async function takeTurns(
  runners: readonly Runner[],
  feeds: Readonly<Record<string, NDArray>>,
  milliseconds: number,
  add: (compiled: boolean, ms: number) => void,
): Promise<void> {
  const started = performance.now();
  for (let round = 0; performance.now() - started < milliseconds || round < leastRounds; round++)
    // whoever comes second finds other caches
    for (const runner of round % 2 ? [...runners].reverse() : runners) add(runner.compiled, await turn(runner, feeds));
}

/**
 * Runs both graphs in turns. They are loaded anew again and again, each as often first as second: two sessions of one and the
 * same model differ by up to 7 % as long as they live, by where their weights came to lie.
 * @param milliseconds time to run for, for each number of rows.
 * @throws when the graphs do not compute the same.
 */
export async function compareInTurns(
  lowered: LoweredGraph,
  byHand: Uint8Array,
  rowCounts: readonly number[],
  milliseconds: number,
): Promise<ReadonlyMap<number, Comparison>> {
  const names = lowered.graph.inputs.map((input) => input.name);
  const cases = rowCounts.map((rows) => ({ rows, feeds: feedsFor(names, rows), compiled: [], byHand: [] }) as Case);
  for (let load = 0; load < loads; load++) {
    const open = [() => openCompiled(lowered), () => openByHand(byHand)];
    const runners: Runner[] = [];
    for (const opening of load % 2 ? open.reverse() : open) runners.push(await opening());
    for (const { feeds, compiled, byHand } of cases) {
      const [a, b] = [await runners[0]!.run(feeds), await runners[1]!.run(feeds)];
      checkSame(lowered.graph.name, a, b);
      await takeTurns(runners, feeds, milliseconds / loads, (ours, ms) => (ours ? compiled : byHand).push(ms));
    }
    for (const runner of runners) await runner.close();
  }
  return new Map(
    cases.map(({ rows, compiled, byHand }) => {
      // turn by turn, since the machine's load comes and goes
      const speed = median(byHand.map((ms, i) => ms / compiled[i]!));
      return [rows, { compiledMs: median(compiled), byHandMs: median(byHand), speed }];
    }),
  );
}

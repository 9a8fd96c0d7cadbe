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
const leastRounds = 20;

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
  /** Time by hand / time compiled: above 1, the compiled graph is faster. */
  readonly speed: number;
}

const tensorOf = ({ data, dtype, shape }: NDArray) =>
  new ort.Tensor(dtype === "i64" ? "int64" : "float32", data as Float32Array, shape as number[]) as ort.Tensor;

function checkSame(name: string, a: Float32Array, b: Float32Array): void {
  const worst = a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
  if (a.length !== b.length || !(worst <= 1e-3))
    throw new Error(`the two graphs of ${name} do not compute the same: they differ by ${worst}`);
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

/**
 * Loads both graphs for all row counts, each of them twice: two copies of one model differ by up to 7 % for the whole life of
 * a process, by where their weights came to lie.
 */
export async function openPair(lowered: LoweredGraph, byHand: Uint8Array) {
  const runners: Runner[] = [];
  for (const compiled of [true, false, false, true])
    runners.push(await (compiled ? openCompiled(lowered) : openByHand(byHand)));
  const names = lowered.graph.inputs.map((input) => input.name);
  return {
    /** Runs both in turns for some milliseconds. @throws when they do not compute the same. */
    async compare(rows: number, milliseconds: number): Promise<Comparison> {
      const feeds = feedsFor(names, rows);
      const expected = await runners[1]!.run(feeds);
      for (const runner of runners) checkSame(lowered.graph.name, await runner.run(feeds), expected);
      const times = new Map(runners.map((runner): [Runner, number[]] => [runner, []]));
      const started = performance.now();
      for (let round = 0; performance.now() - started < milliseconds || round < leastRounds; round++)
        // everybody is the first one in turn: whoever follows finds other caches
        for (let i = 0; i < runners.length; i++) {
          const runner = runners[(i + round) % runners.length]!;
          times.get(runner)!.push(await turn(runner, feeds));
        }
      const of = (compiled: boolean) =>
        median([...times].flatMap(([runner, list]) => (runner.compiled === compiled ? list : [])));
      const [compiledMs, byHandMs] = [of(true), of(false)];
      return { compiledMs, byHandMs, speed: byHandMs / compiledMs };
    },
    async close(): Promise<void> {
      for (const runner of runners) await runner.close();
    },
  };
}

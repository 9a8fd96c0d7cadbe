/**
 * Two ways to the same numbers, run in turns: a compiled graph as users run it, and one written by hand as users of
 * onnxruntime-node run theirs.
 */
import * as ort from "onnxruntime-node";
import { type Executable, type LoweredGraph, loadGraph } from "../../src/runtime/index.ts";
import type { NDArray } from "../../src/util/ndarray.ts";
import { median } from "../harness.ts";
import { feedsFor } from "./layers.ts";

const threads = 2;
/** Runs of a turn, of which the fastest counts: what another process takes from the machine is not measured. */
const turnRuns = 4;

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

/** Loads both graphs, once for all row counts. */
export async function openPair(lowered: LoweredGraph, byHand: Uint8Array) {
  const executable: Executable = await loadGraph(lowered, { threads });
  const session = await ort.InferenceSession.create(byHand, sessionOptions);
  const names = lowered.graph.inputs.map((input) => input.name);
  return {
    /** Runs both in turns for some milliseconds. @throws when they do not compute the same. */
    async compare(rows: number, milliseconds: number): Promise<Comparison> {
      const feeds = feedsFor(names, rows);
      const ours = async () => {
        const started = performance.now();
        const { y } = await executable.run(feeds);
        return { y: y!.data as Float32Array, ms: performance.now() - started };
      };
      const theirs = async () => {
        const started = performance.now();
        const tensors = Object.fromEntries(names.map((name) => [name, tensorOf(feeds[name]!)]));
        const { y } = await session.run(tensors);
        return { y: y!.data as Float32Array, ms: performance.now() - started };
      };
      for (let i = 0; i < 5; i++) checkSame(lowered.graph.name, (await ours()).y, (await theirs()).y);
      const turn = async (run: typeof ours) => {
        let fastest = Number.POSITIVE_INFINITY;
        for (let i = 0; i < turnRuns; i++) fastest = Math.min(fastest, (await run()).ms);
        return fastest;
      };
      const [a, b]: [number[], number[]] = [[], []];
      const started = performance.now();
      while (performance.now() - started < milliseconds || a.length < 10) {
        // whoever runs second finds other caches than whoever runs first
        if (a.length % 2) {
          a.push(await turn(ours));
          b.push(await turn(theirs));
        } else {
          b.push(await turn(theirs));
          a.push(await turn(ours));
        }
      }
      const [compiledMs, byHandMs] = [median(a), median(b)];
      return { compiledMs, byHandMs, speed: byHandMs / compiledMs };
    },
    async close(): Promise<void> {
      await executable.dispose();
      await session.release();
    },
  };
}

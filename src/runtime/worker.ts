/**
 * The way from browser-safe code to the engine in a worker thread.
 */
import type { WorkerEngine } from "./node/worker-engine.ts";

/**
 * An engine that runs graphs in a worker thread, so that this one stays free: hand it to {@link compile} as `engine`. Its
 * `dispose` frees everything that was compiled for it.
 * @example
 * await using engine = await createWorkerEngine();
 * const f = await compile(({ x }) => ({ y: x.mul(x) }), { inputs: { x: { dtype: "f32", shape: ["n"] } }, engine });
 */
export async function createWorkerEngine(): Promise<WorkerEngine> {
  const { WorkerEngine } = await import("./node/worker-engine.ts");
  return new WorkerEngine();
}

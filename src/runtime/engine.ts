/**
 * What runs lowered graphs. The Node engine (ONNX Runtime, in this thread or in a worker) implements it; a browser engine
 * can stand in its place.
 */
import type { NDArray } from "../util/ndarray.ts";

/** A model as an engine takes it. */
export interface EngineModel {
  /** Bytes of the ONNX model. */
  readonly bytes: Uint8Array;
  /** Folder that external weights are relative to. */
  readonly weightFolder?: string;
  /** Name for messages. */
  readonly name: string;
}

/** Options of a session. */
export interface SessionOptions {
  /** Threads of one operation; all cores by default. */
  readonly threads?: number;
  /**
   * Lay all intermediate values of a graph of known sizes out in one block after the first run; true by default. The values of that
   * first run stay allocated beside the block, so large graphs take about half the memory without.
   */
  readonly planMemory?: boolean;
  /** Collect milliseconds per node; read them with {@link EngineSession.profile}. */
  readonly profile?: boolean;
}

/** Time that one node of a profiled session took. */
export interface NodeTiming {
  readonly name: string;
  readonly opType: string;
  /** Total milliseconds over all runs. */
  readonly milliseconds: number;
  /** Number of executions. */
  readonly calls: number;
}

/** What happens to memory in a run. */
export interface RunMemory {
  /** Arrays that results are written to instead of new ones. An engine in another thread copies its results into them. */
  readonly into?: Readonly<Record<string, NDArray>>;
  /**
   * Names of inputs that the caller does not need any more: an engine in another thread takes their memory instead of a copy,
   * which leaves the arrays empty. They must not be parts of larger memory. An engine in this thread never copies inputs.
   */
  readonly transfer?: readonly string[];
}

/** A loaded model. */
export interface EngineSession {
  /**
   * Runs the model.
   * @param outputs names of the outputs to return.
   */
  run(
    feeds: Readonly<Record<string, NDArray>>,
    outputs: readonly string[],
    memory?: RunMemory,
  ): Promise<Record<string, NDArray>>;
  /** Ends profiling and returns the time of every node. */
  profile(): Promise<NodeTiming[]>;
  /** Frees the model's memory; later runs fail with `disposed`. */
  dispose(): Promise<void>;
}

/** Loads models. */
export interface Engine {
  load(model: EngineModel, options?: SessionOptions): Promise<EngineSession>;
  /** Frees everything that was loaded. */
  dispose(): Promise<void>;
}

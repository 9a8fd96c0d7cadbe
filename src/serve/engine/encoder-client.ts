/**
 * The main thread's side of an encoder that runs in a worker.
 */
import type { EncoderConfig } from "../../lm/index.ts";
import { fail } from "../../util/errors.ts";
import { EngineWorker } from "./engine-worker.ts";
import type { EncoderLoad } from "./protocol.ts";

/** An encoder in a worker thread. */
export class EncoderClient {
  readonly #worker: EngineWorker;
  /** Architecture of the loaded encoder. */
  readonly config: EncoderConfig;
  /** Length of a text's vector. */
  readonly dimensions: number;

  private constructor(worker: EngineWorker, config: EncoderConfig, dimensions: number) {
    this.#worker = worker;
    this.config = config;
    this.dimensions = dimensions;
  }

  /**
   * Starts a worker and loads an encoder in it.
   * @throws what loading throws: `format`, `unsupported`, `not-found`, `engine` …; `aborted` when the signal fires first.
   */
  static load(load: EncoderLoad, signal?: AbortSignal): Promise<EncoderClient> {
    return EngineWorker.start(async (worker) => {
      const value = await worker.ask({ kind: "load-encoder", load });
      if (value.kind !== "encoder-loaded") return fail("internal", `the engine answered a load with ${value.kind}`);
      return new EncoderClient(worker, value.config, value.dimensions);
    }, signal);
  }

  /** Vectors of a batch of token ids, side by side: `[texts, dimensions]`, row-major. */
  async embed(batch: readonly (readonly number[])[]): Promise<Float32Array> {
    const value = await this.#worker.ask({ kind: "embed", batch });
    if (value.kind !== "embedded") return fail("internal", `the engine answered a batch with ${value.kind}`);
    return value.vectors.data as Float32Array;
  }

  /** Ends the worker and frees everything. */
  dispose(): Promise<void> {
    return this.#worker.dispose();
  }
}

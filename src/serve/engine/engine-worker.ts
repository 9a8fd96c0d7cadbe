/**
 * The engine's worker as the main thread holds it, and how it starts with something loaded.
 */
import { WorkerLink } from "../../runtime/node/worker-link.ts";
import { throwIfAborted } from "../../util/errors.ts";
import type { Progress } from "../../util/progress.ts";
import type { EngineRequest, EngineValue } from "./protocol.ts";

/** A running engine worker. */
export class EngineWorker extends WorkerLink<EngineRequest, EngineValue, Progress> {
  private constructor() {
    super({
      module: "./worker",
      base: import.meta.url,
      disposed: "the model has been disposed; load it again to use it",
    });
  }

  /**
   * Starts a worker and loads something in it; the worker is ended again if that fails or `signal` fires meanwhile.
   * @throws what `load` throws, or `aborted`.
   */
  static async start<T>(load: (worker: EngineWorker) => Promise<T>, signal?: AbortSignal): Promise<T> {
    throwIfAborted(signal);
    const worker = new EngineWorker();
    const stop = () => void worker.dispose();
    signal?.addEventListener("abort", stop, { once: true });
    try {
      return await load(worker);
    } catch (thrown) {
      await worker.dispose();
      throwIfAborted(signal);
      throw thrown;
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }
}

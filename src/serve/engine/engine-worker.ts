/**
 * The engine's worker as the main thread holds it: requests, answers in any order of completion, progress, and what
 * happens when it dies. Knows nothing of what the requests mean.
 */
import { Worker } from "node:worker_threads";
import { disableOrtTelemetry } from "../../runtime/node/ort-telemetry.ts";
import { BletchleyError, throwIfAborted } from "../../util/errors.ts";
import type { ProgressListener } from "../../util/progress.ts";
import type { EngineAnswer, EngineRequest, EngineValue } from "./protocol.ts";

type Unnumbered<T> = T extends unknown ? Omit<T, "id"> : never;

interface Waiting {
  readonly resolve: (value: EngineValue) => void;
  readonly reject: (reason: unknown) => void;
  readonly onProgress?: ProgressListener;
}

/** Number of the last request; others count from 0. */
const endId = -1;

/** Starts the worker from the built package, or from source when this file is source (tests, development). */
function startWorker(): Worker {
  disableOrtTelemetry();
  if (!import.meta.url.endsWith(".ts")) return new Worker(new URL("./worker.js", import.meta.url));
  const url = JSON.stringify(new URL("./worker.ts", import.meta.url).href);
  return new Worker(`import("tsx/esm/api").then(({ register }) => { register(); return import(${url}); })`, {
    eval: true,
  });
}

/** A running engine worker. */
export class EngineWorker {
  readonly #worker = startWorker();
  readonly #waiting = new Map<number, Waiting>();
  readonly #exited: Promise<void>;
  #nextId = 0;
  #failure: unknown;
  #ending: Promise<void> | undefined;
  #onIdle = () => {};

  private constructor() {
    this.#worker.on("message", (answer: EngineAnswer) => this.#receive(answer));
    this.#worker.on("error", (thrown) =>
      this.#fail(new BletchleyError("engine", `the engine stopped: ${thrown.message}`, { cause: thrown })),
    );
    this.#exited = new Promise((resolve) => {
      this.#worker.on("exit", (code) => {
        this.#fail(new BletchleyError("disposed", `the engine has ended (exit code ${code})`));
        resolve();
      });
    });
    // waiting answers keep the process alive, an idle engine does not
    this.#worker.unref();
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

  /** Whether the worker has ended. */
  get closed(): boolean {
    return this.#failure !== undefined;
  }

  /** Sends a request and waits for its answer. @throws what the request throws in the worker, or why that has ended. */
  ask(request: Unnumbered<EngineRequest>, onProgress?: ProgressListener): Promise<EngineValue> {
    if (this.#failure) return Promise.reject(this.#failure);
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject, onProgress });
      if (this.#waiting.size === 1) this.#worker.ref();
      this.#worker.postMessage({ id, ...request });
    });
  }

  #receive(answer: EngineAnswer): void {
    if (answer.id === endId) this.#onIdle();
    const waiting = this.#waiting.get(answer.id);
    if (!waiting) return;
    if ("progress" in answer) {
      waiting.onProgress?.(answer.progress);
      return;
    }
    this.#waiting.delete(answer.id);
    if (!this.#waiting.size) this.#worker.unref();
    if ("value" in answer) waiting.resolve(answer.value);
    else waiting.reject(new BletchleyError(answer.error.code, answer.error.message));
  }

  #fail(reason: unknown): void {
    this.#failure ??= reason;
    for (const waiting of this.#waiting.values()) waiting.reject(this.#failure);
    this.#waiting.clear();
  }

  /**
   * Ends the worker and frees everything. Callers that wait fail at once; the thread itself is stopped after the step that
   * it is in, because one that is stopped inside of ONNX Runtime takes the whole process with it.
   */
  dispose(): Promise<void> {
    this.#fail(new BletchleyError("disposed", "the model has been disposed; load it again to use it"));
    this.#ending ??= this.#end();
    return this.#ending;
  }

  async #end(): Promise<void> {
    const idle = new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
    this.#worker.ref();
    this.#worker.postMessage({ id: endId, kind: "end" } satisfies EngineRequest);
    await Promise.race([idle, this.#exited]);
    await this.#worker.terminate();
  }
}

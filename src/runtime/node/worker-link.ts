/**
 * A worker thread as its owner holds it: requests, answers in any order of completion, news meanwhile, and what happens when
 * it dies. Knows nothing of what the requests mean; `worker-answers.ts` is the other end.
 */
import { type TransferListItem, Worker } from "node:worker_threads";
import { BletchleyError, type ErrorCode } from "../../util/errors.ts";
import { disableOrtTelemetry } from "./ort-telemetry.ts";

/** What is sent to the worker. */
export interface NumberedRequest<Request> {
  readonly id: number;
  /** The request itself; absent when the worker shall finish what it does, because it is about to be stopped. */
  readonly request?: Request;
}

/** What comes back, under the request's number. */
export type NumberedAnswer<Value, Update> =
  | { readonly id: number; readonly value: Value }
  | { readonly id: number; readonly error: { readonly code: ErrorCode; readonly message: string } }
  | { readonly id: number; readonly update: Update };

interface Waiting<Value, Update> {
  readonly resolve: (value: Value) => void;
  readonly reject: (reason: unknown) => void;
  readonly onUpdate?: (update: Update) => void;
}

/** Number of the last request; others count from 0. */
const endId = -1;

/** The module that a worker runs, and the words for what it does. */
export interface WorkerKind {
  /** Path of the module without its ending, relative to `base`, such as `./worker`. */
  readonly module: string;
  /** `import.meta.url` of who starts it. */
  readonly base: string;
  /** Message of requests that come after the end, such as `the model has been disposed; load it again to use it`. */
  readonly disposed: string;
}

/** Starts the worker from the built package, or from source when whoever starts it is source (tests, development). */
function startWorker({ module, base }: WorkerKind): Worker {
  // before ONNX Runtime is loaded anywhere: a worker cannot change the environment that it reads
  disableOrtTelemetry();
  if (!base.endsWith(".ts")) return new Worker(new URL(`${module}.js`, base));
  const url = JSON.stringify(new URL(`${module}.ts`, base).href);
  return new Worker(`import("tsx/esm/api").then(({ register }) => { register(); return import(${url}); })`, {
    eval: true,
  });
}

/** A running worker. */
export class WorkerLink<Request, Value, Update = never> {
  readonly #worker: Worker;
  readonly #disposed: string;
  readonly #waiting = new Map<number, Waiting<Value, Update>>();
  readonly #exited: Promise<void>;
  #nextId = 0;
  #failure: unknown;
  #ending: Promise<void> | undefined;
  #onIdle = () => {};

  constructor(kind: WorkerKind) {
    this.#disposed = kind.disposed;
    this.#worker = startWorker(kind);
    this.#worker.on("message", (answer: NumberedAnswer<Value, Update>) => this.#receive(answer));
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

  /** Whether the worker has ended. */
  get closed(): boolean {
    return this.#failure !== undefined;
  }

  /**
   * Sends a request and waits for its answer.
   * @param options `transfer` lists memory that the worker gets instead of a copy; `onUpdate` is told news meanwhile.
   * @throws what the request throws in the worker, or why that has ended.
   */
  ask(
    request: Request,
    options: { readonly transfer?: readonly TransferListItem[]; readonly onUpdate?: (update: Update) => void } = {},
  ): Promise<Value> {
    if (this.#failure) return Promise.reject(this.#failure);
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#worker.postMessage({ id, request } satisfies NumberedRequest<Request>, options.transfer);
      this.#waiting.set(id, { resolve, reject, onUpdate: options.onUpdate });
      if (this.#waiting.size === 1) this.#worker.ref();
    });
  }

  #receive(answer: NumberedAnswer<Value, Update>): void {
    if (answer.id === endId) this.#onIdle();
    const waiting = this.#waiting.get(answer.id);
    if (!waiting) return;
    if ("update" in answer) {
      waiting.onUpdate?.(answer.update);
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
   * Ends the worker and frees everything. Callers that wait fail at once; the thread itself is stopped after what it is
   * doing, because one that is stopped inside of ONNX Runtime takes the whole process with it.
   */
  dispose(): Promise<void> {
    this.#fail(new BletchleyError("disposed", this.#disposed));
    this.#ending ??= this.#end();
    return this.#ending;
  }

  async #end(): Promise<void> {
    const idle = new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
    this.#worker.ref();
    this.#worker.postMessage({ id: endId } satisfies NumberedRequest<Request>);
    await Promise.race([idle, this.#exited]);
    await this.#worker.terminate();
  }
}

/**
 * The main thread's side of the engine: a decoder that runs in a worker, as sequences.
 */
import { Worker } from "node:worker_threads";
import type { DecoderConfig, Sequence, SequenceModel, SequenceStep, StepRequest } from "../../lm/index.ts";
import { blockLength } from "../../lm/index.ts";
import { BletchleyError, fail } from "../../util/errors.ts";
import { NDArray } from "../../util/ndarray.ts";
import type { ProgressListener } from "../../util/progress.ts";
import type { EngineAnswer, EngineLoad, EngineRequest, EngineValue, WireArray } from "./protocol.ts";

type Unnumbered<T> = T extends unknown ? Omit<T, "id"> : never;

interface Waiting {
  readonly resolve: (value: EngineValue) => void;
  readonly reject: (reason: unknown) => void;
  readonly onProgress?: ProgressListener;
}

const unwire = ({ data, shape, dtype }: WireArray) => new NDArray(data, shape, dtype);

class RemoteSequence implements Sequence {
  readonly #engine: EngineClient;
  readonly #id: number;
  #length: number;

  constructor(engine: EngineClient, id: number, length: number) {
    this.#engine = engine;
    this.#id = id;
    this.#length = length;
  }

  get length(): number {
    return this.#length;
  }

  get room(): number {
    return blockLength - (this.#length % blockLength);
  }

  async step(request: StepRequest): Promise<SequenceStep> {
    const value = await this.#engine.ask({ kind: "step", sequence: this.#id, request });
    if (value.kind !== "step") return fail("internal", `the engine answered a step with ${value.kind}`);
    return {
      logits: unwire(value.logits),
      extra: Object.fromEntries(Object.entries(value.extra).map(([name, array]) => [name, unwire(array)])),
    };
  }

  async commit(rows: readonly number[]): Promise<void> {
    if (rows.length > this.room)
      fail("argument", `commit: ${rows.length} rows do not fit before the next boundary, ${this.room} do`);
    this.#length += rows.length;
    // messages keep their order, so nobody has to wait for this one; a failure also fails the next step
    this.#engine.ask({ kind: "commit", sequence: this.#id, rows }).catch(() => undefined);
  }

  async truncate(length: number): Promise<boolean> {
    const value = await this.#engine.ask({ kind: "truncate", sequence: this.#id, length });
    const done = value.kind === "truncated" && value.done;
    if (done) this.#length = length;
    return done;
  }

  async fork(): Promise<Sequence> {
    const value = await this.#engine.ask({ kind: "fork", sequence: this.#id });
    if (value.kind !== "sequence") return fail("internal", `the engine answered a fork with ${value.kind}`);
    return new RemoteSequence(this.#engine, value.sequence, this.#length);
  }

  async close(): Promise<void> {
    if (!this.#engine.closed) await this.#engine.ask({ kind: "close", sequence: this.#id });
  }
}

/** Starts the worker from the built package, or from source when this file is source (tests, development). */
function startWorker(): Worker {
  if (!import.meta.url.endsWith(".ts")) return new Worker(new URL("./worker.js", import.meta.url));
  const url = JSON.stringify(new URL("./worker.ts", import.meta.url).href);
  return new Worker(`import("tsx/esm/api").then(({ register }) => { register(); return import(${url}); })`, {
    eval: true,
  });
}

/** A decoder in a worker thread. */
export class EngineClient implements SequenceModel {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #config: DecoderConfig | undefined;
  #form = "";
  #nextId = 0;
  #failure: unknown;

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.on("message", (answer: EngineAnswer) => this.#receive(answer));
    worker.on("error", (thrown) =>
      this.#fail(new BletchleyError("engine", `the engine stopped: ${thrown.message}`, { cause: thrown })),
    );
    worker.on("exit", (code) => this.#fail(new BletchleyError("disposed", `the engine has ended (exit code ${code})`)));
    // waiting answers keep the process alive, an idle engine does not
    worker.unref();
  }

  /**
   * Starts a worker and loads a decoder in it.
   * @throws what loading throws: `format`, `unsupported`, `disk`, `engine` …
   */
  static async load(load: EngineLoad, onProgress?: ProgressListener): Promise<EngineClient> {
    const client = new EngineClient(startWorker());
    try {
      const value = await client.ask({ kind: "load", load }, onProgress);
      if (value.kind !== "loaded") return fail("internal", `the engine answered a load with ${value.kind}`);
      client.#config = value.config;
      client.#form = value.form;
      return client;
    } catch (thrown) {
      await client.dispose();
      throw thrown;
    }
  }

  /** Architecture of the loaded decoder. */
  get config(): DecoderConfig {
    return this.#config ?? fail("internal", "the engine has not loaded a model");
  }

  /** Name of the weight form in use. */
  get form(): string {
    return this.#form;
  }

  /** Whether the engine has ended. */
  get closed(): boolean {
    return this.#failure !== undefined;
  }

  /** @internal Sends a request and waits for its answer. */
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

  async open(): Promise<Sequence> {
    const value = await this.ask({ kind: "open" });
    if (value.kind !== "sequence") return fail("internal", `the engine answered an open with ${value.kind}`);
    return new RemoteSequence(this, value.sequence, 0);
  }

  /** Ends the worker and frees everything. */
  async dispose(): Promise<void> {
    this.#failure ??= new BletchleyError("disposed", "the model has been disposed; load it again to use it");
    for (const waiting of this.#waiting.values()) waiting.reject(this.#failure);
    this.#waiting.clear();
    await this.#worker.terminate();
  }
}

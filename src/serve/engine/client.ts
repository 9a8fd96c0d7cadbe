/**
 * The main thread's side of a decoder that runs in a worker, as sequences.
 */
import type { DecoderConfig, Sequence, SequenceModel, SequenceStep, StepRequest } from "../../lm/index.ts";
import { blockLength } from "../../lm/index.ts";
import { fromWire } from "../../runtime/node/wire-array.ts";
import { fail } from "../../util/errors.ts";
import type { ProgressListener } from "../../util/progress.ts";
import { EngineWorker } from "./engine-worker.ts";
import type { EngineLoad, EngineRequest, EngineValue } from "./protocol.ts";

class RemoteSequence implements Sequence {
  readonly #engine: EngineWorker;
  readonly #id: number;
  #length: number;
  /** Why a commit failed; the worker's sequence is then shorter than this one says. */
  #broken: unknown;

  constructor(engine: EngineWorker, id: number, length: number) {
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

  /** Asks the worker; the answer comes after those to earlier commits. @throws what one of these failed with. */
  async #ask(request: EngineRequest): Promise<EngineValue> {
    const answer = this.#engine.ask(request);
    await answer.catch(() => undefined);
    if (this.#broken !== undefined) throw this.#broken;
    return answer;
  }

  async step(request: StepRequest): Promise<SequenceStep> {
    const value = await this.#ask({ kind: "step", sequence: this.#id, request });
    if (value.kind !== "step") return fail("internal", `the engine answered a step with ${value.kind}`);
    return {
      logits: fromWire(value.logits),
      extra: Object.fromEntries(Object.entries(value.extra).map(([name, array]) => [name, fromWire(array)])),
    };
  }

  async commit(rows: readonly number[]): Promise<void> {
    if (rows.length > this.room)
      fail("argument", `commit: ${rows.length} rows do not fit before the next boundary, ${this.room} do`);
    this.#length += rows.length;
    // messages keep their order, so nobody has to wait for this one; a failure fails what comes next
    this.#engine.ask({ kind: "commit", sequence: this.#id, rows }).catch((thrown: unknown) => {
      this.#broken ??= thrown;
    });
  }

  async truncate(length: number): Promise<boolean> {
    const value = await this.#ask({ kind: "truncate", sequence: this.#id, length });
    const done = value.kind === "truncated" && value.done;
    if (done) this.#length = length;
    return done;
  }

  async fork(): Promise<Sequence> {
    const value = await this.#ask({ kind: "fork", sequence: this.#id });
    if (value.kind !== "sequence") return fail("internal", `the engine answered a fork with ${value.kind}`);
    return new RemoteSequence(this.#engine, value.sequence, this.#length);
  }

  async close(): Promise<void> {
    if (!this.#engine.closed) await this.#engine.ask({ kind: "close", sequence: this.#id });
  }
}

/** A decoder in a worker thread. */
export class EngineClient implements SequenceModel {
  readonly #worker: EngineWorker;
  /** Architecture of the loaded decoder. */
  readonly config: DecoderConfig;
  /** Name of the weight form in use. */
  readonly form: string;

  private constructor(worker: EngineWorker, config: DecoderConfig, form: string) {
    this.#worker = worker;
    this.config = config;
    this.form = form;
  }

  /**
   * Starts a worker and loads a decoder in it.
   * @throws what loading throws: `format`, `unsupported`, `disk`, `engine` …; `aborted` when the signal fires first.
   */
  static load(
    load: EngineLoad,
    options: { readonly onProgress?: ProgressListener; readonly signal?: AbortSignal } = {},
  ): Promise<EngineClient> {
    return EngineWorker.start(async (worker) => {
      const value = await worker.ask({ kind: "load", load }, { onUpdate: options.onProgress });
      if (value.kind !== "loaded") return fail("internal", `the engine answered a load with ${value.kind}`);
      return new EngineClient(worker, value.config, value.form);
    }, options.signal);
  }

  /** Whether the engine has ended. */
  get closed(): boolean {
    return this.#worker.closed;
  }

  async open(): Promise<Sequence> {
    const value = await this.#worker.ask({ kind: "open" });
    if (value.kind !== "sequence") return fail("internal", `the engine answered an open with ${value.kind}`);
    return new RemoteSequence(this.#worker, value.sequence, 0);
  }

  /** Ends the worker and frees everything. */
  dispose(): Promise<void> {
    return this.#worker.dispose();
  }
}

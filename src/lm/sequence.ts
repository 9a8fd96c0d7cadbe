/**
 * A decoder as the decode loop sees it: sequences that can be stepped, committed, cut back and forked. Where the model
 * runs (this thread or a worker) is hidden behind the interface.
 */
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import type { DecoderConfig } from "./config.ts";
import { KvCache } from "./kv-cache.ts";
import type { StepModel, StepRequest, StepResult } from "./step-model.ts";

/** What a step of a sequence returns. */
export interface SequenceStep {
  /** `[wanted, vocabulary]`. */
  readonly logits: NDArray;
  /** The further outputs that were asked for. */
  readonly extra: Readonly<Record<string, NDArray>>;
}

/** One sequence of tokens and its cache. Calls on one sequence must not overlap, except that a commit needs no waiting. */
export interface Sequence {
  /** Number of committed tokens. */
  readonly length: number;
  /** Rows that one step may still add before the next block boundary. */
  readonly room: number;
  /** Runs rows after the committed tokens; nothing is kept until {@link commit}. */
  step(request: StepRequest): Promise<SequenceStep>;
  /** Keeps rows of the last step, in order. */
  commit(rows: readonly number[]): Promise<void>;
  /** Forgets tokens from `length` on; false (and unchanged) when a sliding window makes that impossible. */
  truncate(length: number): Promise<boolean>;
  /** An independent copy. */
  fork(): Promise<Sequence>;
  /** Frees the cache. */
  close(): Promise<void>;
}

/** A loaded decoder that can open sequences. */
export interface SequenceModel {
  readonly config: DecoderConfig;
  /** Opens an empty sequence. */
  open(): Promise<Sequence>;
}

class LocalSequence implements Sequence {
  readonly #model: StepModel;
  #cache: KvCache | undefined;
  #last: StepResult | undefined;

  constructor(model: StepModel, cache: KvCache) {
    this.#model = model;
    this.#cache = cache;
  }

  #open(): KvCache {
    return this.#cache ?? fail("disposed", "the sequence has been closed; open another one");
  }

  get length(): number {
    return this.#open().length;
  }

  get room(): number {
    return this.#open().room;
  }

  async step(request: StepRequest): Promise<SequenceStep> {
    this.#last = await this.#model.step(this.#open(), request);
    return { logits: this.#last.logits, extra: this.#last.extra };
  }

  async commit(rows: readonly number[]): Promise<void> {
    if (!this.#last) fail("argument", "commit: there is no step whose rows could be kept");
    this.#open().commit(this.#last.keys, this.#last.values, rows);
    this.#last = undefined;
  }

  async truncate(length: number): Promise<boolean> {
    this.#last = undefined;
    return this.#open().truncate(length);
  }

  async fork(): Promise<Sequence> {
    return new LocalSequence(this.#model, this.#open().fork());
  }

  async close(): Promise<void> {
    this.#cache = undefined;
    this.#last = undefined;
  }
}

/** Sequences of a model that runs in this thread. */
export class LocalSequenceModel implements SequenceModel {
  readonly config: DecoderConfig;
  readonly #model: StepModel;

  constructor(model: StepModel) {
    this.config = model.config;
    this.#model = model;
  }

  async open(): Promise<Sequence> {
    return new LocalSequence(this.#model, new KvCache(this.config));
  }
}

/**
 * Hidden states after the final norm of a step's rows, `[rows, hidden]`: `hidden` must be among the step's outputs. A step may carry
 * rows more than it was asked for.
 */
export function hiddenRows({ extra }: SequenceStep, rows: number): NDArray {
  const hidden =
    extra.hidden ?? fail("argument", 'the step was not asked for its hidden states; add "hidden" to its outputs');
  const width = hidden.shape[1]!;
  return new NDArray((hidden.data as Float32Array).subarray(0, rows * width), [rows, width], "f32");
}

/**
 * Runs and commits a prompt in canonical chunks.
 * @param onChunk called with the number of tokens done; may throw to stop between chunks.
 * @param visit gets the logits of every row of a chunk, `[rows, vocabulary]`, and the number of tokens before it; without it only those of
 * the last row are computed.
 * @param visitHidden gets the hidden states of every row of a chunk after the final norm, `[rows, hidden]`, and the number of tokens before it.
 * @returns logits after the last token, `[vocabulary]`.
 */
export async function prefill(
  sequence: Sequence,
  tokens: readonly number[],
  onChunk?: (done: number) => void,
  visit?: (first: number, logits: NDArray) => void,
  visitHidden?: (first: number, hidden: NDArray) => void,
): Promise<Float32Array> {
  if (!tokens.length)
    fail("argument", "prefill: the prompt has no tokens; begin with the model's beginning-of-sequence token");
  let logits: Float32Array | undefined;
  for (let at = 0; at < tokens.length; ) {
    onChunk?.(at);
    const count = Math.min(sequence.room, tokens.length - at);
    const last = at + count === tokens.length;
    const result = await sequence.step({
      tokens: tokens.slice(at, at + count),
      ...(visit ? {} : { wanted: [count - 1] }),
      ...(visitHidden ? { outputs: ["hidden"] } : {}),
    });
    await sequence.commit(Array.from({ length: count }, (_, i) => i));
    visit?.(at, result.logits);
    visitHidden?.(at, hiddenRows(result, count));
    if (last) {
      const { data, shape } = result.logits;
      logits = (data as Float32Array).subarray(data.length - shape[1]!);
    }
    at += count;
  }
  return logits!;
}

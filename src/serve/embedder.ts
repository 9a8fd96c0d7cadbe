/**
 * Text to vectors. Joins the tokenizer (this thread) with the encoder (a worker), and decides which texts share a batch.
 */
import type { Tokenizer } from "../formats/index.ts";
import type { ResolvedModel } from "../sources/index.ts";
import { fail, throwIfAborted } from "../util/errors.ts";
import type { EncoderClient } from "./engine/encoder-client.ts";

/** Most tokens of a batch, padding included: large enough to keep the cores busy, small enough to let others in soon. */
const batchTokens = 2048;

/** Milliseconds of tokenising after which the event loop gets a turn. */
const sliceMs = 10;

/**
 * Puts texts of similar lengths into batches, so that little time goes into padding.
 * @param lengths tokens of each text. @returns indices of the texts of each batch, longest texts first.
 */
export function planBatches(lengths: readonly number[]): number[][] {
  const order = lengths.map((_, i) => i).sort((a, b) => lengths[b]! - lengths[a]!);
  const batches: number[][] = [];
  let batch: number[] = [];
  let used = 0;
  for (const i of order) {
    const longest = lengths[batch[0] ?? i]!;
    const padded = (batch.length + 1) * longest;
    used += lengths[i]!;
    // a fifth of padding costs less than another call
    if (batch.length && (padded > batchTokens || padded > 1.25 * used + 16)) {
      batches.push(batch);
      batch = [];
      used = lengths[i]!;
    }
    batch.push(i);
  }
  if (batch.length) batches.push(batch);
  return batches;
}

/** What an {@link Embedder} is made of. */
export interface EmbedderParts {
  readonly encoder: EncoderClient;
  readonly source: ResolvedModel;
  readonly tokenizer: Tokenizer;
  /** Most tokens of a text, special tokens included. */
  readonly maxTokens: number;
  /** Whether texts are put in lower case before they are tokenised. */
  readonly lowerCase: boolean;
}

/** A loaded encoder. Calls may run at the same time; their batches take turns. */
export class Embedder {
  readonly #encoder: EncoderClient;
  readonly #lowerCase: boolean;
  /** Where the model came from. */
  readonly source: ResolvedModel;
  readonly tokenizer: Tokenizer;
  /** Most tokens of a text that are used, special tokens included; what follows is cut off. */
  readonly maxTokens: number;

  /** @internal Use {@link loadEmbedder}. */
  constructor({ encoder, source, tokenizer, maxTokens, lowerCase }: EmbedderParts) {
    this.#encoder = encoder;
    this.#lowerCase = lowerCase;
    this.source = source;
    this.tokenizer = tokenizer;
    this.maxTokens = maxTokens;
  }

  /** Length of each vector. */
  get dimensions(): number {
    return this.#encoder.dimensions;
  }

  #encode(text: string): number[] {
    const prepared = this.#lowerCase ? text.toLowerCase() : text;
    return this.tokenizer.encode(prepared, { addSpecial: true, parseSpecial: true });
  }

  /** Number of tokens of a text, special tokens included, before it is cut to {@link maxTokens}. */
  countTokens(text: string): number {
    return this.#encode(text).length;
  }

  /** A text's tokens, cut as the model's authors do: from the end, keeping the separator. */
  #tokens(text: string): number[] {
    const ids = this.#encode(text);
    const ends = this.tokenizer.specials.addEos ? 1 : 0;
    return ids.length > this.maxTokens
      ? [...ids.slice(0, this.maxTokens - ends), ...ids.slice(ids.length - ends)]
      : ids;
  }

  /**
   * A vector of length 1 for each text, in their order, so that the dot product of two is their cosine similarity. An
   * empty text has a vector too; a text that is too long is cut to {@link maxTokens}.
   * @throws `argument` when a text is not a string, `aborted`, `disposed`.
   */
  async embed(
    texts: readonly string[],
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<Float32Array<ArrayBuffer>[]> {
    const { signal } = options;
    const tokens: number[][] = [];
    let turn = performance.now();
    for (const text of texts) {
      if (typeof text !== "string") fail("argument", `embed: text ${tokens.length} is a ${typeof text}, not a string`);
      tokens.push(this.#tokens(text));
      if (performance.now() - turn > sliceMs) {
        await new Promise((resolve) => setImmediate(resolve));
        turn = performance.now();
      }
      throwIfAborted(signal);
    }
    const { dimensions } = this;
    const out: Float32Array<ArrayBuffer>[] = new Array(texts.length);
    for (const batch of planBatches(tokens.map((ids) => ids.length))) {
      throwIfAborted(signal);
      const vectors = await this.#encoder.embed(batch.map((i) => tokens[i]!));
      batch.forEach((i, row) => {
        out[i] = vectors.slice(row * dimensions, (row + 1) * dimensions) as Float32Array<ArrayBuffer>;
      });
    }
    throwIfAborted(signal);
    return out;
  }

  /** Ends the engine and frees everything; running calls fail with `disposed`. */
  async dispose(): Promise<void> {
    await this.#encoder.dispose();
  }

  /** Same as {@link dispose}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

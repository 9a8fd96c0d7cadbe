/**
 * The draft model's side of PEARL: it writes tokens ahead of what is verified, and goes back when they turn out to be wrong. It
 * does not know what the target model is doing meanwhile.
 */
import type { Sequence } from "../../lm/index.ts";
import { fail, throwIfAborted } from "../../util/errors.ts";
import type { Random } from "../../util/random.ts";
import { drawToken } from "../drafters/draft-shapes.ts";
import type { SamplingOptions } from "../options.ts";
import { argmax, Sampler } from "../sampler.ts";
import type { SpanListener } from "./spans.ts";

/** A token that the draft model wrote. */
export interface Drafted {
  readonly token: number;
  /** The distribution it was drawn from, `[vocabulary]`; absent where it is the likeliest token. */
  readonly distribution?: Float64Array;
}

/** What a draft lane works with. */
export interface DraftLaneOptions {
  /** Opens an empty sequence of the draft model. */
  readonly open: () => Promise<Sequence>;
  /** How tokens are drawn: as the text is sampled, without its penalties. */
  readonly sampling: SamplingOptions;
  readonly random: Random;
  /** Tokens that end a text: nothing is written behind them. */
  readonly ends: ReadonlySet<number>;
  readonly onSpan?: SpanListener;
  readonly signal?: AbortSignal;
}

/** Runs tokens that a sequence does not hold yet, and keeps them. @returns logits after the last one, `[vocabulary]`. */
export async function feed(
  sequence: Sequence,
  tokens: readonly number[],
  onSpan?: (start: number, end: number, rows: number) => void,
  signal?: AbortSignal,
): Promise<Float32Array> {
  let logits: Float32Array | undefined;
  for (let at = 0; at < tokens.length; ) {
    throwIfAborted(signal);
    const count = Math.min(sequence.room, tokens.length - at);
    const start = performance.now();
    const result = await sequence.step({ tokens: tokens.slice(at, at + count), wanted: [count - 1] });
    onSpan?.(start, performance.now(), count);
    await sequence.commit([...Array(count).keys()]);
    logits = result.logits.data as Float32Array;
    at += count;
  }
  return logits ?? fail("internal", "there were no tokens to run");
}

/** One text's draft model. */
export class DraftLane {
  readonly #options: DraftLaneOptions;
  readonly #sampler: Sampler | undefined;
  #sequence: Sequence | undefined;

  constructor(options: DraftLaneOptions) {
    this.#options = options;
    const {
      repetitionPenalty: _,
      presencePenalty: __,
      frequencyPenalty: ___,
      logitBias: ____,
      ...plain
    } = options.sampling;
    this.#sampler = plain.temperature ? new Sampler(plain) : undefined;
  }

  async #open(): Promise<Sequence> {
    this.#sequence ??= await this.#options.open();
    return this.#sequence;
  }

  /** Reads the beginning of a text, without writing. */
  async read(tokens: readonly number[]): Promise<void> {
    const sequence = await this.#open();
    if (tokens.length > sequence.length)
      await feed(sequence, tokens.slice(sequence.length), undefined, this.#options.signal);
  }

  /** Writes up to `count` tokens after a text, whose last token at least has not been read; fewer when one ends it. */
  async write(tokens: readonly number[], count: number): Promise<Drafted[]> {
    const { onSpan, signal, random, ends } = this.#options;
    const sequence = await this.#open();
    const text = [...tokens];
    const written: Drafted[] = [];
    while (written.length < count) {
      const logits = await feed(
        sequence,
        text.slice(sequence.length),
        onSpan && ((start, end, rows) => onSpan({ worker: "draft", start, end, rows })),
        signal,
      );
      const distribution = this.#sampler?.distribution(logits);
      const token = distribution ? drawToken(distribution, random) : argmax(logits);
      text.push(token);
      written.push({ token, ...(distribution && { distribution }) });
      if (ends.has(token)) break;
    }
    return written;
  }

  /** Forgets what it read from `length` on. */
  async rollback(length: number): Promise<void> {
    const sequence = await this.#open();
    if (sequence.length <= length || (await sequence.truncate(length))) return;
    // a sliding window has dropped rows that would be needed: the text is read again
    await this.close();
  }

  async close(): Promise<void> {
    await this.#sequence?.close();
    this.#sequence = undefined;
  }
}

/**
 * Lexical Unit Decoding (Sun et al. 2024, arXiv 2405.15208): a model that was trained for it says the tokens after the next one at
 * placeholders behind the text, and those that it is sure of are taken at once. Token ids only; training is in `train/lexical-units`.
 */
import { prefill, type Sequence } from "../../lm/index.ts";
import { fail, throwIfAborted } from "../../util/errors.ts";
import { checkOptions, type SamplingOptions } from "../options.ts";
import { argmax, Sampler } from "../sampler.ts";

/** How to decode; the paper's symbols in brackets. */
export interface LexicalUnitDecodingOptions extends SamplingOptions {
  /** The token that the model was trained to look ahead from; it is never said. */
  readonly placeholder: number;
  /** Placeholders behind the text [k]; 3 by default, and 0 decodes one by one. */
  readonly placeholders?: number;
  /** Least probability of a token that is taken from a placeholder [β]; 0.9 by default. Above 1 none is. */
  readonly minConfidence?: number;
  /**
   * Whether tokens that came from placeholders are checked when the next step runs them anyway: the text is then what decoding one by one
   * gives, sampled or not. True by default. Without it a step hands its tokens out at once and what they should have been is never
   * asked: the paper's own way, greedy only.
   */
  readonly verify?: boolean;
  /** Most tokens to generate; prompt and answer must fit the model's context. */
  readonly maxTokens: number;
  /** Tokens that end the text, which they belong to; none by default. */
  readonly ends?: readonly number[];
  readonly signal?: AbortSignal;
}

/** What one step of the model came to. */
export interface LexicalUnitStep {
  /** Tokens that the text gained, at least one. */
  readonly tokens: readonly number[];
  /** Rows that the model ran. */
  readonly rows: number;
  /** Whether the guard against repetitions ended the span. */
  readonly guarded: boolean;
  /** Tokens from placeholders that were found wrong; 0 without verification. */
  readonly rejected: number;
}

/** The likeliest token of a row; −1 when its probability is below `least`. */
function mostLikely(logits: Float32Array, least: number): number {
  const token = argmax(logits);
  const highest = logits[token]!;
  const most = 1 / least;
  let sum = 0;
  for (let i = 0; i < logits.length; i++) {
    sum += Math.exp(logits[i]! - highest);
    // small models spend as long on this sum as on a good part of their step
    if (sum > most) return -1;
  }
  return token;
}

const same = (a: readonly number[], b: readonly number[]) =>
  a.length === b.length && a.every((token, i) => token === b[i]);

function check(prompt: readonly number[], options: LexicalUnitDecodingOptions): void {
  const { placeholders = 3, minConfidence = 0.9, verify = true, temperature = 0 } = options;
  checkOptions(options);
  if (!prompt.length) fail("argument", "the prompt is empty; give it at least one token");
  if (!Number.isInteger(placeholders) || placeholders < 0 || placeholders > 16)
    fail("argument", `placeholders is ${placeholders}; it must be a whole number from 0 to 16`);
  if (!(minConfidence > 0)) fail("argument", `minConfidence is ${minConfidence}; it must be a number above 0`);
  if (!verify && temperature !== 0)
    fail(
      "argument",
      `temperature is ${temperature}, and tokens from placeholders are not drawn but the likeliest; leave verify on, or choose temperature 0`,
    );
}

/**
 * Continues a prompt, step by step. Rows of placeholders never enter the cache, and tokens that came from them are run once more for rows
 * of their own. A span ends before a token that equals the one before it, or that would make it the last step's span again: the tokens
 * of one span do not see each other, and say the same thing twice where both places are sure of it.
 * @param sequence holds nothing, or a beginning of the prompt that is shorter than it.
 * @throws `argument` for impossible options, `aborted`.
 * @example
 * const options = { placeholder: tokenizer.specials.padId!, maxTokens: 100, ends: tokenizer.specials.eosIds };
 * for await (const { tokens } of lexicalUnitDecoding(await model.open(), prompt, options)) answer.push(...tokens);
 */
export async function* lexicalUnitDecoding(
  sequence: Sequence,
  prompt: readonly number[],
  options: LexicalUnitDecodingOptions,
): AsyncGenerator<LexicalUnitStep, void, void> {
  check(prompt, options);
  const { placeholder, placeholders = 3, minConfidence = 0.9, verify = true, maxTokens, signal } = options;
  const ends = new Set(options.ends);
  const sampler = new Sampler(options, prompt);
  const before = prompt.slice(sequence.length, -1);
  if (before.length) await prefill(sequence, before, () => throwIfAborted(signal));
  /** Tokens that are taken but not in the cache yet; all but the first came from placeholders. */
  let pending: readonly number[] = prompt.slice(-1);
  for (let count = 0; ; ) {
    throwIfAborted(signal);
    const last = pending.length - 1;
    /** The first row whose logits are wanted. */
    const first = verify ? 0 : last;
    // what is taken now must fit before the next block's boundary and, checked one step later, before the end
    const useful = maxTokens - count - (verify ? pending.length + 1 : 1);
    const ahead = Math.max(0, Math.min(placeholders, sequence.room - pending.length - 1, useful));
    const rows = pending.length + ahead;
    const { logits } = await sequence.step({
      tokens: [...pending, ...Array<number>(ahead).fill(placeholder)],
      wanted: Array.from({ length: rows - first }, (_, i) => first + i),
    });
    const width = logits.shape[1]!;
    /** Logits of a row, in which the placeholder cannot be said. */
    const rowOf = (row: number): Float32Array => {
      const found = (logits.data as Float32Array).subarray((row - first) * width, (row - first + 1) * width);
      found[placeholder] = Number.NEGATIVE_INFINITY;
      return found;
    };
    const gained: number[] = [];
    /** Takes what the model says after a row. @returns whether the text goes on as it was guessed. */
    const take = (row: number): boolean => {
      const token = sampler.sample(rowOf(row));
      sampler.accept(token);
      gained.push(token);
      return row < last && token === pending[row + 1] && !ends.has(token);
    };
    let row = first;
    while (take(row)) row++;
    // `row` is now the last one that was guessed right
    const ended = ends.has(gained[gained.length - 1]!);
    const span = gained.slice(-1);
    let guarded = false;
    for (let r = 1; r <= ahead && row === last && !ended; r++) {
      const token = mostLikely(sampler.adjust(rowOf(last + r)), minConfidence);
      if (token < 0) break;
      guarded = token === span[r - 1] || same([...span, token], pending);
      if (guarded) break;
      span.push(token);
      if (!verify) {
        sampler.accept(token);
        gained.push(token);
      }
      if (ends.has(token)) break;
    }
    // what ends the text needs no row
    await sequence.commit(Array.from({ length: row + 1 }, (_, i) => i));
    count += gained.length;
    yield { tokens: gained, rows, guarded, rejected: ended ? 0 : last - row };
    if (count >= maxTokens || ends.has(gained[gained.length - 1]!)) return;
    pending = span;
  }
}

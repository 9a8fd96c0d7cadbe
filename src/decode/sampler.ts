/**
 * From logits to the next token: bias and penalties, then the filters, then a draw. Knows token ids only, no text.
 */
import { fail } from "../util/errors.ts";
import { Random } from "../util/random.ts";
import { candidatesOf } from "./filters.ts";
import type { SamplingOptions, TokenLogprob } from "./options.ts";

/** Index of the largest logit; the first one on ties. */
export function argmax(logits: Float32Array): number {
  let best = 0;
  let highest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++)
    if (logits[i]! > highest) {
      highest = logits[i]!;
      best = i;
    }
  return best;
}

/** Natural logarithm of the sum of exponentials. */
export function logSumExp(logits: Float32Array): number {
  const highest = logits[argmax(logits)]!;
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i]! - highest);
  return highest + Math.log(sum);
}

/** Log-probability of a token and of the `count` likeliest ones. */
export function tokenLogprob(logits: Float32Array, token: number, count: number): TokenLogprob {
  const total = logSumExp(logits);
  const top: number[] = [];
  for (let i = 0; i < logits.length && count; i++) {
    const logit = logits[i]!;
    if (top.length === count && logit <= logits[top[count - 1]!]!) continue;
    let at = top.length < count ? top.length : count - 1;
    for (; at > 0 && logits[top[at - 1]!]! < logit; at--) top[at] = top[at - 1]!;
    top[at] = i;
  }
  const entry = (id: number) => ({ token: id, logprob: logits[id]! - total });
  return { ...entry(token), top: top.map(entry) };
}

/** Chooses tokens of one sequence; holds its random numbers and what it has said so far. */
export class Sampler {
  readonly #options: SamplingOptions;
  readonly #random: Random;
  readonly #seen = new Set<number>();
  readonly #generated = new Map<number, number>();

  /** @param prompt tokens that count as seen for the repetition penalty. */
  constructor(options: SamplingOptions, prompt: Iterable<number> = []) {
    this.#options = options;
    this.#random = new Random(options.seed ?? Math.floor(Math.random() * 2 ** 48));
    if ((options.repetitionPenalty ?? 1) !== 1) for (const token of prompt) this.#seen.add(token);
  }

  /** Whether the choice is the largest logit, so that nothing random is involved. */
  get greedy(): boolean {
    return (this.#options.temperature ?? 0) === 0;
  }

  /** Notes that a token was taken. */
  accept(token: number): void {
    this.#seen.add(token);
    this.#generated.set(token, (this.#generated.get(token) ?? 0) + 1);
  }

  /** Logits after bias and penalties; the same array when there are none. */
  adjust(logits: Float32Array): Float32Array {
    const { repetitionPenalty = 1, presencePenalty = 0, frequencyPenalty = 0, logitBias } = this.#options;
    const penalized =
      (repetitionPenalty !== 1 && this.#seen.size) || ((presencePenalty || frequencyPenalty) && this.#generated.size);
    if (!logitBias && !penalized) return logits;
    const out = logits.slice();
    if (repetitionPenalty !== 1)
      for (const token of this.#seen)
        out[token]! = out[token]! > 0 ? out[token]! / repetitionPenalty : out[token]! * repetitionPenalty;
    if (presencePenalty || frequencyPenalty)
      for (const [token, count] of this.#generated) out[token]! -= presencePenalty + frequencyPenalty * count;
    if (logitBias)
      for (const [token, bias] of Object.entries(logitBias))
        if (Number(token) < out.length) out[Number(token)]! += bias;
    return out;
  }

  /** Probabilities after every option, as a dense array `[vocabulary]`: what sampled decoding must be faithful to. */
  distribution(logits: Float32Array): Float64Array {
    const out = new Float64Array(logits.length);
    const adjusted = this.adjust(logits);
    const best = this.#best(adjusted);
    if (this.greedy) {
      out[best] = 1;
      return out;
    }
    const { ids, probabilities } = candidatesOf(adjusted, adjusted[best]!, this.#options);
    ids.forEach((id, i) => {
      out[id] = probabilities[i]!;
    });
    return out;
  }

  /** A random number from 0 to 1 of this text's own, for rules that decide by chance. */
  uniform(): number {
    return this.#random.next();
  }

  /** The next token. @throws `nan` when no logit is a finite number. */
  sample(logits: Float32Array): number {
    const adjusted = this.adjust(logits);
    const best = this.#best(adjusted);
    if (this.greedy) return best;
    const { ids, probabilities } = candidatesOf(adjusted, adjusted[best]!, this.#options);
    let rest = this.#random.next();
    for (let i = 0; i < ids.length; i++) {
      rest -= probabilities[i]!;
      if (rest < 0) return ids[i]!;
    }
    // rounding left a little over
    return best;
  }

  /** The largest logit's token. @throws `nan` when there is none to choose. */
  #best(adjusted: Float32Array): number {
    const best = argmax(adjusted);
    if (!Number.isFinite(adjusted[best]))
      fail("nan", `the largest logit is ${adjusted[best]}: the model's numbers are broken, or a bias bans every token`);
    return best;
  }
}

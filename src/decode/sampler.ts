/**
 * From logits to the next token: penalties, temperature, and the filters, in the order in which other engines apply them.
 * Knows token ids only, no text.
 */
import { Random } from "../util/random.ts";
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
  const top: { token: number; logprob: number }[] = [];
  for (let i = 0; i < logits.length && count; i++) {
    const logprob = logits[i]! - total;
    if (top.length === count && logprob <= top[count - 1]!.logprob) continue;
    let at = top.length < count ? top.length : count - 1;
    while (at > 0 && top[at - 1]!.logprob < logprob) {
      top[at] = top[at - 1]!;
      at--;
    }
    top[at] = { token: i, logprob };
  }
  return { token, logprob: logits[token]! - total, top };
}

/** Tokens that may still be chosen, most likely first, with probabilities that sum to 1. */
interface Candidates {
  readonly ids: Uint32Array;
  readonly probabilities: Float64Array;
}

/** Ids whose logit is at least `lowest`, by falling logit (and rising id on ties). */
function sortedAbove(logits: Float32Array, lowest: number): Uint32Array {
  let count = 0;
  for (let i = 0; i < logits.length; i++) if (logits[i]! >= lowest) count++;
  const ids = new Uint32Array(count);
  for (let i = 0, at = 0; i < logits.length; i++) if (logits[i]! >= lowest) ids[at++] = i;
  return ids.sort((a, b) => logits[b]! - logits[a]! || a - b);
}

/** A logit below which at least `count` are not needed: found with a histogram, so that only candidates are sorted. */
function thresholdFor(logits: Float32Array, highest: number, enough: (count: number, mass: number) => boolean): number {
  const bins = 512;
  const span = 32;
  const counts = new Uint32Array(bins);
  const masses = new Float64Array(bins);
  for (let i = 0; i < logits.length; i++) {
    const below = highest - logits[i]!;
    const bin = below >= span ? bins - 1 : Math.floor((below / span) * (bins - 1));
    counts[bin]!++;
    masses[bin]! += Math.exp(-below);
  }
  let count = 0;
  let mass = 0;
  for (let bin = 0; bin < bins - 1; bin++) {
    count += counts[bin]!;
    mass += masses[bin]!;
    // one bin of slack, because a logit may be rounded into its neighbour
    if (enough(count, mass)) return highest - ((bin + 2) / (bins - 1)) * span;
  }
  return Number.NEGATIVE_INFINITY;
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
    if (this.greedy) {
      out[argmax(adjusted)] = 1;
      return out;
    }
    const { ids, probabilities } = this.#candidates(adjusted);
    ids.forEach((id, i) => {
      out[id] = probabilities[i]!;
    });
    return out;
  }

  /** The next token. */
  sample(logits: Float32Array): number {
    const adjusted = this.adjust(logits);
    if (this.greedy) return argmax(adjusted);
    const { ids, probabilities } = this.#candidates(adjusted);
    let rest = this.#random.next();
    for (let i = 0; i < ids.length; i++) {
      rest -= probabilities[i]!;
      if (rest < 0) return ids[i]!;
    }
    return ids[0]!;
  }

  #candidates(logits: Float32Array): Candidates {
    const { temperature = 1, topK = 0, topP = 1, minP = 0, typicalP = 1 } = this.#options;
    const scaled = new Float32Array(logits.length);
    for (let i = 0; i < scaled.length; i++) scaled[i] = logits[i]! / temperature;
    const highest = scaled[argmax(scaled)]!;
    let total = 0;
    for (let i = 0; i < scaled.length; i++) total += Math.exp(scaled[i]! - highest);
    const filtersFromTop = topK > 0 || topP < 1 || minP > 0;
    let lowest = Number.NEGATIVE_INFINITY;
    if (filtersFromTop && typicalP >= 1) {
      if (topK > 0)
        lowest = Math.max(
          lowest,
          thresholdFor(scaled, highest, (count) => count >= topK),
        );
      if (topP < 1)
        lowest = Math.max(
          lowest,
          thresholdFor(scaled, highest, (_, mass) => mass >= topP * total),
        );
      if (minP > 0) lowest = Math.max(lowest, highest + Math.log(minP) - 1e-6);
    }
    let ids = sortedAbove(scaled, lowest);
    if (topK > 0) ids = ids.subarray(0, topK);
    if (typicalP < 1) ids = typical(scaled, ids, highest, typicalP);
    if (topP < 1) {
      let mass = 0;
      let all = 0;
      for (const id of ids) all += Math.exp(scaled[id]! - highest);
      // after top-k the nucleus is taken of what is left
      const wanted = topP * (topK > 0 || typicalP < 1 ? all : total);
      let count = 0;
      while (count < ids.length && mass < wanted) mass += Math.exp(scaled[ids[count++]!]! - highest);
      ids = ids.subarray(0, Math.max(1, count));
    }
    if (minP > 0) {
      const bound = highest + Math.log(minP);
      let count = ids.length;
      while (count > 1 && scaled[ids[count - 1]!]! < bound) count--;
      ids = ids.subarray(0, count);
    }
    const probabilities = new Float64Array(ids.length);
    let sum = 0;
    for (let i = 0; i < ids.length; i++) sum += probabilities[i] = Math.exp(scaled[ids[i]!]! - highest);
    for (let i = 0; i < ids.length; i++) probabilities[i]! /= sum;
    return { ids, probabilities };
  }
}

/** Tokens whose surprise is closest to the entropy, up to a mass, sorted by falling logit again (Meister et al. 2023). */
function typical(scaled: Float32Array, ids: Uint32Array, highest: number, mass: number): Uint32Array {
  let total = 0;
  for (const id of ids) total += Math.exp(scaled[id]! - highest);
  const surprise = new Float64Array(ids.length);
  let entropy = 0;
  for (let i = 0; i < ids.length; i++) {
    surprise[i] = Math.log(total) - (scaled[ids[i]!]! - highest);
    entropy += Math.exp(-surprise[i]!) * surprise[i]!;
  }
  const order = Array.from({ length: ids.length }, (_, i) => i).sort(
    (a, b) => Math.abs(surprise[a]! - entropy) - Math.abs(surprise[b]! - entropy),
  );
  let sum = 0;
  let count = 0;
  while (count < order.length && sum < mass) sum += Math.exp(-surprise[order[count++]!]!);
  return Uint32Array.from(
    order.slice(0, Math.max(1, count)).sort((a, b) => a - b),
    (i) => ids[i]!,
  );
}

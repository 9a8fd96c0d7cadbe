/**
 * The choice of one text's tokens: the sampler and, if there is one, the constraint, kept in step with each other.
 */
import { fail } from "../util/errors.ts";
import type { Constraint } from "./constraints/constraint.ts";
import { argmax, type Sampler } from "./sampler.ts";

/** Chooses tokens of one text and remembers what was chosen. */
export class TokenChooser {
  readonly sampler: Sampler;
  readonly constraint: Constraint | undefined;
  /** Tokens that end the text. */
  readonly ends: ReadonlySet<number>;
  readonly #mask: Uint32Array | undefined;
  readonly #limit: number;
  #forced: readonly number[] = [];
  /** Whether the constraint was asked what it forces in the present state. */
  #asked = false;
  #taken = 0;
  #ended = false;

  /** @param limit most tokens of the text: one that nears it is completed as its constraint knows how */
  constructor(
    sampler: Sampler,
    ends: ReadonlySet<number> = new Set(),
    constraint?: Constraint,
    limit = Number.POSITIVE_INFINITY,
  ) {
    this.sampler = sampler;
    this.#limit = limit;
    this.ends = ends;
    this.constraint = constraint;
    this.#mask = constraint && new Uint32Array(Math.ceil(constraint.vocabSize / 32));
  }

  /** Whether the text has ended: by a token that ends it, or because its constraint leaves nothing but such a token. */
  get ended(): boolean {
    return this.#ended;
  }

  /**
   * Tokens that come next without asking the model: no choice is left, or just enough room to complete the text. {@link choose} gives
   * them one by one, however the text is decoded, so that drafts change neither their spelling nor the random numbers behind them.
   */
  forced(): readonly number[] {
    if (this.constraint && !this.#asked) {
      this.#forced = forcedTokens(this.constraint, this.#limit - this.#taken);
      this.#asked = true;
    }
    return this.#forced;
  }

  /** Logits with those of forbidden tokens at minus infinity; the same array without a constraint. */
  restrict(logits: Float32Array): Float32Array {
    if (!this.constraint || !this.#mask) return logits;
    const mask = this.#mask;
    this.constraint.mask(mask);
    const out = new Float32Array(logits.length).fill(Number.NEGATIVE_INFINITY);
    for (let word = 0; word < mask.length; word++) {
      const bits = mask[word]!;
      if (!bits) continue;
      for (let bit = 0; bit < 32; bit++)
        if ((bits >>> bit) & 1) {
          const token = 32 * word + bit;
          if (token < out.length) out[token] = logits[token]!;
        }
    }
    return out;
  }

  /** The next token after a row of logits; nothing is noted. @throws `nan` when no token can be chosen. */
  choose(logits: Float32Array): number {
    const [forced] = this.forced();
    if (forced !== undefined) return forced;
    // most rows of a constrained text already say something allowed, and asking for one token is cheaper than a mask
    if (this.constraint && this.sampler.greedy && this.sampler.adjust(logits) === logits) {
      const best = argmax(logits);
      if (Number.isFinite(logits[best]) && this.constraint.allows(best)) return best;
    }
    return this.sampler.sample(this.restrict(logits));
  }

  /** Probabilities of the next token, `[vocabulary]`, after constraint, penalties, temperature and filters. */
  distribution(logits: Float32Array): Float64Array {
    return this.sampler.distribution(this.restrict(logits));
  }

  /** Notes that a token comes next. @throws `internal` for one that the constraint forbids. */
  take(token: number): void {
    this.#taken++;
    this.#forced = this.#forced[0] === token ? this.#forced.slice(1) : [];
    this.#asked = this.#forced.length > 0;
    if (this.constraint && !this.constraint.advance(token))
      fail("internal", `token ${token} was chosen although the constraint forbids it`);
    this.sampler.accept(token);
    this.#ended ||= this.ends.has(token) || this.#onlyEndsLeft(token);
  }

  #onlyEndsLeft(taken: number): boolean {
    if (!this.constraint?.isComplete() || !this.#mask) return false;
    // in free text the same token could come again, which is cheaper to ask than a mask
    if (this.constraint.allows(taken)) return false;
    this.constraint.mask(this.#mask);
    for (const end of this.ends) this.#mask[end >> 5]! &= ~(1 << (end & 31));
    return this.#mask.every((word) => word === 0);
  }
}

/** Tokens that are kept free, so that what the model opens can still be closed when room runs out. */
const closingSlack = 8;

function forcedTokens(constraint: Constraint, remaining: number): readonly number[] {
  // far from the limit it is enough to look now and then
  if (remaining <= 64 || (remaining % 64 === 0 && remaining < Number.POSITIVE_INFINITY)) {
    const completion = constraint.shortestCompletion();
    if (completion.length && remaining - completion.length <= closingSlack) return completion;
  }
  return constraint.forced();
}

/**
 * Superposed Decoding (Shen et al. 2024, arXiv 2405.18400): several short continuations from one sequence of forward passes. Each step is
 * fed the weighted sum of the drafts' last tokens, and n-gram counts tell which of the likely tokens fit which draft. Token ids only.
 */
import { prefill, type Sequence, type TokenMixture } from "../../lm/index.ts";
import { fail, throwIfAborted } from "../../util/errors.ts";
import { topLogits } from "../drafters/top-logits.ts";
import { draftLogprobs } from "./draft-logprobs.ts";
import type { NgramCounts } from "./ngram-counts.ts";

/** Weights of contexts of 1 to 5 tokens, as in the paper. */
export const paperNgramWeights: readonly number[] = [0.01, 0.04, 0.15, 0.18, 0.12];

/** How drafts are made; the paper's symbols in brackets. */
export interface SuperposedOptions {
  /** Number of drafts [k]; 3 by default. */
  readonly drafts?: number;
  /** Tokens of each; 10 by default. */
  readonly tokens?: number;
  /** Counts that tell which tokens fit which draft; without them all drafts see the same distribution. */
  readonly ngrams?: NgramCounts;
  /** How much the counts weigh against the model, 0 to 1 [α]; 0.54 by default. */
  readonly ngramShare?: number;
  /** Weights of contexts of 1, 2, … tokens; {@link paperNgramWeights} by default. */
  readonly ngramWeights?: readonly number[];
  /** Temperature of the model's distribution [τ]: small ones trust its first choice; 0.06 by default. */
  readonly temperature?: number;
  /** Most likely tokens that are considered in a step [n_s]; three for each draft that is made by default. */
  readonly candidates?: number;
  /**
   * Drafts that are made, of which those are kept that the model by itself finds likeliest: one more step, of many rows, and the scores
   * are then log-probabilities. By default as many as are wanted, and no such step.
   */
  readonly pool?: number;
  /** Tokens that end a draft; none by default. */
  readonly ends?: readonly number[];
  /** What a step is fed: the mixture of all drafts, or the best one's token alone, to see what the mixture does. */
  readonly input?: "mixture" | "first";
  /** Is told what each step after the prompt was fed, beginning with 1. */
  readonly onStep?: (step: number, mixture: TokenMixture, drafts: readonly SuperposedDraft[]) => void;
  readonly signal?: AbortSignal;
}

/** One continuation. */
export interface SuperposedDraft {
  readonly tokens: readonly number[];
  /**
   * Sum over its tokens of the interpolated scores, which ranks drafts of one call and is no probability; with a `pool` its
   * log-probability.
   */
  readonly score: number;
  /** Whether it ended by itself, with an end-of-sequence token. */
  readonly finished: boolean;
}

/** Drafts, the best first, and what they took. */
export interface SuperposedDrafts {
  readonly drafts: readonly SuperposedDraft[];
  /** Steps of one row after the prompt. */
  readonly steps: number;
}

/** What a draft loses when the counts know none of the tokens that could follow it: it then survives only if nothing else does. */
const penalty = 200;

/** Weights of drafts: the softmax of their scores; drafts with the same last token add up. */
function mixtureOf(drafts: readonly SuperposedDraft[], input: "mixture" | "first"): TokenMixture {
  const highest = Math.max(...drafts.map(({ score }) => score));
  const weights = drafts.map(({ score }, i) => (input === "mixture" ? Math.exp(score - highest) : i ? 0 : 1));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const byToken = new Map<number, number>();
  drafts.forEach(({ tokens }, i) => {
    const last = tokens[tokens.length - 1]!;
    if (weights[i]) byToken.set(last, (byToken.get(last) ?? 0) + weights[i]! / total);
  });
  return { tokens: [...byToken.keys()], weights: [...byToken.values()] };
}

/** The most likely tokens with the logarithms of their sharpened, renormalised probabilities. @throws `nan` for broken logits. */
function sharpened(logits: Float32Array, count: number, temperature: number): { token: number; logprob: number }[] {
  const ids = new Int32Array(Math.min(count, logits.length));
  const values = new Float32Array(ids.length);
  topLogits(logits, ids, values);
  const best = values[0]!;
  if (!Number.isFinite(best)) fail("nan", `the largest logit is ${best}: the model's numbers are broken`);
  const total = Math.log(values.reduce((sum, value) => sum + Math.exp((value - best) / temperature), 0));
  return Array.from(ids, (token, i) => ({ token, logprob: (values[i]! - best) / temperature - total }));
}

const scorePerToken = ({ score, tokens }: SuperposedDraft) => score / tokens.length;

/** Drafts of one call in the making. */
class Beam {
  readonly #options: Required<Pick<SuperposedOptions, "drafts" | "ngramShare" | "ngramWeights" | "temperature">> &
    Pick<SuperposedOptions, "ngrams" | "candidates">;
  readonly #prompt: readonly number[];
  readonly #ends: ReadonlySet<number>;
  /** One draft without tokens in the beginning, so that the first step takes different tokens and not copies of one draft. */
  alive: SuperposedDraft[] = [{ tokens: [], score: 0, finished: false }];
  #finished: SuperposedDraft[] = [];

  constructor(prompt: readonly number[], options: SuperposedOptions) {
    const { drafts = 3, ngramShare = 0.54, ngramWeights = paperNgramWeights, temperature = 0.06 } = options;
    this.#options = {
      drafts,
      ngramShare,
      ngramWeights,
      temperature,
      ngrams: options.ngrams,
      candidates: options.candidates,
    };
    this.#prompt = prompt;
    this.#ends = new Set(options.ends);
  }

  /** Lengthens the drafts by what the model says, and keeps the best. */
  grow(logits: Float32Array): void {
    const { drafts, temperature, candidates = 3 * drafts } = this.#options;
    const likely = sharpened(logits, candidates, temperature);
    const grown = this.alive.flatMap((draft) => this.#continuations(draft, likely));
    // stable: on ties the better parent and the likelier token come first
    grown.sort((a, b) => b.score - a.score);
    const best = grown.slice(0, 2 * drafts);
    this.#finished = [...this.#finished, ...best.filter(({ finished }) => finished)]
      .sort((a, b) => scorePerToken(b) - scorePerToken(a))
      .slice(0, drafts);
    this.alive = best.filter(({ finished }) => !finished).slice(0, drafts);
  }

  #continuations(draft: SuperposedDraft, likely: readonly { token: number; logprob: number }[]): SuperposedDraft[] {
    const { ngrams, ngramShare, ngramWeights } = this.#options;
    const longer = (token: number, gain: number): SuperposedDraft => ({
      tokens: [...draft.tokens, token],
      score: draft.score + gain,
      finished: this.#ends.has(token),
    });
    if (!ngrams || !ngramShare) return likely.map(({ token, logprob }) => longer(token, logprob));
    const context = [...this.#prompt, ...draft.tokens].slice(1 - ngrams.order);
    const next = ngrams.after(context, ngramWeights);
    const known = likely.flatMap(({ token, logprob }) => {
      const share = next.share(token);
      return share > 0 ? [longer(token, (1 - ngramShare) * logprob + ngramShare * Math.log(share))] : [];
    });
    if (known.length) return known;
    return likely.map(({ token, logprob }) => longer(token, (1 - ngramShare) * logprob - penalty));
  }

  result(): SuperposedDraft[] {
    return [...this.alive, ...this.#finished]
      .sort((a, b) => scorePerToken(b) - scorePerToken(a))
      .slice(0, this.#options.drafts);
  }
}

function checkSuperposed(options: SuperposedOptions): void {
  const { drafts = 3, pool = drafts, tokens = 10, ngramShare = 0.54, temperature = 0.06 } = options;
  const { candidates = 3 * pool } = options;
  for (const [name, value] of Object.entries({ drafts, pool, tokens, candidates }))
    if (!Number.isSafeInteger(value) || value < 1)
      fail("argument", `${name} is ${value}; it must be a whole number of at least 1`);
  if (pool < drafts) fail("argument", `${drafts} drafts from a pool of ${pool}; it must hold at least as many`);
  if (candidates < pool)
    fail("argument", `${pool} drafts from ${candidates} candidates; there must be at least one for each`);
  if (!(ngramShare >= 0 && ngramShare < 1))
    fail("argument", `ngramShare is ${ngramShare}; it must be at least 0 and less than 1`);
  if (!(temperature > 0)) fail("argument", `temperature is ${temperature}; superposed drafts need one above 0`);
}

/**
 * Several short continuations of a prompt, for the price of one: after the prompt each position takes one step of one row, whatever the
 * number of drafts.
 *
 * The steps leave rows of mixtures in the sequence, which stand for no text; they are cut off at the end, so that the sequence holds the
 * prompt's tokens. (Where a sliding window makes that impossible it cannot be used any more and should be closed.)
 * @param sequence what it holds already is the beginning of `prompt`, and shorter than it.
 * @throws `argument` for impossible options or an empty prompt, `unsupported` for a `pool` where a sliding window is too short, `aborted`.
 */
export async function superposedDrafts(
  sequence: Sequence,
  prompt: readonly number[],
  options: SuperposedOptions = {},
): Promise<SuperposedDrafts> {
  checkSuperposed(options);
  const { drafts = 3, pool, tokens = 10, input = "mixture", signal } = options;
  if (prompt.length <= sequence.length)
    fail("argument", `the prompt has ${prompt.length} tokens, and the sequence holds ${sequence.length}; give it more`);
  const beam = new Beam(prompt, { ...options, drafts: pool ?? drafts });
  const first = await prefill(sequence, prompt.slice(sequence.length), () => throwIfAborted(signal));
  beam.grow(first);
  let steps = 0;
  try {
    while (steps + 1 < tokens && beam.alive.length) {
      throwIfAborted(signal);
      const mixture = mixtureOf(beam.alive, input);
      options.onStep?.(steps + 1, mixture, beam.alive);
      const { logits } = await sequence.step({ tokens: [mixture.tokens[0]!], mixtures: { 0: mixture } });
      await sequence.commit([0]);
      steps++;
      beam.grow(logits.data as Float32Array);
    }
  } finally {
    if (steps) await sequence.truncate(prompt.length);
  }
  const made = beam.result();
  if (pool === undefined) return { drafts: made, steps };
  if (sequence.length !== prompt.length)
    fail("unsupported", "a sliding window has dropped what ranking by the model needs; leave out `pool`");
  throwIfAborted(signal);
  const scores = await draftLogprobs(
    sequence,
    first,
    made.map((draft) => draft.tokens),
  );
  const ranked = made.map((draft, i) => ({ ...draft, score: scores[i]! }));
  ranked.sort((a, b) => scorePerToken(b) - scorePerToken(a));
  return { drafts: ranked.slice(0, drafts), steps };
}

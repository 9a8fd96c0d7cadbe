/**
 * Texts of toy models whose law is known: a target and a draft that look one token back, the product's own drafter and verifiers
 * between them. Shows whether sampling with drafts is exact, at many thousand texts a second.
 */
import {
  type DraftShape,
  type DraftTree,
  ModelDrafter,
  Sampler,
  TokenChooser,
  type Verifier,
} from "../decode/index.ts";
import type { DecoderConfig, Sequence, SequenceModel, StepRequest } from "../lm/index.ts";
import { throwIfAborted } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import { Random } from "../util/random.ts";

/** Two models of the next token, each a row of probabilities for every last token. */
export interface ToyPair {
  readonly target: readonly Float64Array[];
  readonly draft: readonly Float64Array[];
}

function normalised(weights: readonly number[]): Float64Array {
  const total = weights.reduce((a, b) => a + b);
  return Float64Array.from(weights, (w) => w / total);
}

/**
 * A draft `p` of a Dirichlet law and a target `p · exp(N(0, 1))`, normalised.
 * @param concentration of the Dirichlet law: 1 is uniform over all distributions, and less makes them peaked.
 */
export function randomDistributions(
  size: number,
  random: Random,
  concentration = 1,
): { readonly p: Float64Array; readonly q: Float64Array } {
  const p = normalised(Array.from({ length: size }, () => Math.max(gammaVariable(concentration, random), 1e-12)));
  return { p, q: normalised([...p].map((x) => x * Math.exp(random.normal()))) };
}

/** A gamma variable (Marsaglia and Tsang 2000). */
function gammaVariable(shape: number, random: Random): number {
  if (shape < 1) return gammaVariable(shape + 1, random) * (1 - random.next()) ** (1 / shape);
  const d = shape - 1 / 3;
  for (;;) {
    const x = random.normal();
    const v = (1 + x / Math.sqrt(9 * d)) ** 3;
    if (v > 0 && Math.log(1 - random.next()) < 0.5 * x * x + d * (1 - v + Math.log(v))) return d * v;
  }
}

/** A pair with random rows. */
export function toyPair(vocabSize: number, seed: number): ToyPair {
  const random = new Random(seed);
  const rows = Array.from({ length: vocabSize }, () => randomDistributions(vocabSize, random));
  return { target: rows.map(({ q }) => q), draft: rows.map(({ p }) => p) };
}

/** Rows of logits, for every last token. */
const logitsOf = (rows: readonly Float64Array[]) => rows.map((row) => Float32Array.from(row, Math.log));

/** A model that looks one token back. */
function toyModel(rows: readonly Float64Array[]): SequenceModel {
  const logits = logitsOf(rows);
  const vocabSize = rows.length;
  const open = (length: number): Sequence => {
    let committed = length;
    return {
      get length() {
        return committed;
      },
      room: 64,
      step: async ({ tokens, wanted }: StepRequest) => {
        const asked = wanted ?? tokens.map((_, i) => i);
        const data = new Float32Array(asked.length * vocabSize);
        asked.forEach((row, i) => {
          data.set(logits[tokens[row]!]!, i * vocabSize);
        });
        return { logits: new NDArray(data, [asked.length, vocabSize], "f32"), extra: {} };
      },
      commit: async (kept) => {
        committed += kept.length;
      },
      truncate: async (to) => {
        committed = to;
        return true;
      },
      fork: async () => open(committed),
      close: async () => {},
    };
  };
  return { config: { vocabSize } as DecoderConfig, open: async () => open(0) };
}

/** Probability of every text of a length that follows token 0. */
export function toyLaw({ target }: ToyPair, length: number): Map<string, number> {
  const law = new Map<string, number>();
  const grow = (tokens: readonly number[], last: number, probability: number) => {
    if (tokens.length === length) law.set(tokens.join(), probability);
    else for (const [token, p] of target[last]!.entries()) grow([...tokens, token], token, probability * p);
  };
  grow([], 0, 1);
  return law;
}

/** How toy texts are drawn. */
export interface ToyTextOptions {
  readonly pair: ToyPair;
  readonly shape: DraftShape;
  readonly verifier: Verifier;
  /** Tokens of a text. */
  readonly length: number;
  readonly draws: number;
  readonly seed: number;
  /** Spoils every draft on purpose, for a control that must be found out. */
  readonly spoil?: (draft: DraftTree) => DraftTree;
  readonly signal?: AbortSignal;
}

/** Draws texts that follow token 0, and counts them. @throws `aborted`. */
export async function drawToyTexts(options: ToyTextOptions): Promise<Map<string, number>> {
  const { pair, shape, verifier, length, draws, seed, spoil, signal } = options;
  const drafter = new ModelDrafter({ model: toyModel(pair.draft), shape });
  const session = await drafter.open();
  const sampling = { temperature: 1, seed };
  const chooser = new TokenChooser(new Sampler(sampling));
  const random = new Random(seed, 1);
  const target = logitsOf(pair.target);
  const counts = new Map<string, number>();
  for (let i = 0; i < draws; i++) {
    if (i % 4096 === 0) throwIfAborted(signal);
    const tokens = [0];
    while (tokens.length <= length) {
      const proposed = await session.propose({ tokens, maxNodes: 63, maxDepth: 63, sampling, random });
      const draft = spoil ? spoil(proposed) : proposed;
      const root = tokens[tokens.length - 1]!;
      const { path, next } = verifier.verify(draft, (node) => target[node < 0 ? root : draft.tokens[node]!]!, chooser);
      for (const node of path) tokens.push(draft.tokens[node]!);
      tokens.push(next);
    }
    const text = tokens.slice(1, length + 1).join();
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  await session.close?.();
  return counts;
}

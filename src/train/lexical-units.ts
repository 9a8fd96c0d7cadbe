/**
 * What a model learns from for Lexical Unit Decoding (Sun et al. 2024, arXiv 2405.15208): runs of tokens that it is sure of, and from
 * where and how far it should say them at once. Knows token ids and logits; no model, and no decoding.
 */
import { add, constant, crossEntropy, reshape, type Tensor } from "../tensor/index.ts";
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import type { Random } from "../util/random.ts";

/** A run of at least two tokens, each of them expected by the model when it comes. */
export interface LexicalUnit {
  /** Place of its first token. */
  readonly start: number;
  /** Place after its last. */
  readonly end: number;
}

/** What counts as a unit. */
export interface LexicalUnitOptions {
  /** A unit's tokens have larger probabilities than this [α]; 0.9 by default. */
  readonly threshold?: number;
  /** Longer units are cut into parts of this many tokens: one more than there are placeholders. */
  readonly longest: number;
}

/**
 * Finds the units of a text: maximal runs of at least two tokens above the threshold, cut where they are too long. A single token that
 * cutting leaves over is no unit.
 * @param probabilities of each token given those before it, by the model; 0 for one that was not asked about.
 */
export function lexicalUnits(
  probabilities: ArrayLike<number>,
  { threshold = 0.9, longest }: LexicalUnitOptions,
): LexicalUnit[] {
  if (!Number.isInteger(longest) || longest < 2)
    fail("argument", `units of at most ${longest} tokens; it must be a whole number of at least 2`);
  const units: LexicalUnit[] = [];
  for (let start = 0; start < probabilities.length; ) {
    let end = start;
    while (end < probabilities.length && end - start < longest && probabilities[end]! > threshold) end++;
    if (end - start >= 2) units.push({ start, end });
    start = Math.max(end, start + 1);
  }
  return units;
}

/** Branches of one text: where each begins to look ahead, and what its placeholders should say. */
export interface LookAheadBranches {
  /** Place of the last token that a branch sees, `[branches]`. */
  readonly anchors: Int32Array;
  /** Token of each placeholder, or −1 where anything may be said, `[branches · placeholders]`. */
  readonly labels: Int32Array;
}

/** How a text's branches are chosen. */
export interface BranchOptions {
  /** Placeholders of a branch [k]. */
  readonly placeholders: number;
  /** Branches of a text. */
  readonly branches: number;
  /**
   * Share of the branches that stand at random places, where only the first placeholder has something to say: so that the model stays
   * doubtful where no unit is. 0.25 by default; branches for which there is no unit stand at random places too.
   */
  readonly randomShare?: number;
  readonly random: Random;
}

/**
 * Chooses the branches of a text. The last token before a unit says the unit's first one as always, so that placeholder r says
 * the one r places further.
 * @param tokens of the text, at least three. @param units of it, as {@link lexicalUnits} finds them.
 */
export function lookAheadBranches(
  tokens: ArrayLike<number>,
  units: readonly LexicalUnit[],
  { placeholders, branches, randomShare = 0.25, random }: BranchOptions,
): LookAheadBranches {
  if (tokens.length < 3) fail("argument", `a text of ${tokens.length} tokens has nothing to look ahead to; it takes 3`);
  const anchors = new Int32Array(branches);
  const labels = new Int32Array(branches * placeholders).fill(-1);
  const known = units.filter(({ start }) => start > 0);
  const wanted = Math.min(known.length, branches - Math.round(branches * randomShare));
  for (let at = 0; at < branches; at++) {
    if (at >= wanted) {
      const anchor = random.integer(tokens.length - 2);
      anchors[at] = anchor;
      labels[at * placeholders] = tokens[anchor + 2]!;
      continue;
    }
    // one of those that are left, as in shuffling
    const other = at + random.integer(known.length - at);
    const unit = known[other]!;
    known[other] = known[at]!;
    anchors[at] = unit.start - 1;
    for (let r = 1; r <= placeholders && unit.start + r < unit.end; r++)
      labels[at * placeholders + r - 1] = tokens[unit.start + r]!;
  }
  return { anchors, labels };
}

/** A text and its units. */
export interface UnitText {
  /** One token more than the model is fed: the last one is only predicted. */
  readonly tokens: ArrayLike<number>;
  readonly units: readonly LexicalUnit[];
}

/** Arrays of a batch, `i64`. */
export interface LookAheadBatch {
  /** `[batch, n]`. */
  readonly tokens: NDArray;
  /** What follows each token, `[batch, n]`. */
  readonly targets: NDArray;
  /** `[batch, branches]`. */
  readonly anchors: NDArray;
  /** `[batch, branches · placeholders]`, −1 where there is none. */
  readonly labels: NDArray;
}

/** A batch of texts of one length with their branches. */
export function lookAheadBatch(texts: readonly UnitText[], options: BranchOptions): LookAheadBatch {
  const n = texts[0]!.tokens.length - 1;
  const chosen = texts.map(({ tokens, units }) => lookAheadBranches(tokens, units, options));
  const array = (rows: readonly ArrayLike<number>[]) =>
    NDArray.from(
      rows.flatMap((row) => Array.from(row)),
      [rows.length, rows[0]!.length],
      "i64",
    );
  const part = (shift: number) => array(texts.map(({ tokens }) => Array.from(tokens).slice(shift, shift + n)));
  return {
    tokens: part(0),
    targets: part(1),
    anchors: array(chosen.map(({ anchors }) => anchors)),
    labels: array(chosen.map(({ labels }) => labels)),
  };
}

/** Logits that never choose one token: what a placeholder must not be. @param logits `[…, vocabulary]`. */
export function withoutToken(logits: Tensor, token: number): Tensor {
  const bias = new Float32Array(logits.shape[logits.rank - 1] as number);
  bias[token] = -1e30;
  return add(logits, constant(NDArray.from(bias)));
}

/**
 * The two parts of the loss: of the text, as always, and of the placeholders that have something to say, the mean over them.
 * @param logits of text and branches, `[batch, n, vocabulary]` and `[batch, branches · placeholders, vocabulary]`.
 */
export function lookAheadLoss(
  logits: { readonly main: Tensor; readonly branches: Tensor },
  batch: { readonly targets: Tensor; readonly labels: Tensor },
  placeholder: number,
): { readonly main: Tensor; readonly branches: Tensor } {
  const rows = (x: Tensor) => withoutToken(reshape(x, [-1, x.shape[2]!]), placeholder);
  return {
    main: crossEntropy(rows(logits.main), reshape(batch.targets, [-1])),
    branches: crossEntropy(rows(logits.branches), reshape(batch.labels, [-1]), { ignoreIndex: -1 }),
  };
}

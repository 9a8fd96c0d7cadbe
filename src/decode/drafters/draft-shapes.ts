/**
 * Shapes of trees that are drawn from a draft model: one chain, several independent ones, a fixed number of children, or a stochastic
 * beam. Knows distributions, not where they come from.
 */
import type { Random } from "../../util/random.ts";

/** How a draft model's tree is drawn. */
export type DraftShape =
  /** One token after the other. */
  | { readonly kind: "chain"; readonly length: number }
  /** `count` chains, drawn independently of each other (SpecTr). */
  | { readonly kind: "independent"; readonly count: number; readonly length: number }
  /** `widths[d]` children of every node at depth `d`, without replacement (RSD-C). */
  | { readonly kind: "branching"; readonly widths: readonly number[] }
  /** The `width` best paths of stochastic beam search, `depth` levels (RSD-S; Kool et al. 2019). */
  | { readonly kind: "beam"; readonly width: number; readonly depth: number };

/** Levels of a shape. */
export function shapeDepth(shape: DraftShape): number {
  if (shape.kind === "branching") return shape.widths.length;
  return shape.kind === "beam" ? shape.depth : shape.length;
}

/** Greatest number of nodes of a shape. */
export function shapeNodes(shape: DraftShape): number {
  switch (shape.kind) {
    case "chain":
      return shape.length;
    case "independent":
      return shape.count * shape.length;
    case "beam":
      return shape.width * shape.depth;
    case "branching": {
      let level = 1;
      let total = 0;
      for (const width of shape.widths) {
        level *= width;
        total += level;
      }
      return total;
    }
  }
}

/** A standard Gumbel variable. */
export function gumbel(random: Random): number {
  // 1 − u is never 0
  return -Math.log(-Math.log(1 - random.next()) + Number.MIN_VALUE);
}

/** A token from a distribution. */
export function drawToken(p: Float64Array, random: Random): number {
  let rest = random.next();
  let last = 0;
  for (let token = 0; token < p.length; token++) {
    if (p[token]! <= 0) continue;
    last = token;
    rest -= p[token]!;
    if (rest < 0) return token;
  }
  return last;
}

/** A token and its score. */
export interface Scored {
  readonly token: number;
  readonly score: number;
}

/** The `count` best tokens by a score, best first; tokens without probability are left out. */
export function bestTokens(p: Float64Array, count: number, score: (token: number) => number): Scored[] {
  const best: Scored[] = [];
  for (let token = 0; token < p.length; token++) {
    if (p[token]! <= 0) continue;
    const value = score(token);
    if (best.length === count && value <= best[count - 1]!.score) continue;
    let at = best.length < count ? best.length : count - 1;
    for (; at > 0 && best[at - 1]!.score < value; at--) best[at] = best[at - 1]!;
    best[at] = { token, score: value };
  }
  return best;
}

/** Tokens drawn without replacement, in the order of drawing (Gumbel-Top-k). */
export function drawWithoutReplacement(p: Float64Array, count: number, random: Random): number[] {
  return bestTokens(p, count, (token) => Math.log(p[token]!) + gumbel(random)).map(({ token }) => token);
}

/** A path of a stochastic beam: its log-probability φ and its perturbed log-probability ψ. */
export interface Beam {
  readonly phi: number;
  readonly psi: number;
}

/**
 * Children of a beam with their φ and ψ: Gumbel noise conditioned on its maximum being the parent's ψ.
 * @returns the `count` children of greatest ψ, greatest first; the order in which they count as drawn.
 */
export function beamChildren(
  p: Float64Array,
  { phi, psi }: Beam,
  count: number,
  random: Random,
): (Beam & { readonly token: number })[] {
  const best = bestTokens(p, count, (token) => phi + Math.log(p[token]!) + gumbel(random));
  if (!best.length) return [];
  // the largest noisy score is the maximum over all tokens, since the best are kept
  const top = best[0]!.score;
  return best.map(({ token, score }, i) => {
    const childPhi = phi + Math.log(p[token]!);
    // set apart: in the formula it would be log(0)
    if (i === 0) return { token, phi: childPhi, psi };
    const v = psi - score + Math.log1p(-Math.exp(score - top));
    return { token, phi: childPhi, psi: psi - Math.max(0, v) - Math.log1p(Math.exp(-Math.abs(v))) };
  });
}

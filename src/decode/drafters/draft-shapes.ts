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
  /** `widths[d]` children of every node at depth `d`: without replacement (RSD-C), or drawn independently with it (SpecInfer). */
  | { readonly kind: "branching"; readonly widths: readonly number[]; readonly replacement?: boolean }
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

/** A token from weights. @param total their sum. */
export function drawToken(weights: Float64Array, random: Random, total = 1): number {
  let rest = random.next() * total;
  let last = 0;
  for (let token = 0; token < weights.length; token++) {
    if (weights[token]! <= 0) continue;
    last = token;
    rest -= weights[token]!;
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

/** Below this mass nothing is left to draw. */
const noMass = 1e-12;

/** A token that was drawn, and the mass that there was to draw from. */
interface Drawn {
  readonly token: number;
  readonly mass: number;
}

/** Tokens drawn one after the other without replacement, fewer when nothing is left. */
function drawDistinct(p: Float64Array, count: number, random: Random): Drawn[] {
  const left = p.slice();
  const drawn: Drawn[] = [];
  while (drawn.length < count) {
    let mass = 0;
    for (let i = 0; i < left.length; i++) mass += left[i]!;
    if (mass < noMass) break;
    const token = drawToken(left, random, mass);
    left[token] = 0;
    drawn.push({ token, mass });
  }
  return drawn;
}

/**
 * Tokens drawn without replacement, in the order of drawing. Their law is that of Gumbel-Top-k (Kool et al. 2019), without noise for the
 * whole vocabulary.
 */
export function drawWithoutReplacement(p: Float64Array, count: number, random: Random): number[] {
  return drawDistinct(p, count, random).map(({ token }) => token);
}

/** A path of a stochastic beam: its log-probability φ and its perturbed log-probability ψ. */
export interface Beam {
  readonly phi: number;
  readonly psi: number;
}

/**
 * Children of a beam with their φ and ψ: Gumbel noise conditioned on its maximum being the parent's ψ. The noise is drawn from its top
 * down (Maddison et al. 2014): the maximum belongs to a token drawn from `p`, the next one is a Gumbel variable of what is left that does
 * not exceed the one before. So only the children need noise.
 * @returns the `count` children of greatest ψ, greatest first; the order in which they count as drawn.
 */
export function beamChildren(
  p: Float64Array,
  { phi, psi }: Beam,
  count: number,
  random: Random,
): (Beam & { readonly token: number })[] {
  let bound = psi;
  return drawDistinct(p, count, random).map(({ token, mass }, i) => {
    if (i > 0) {
      const location = phi + Math.log(mass);
      // 1 − u is never 0
      bound = location - Math.log(Math.exp(location - bound) - Math.log(1 - random.next()));
    }
    return { token, phi: phi + Math.log(p[token]!), psi: bound };
  });
}

/**
 * The k-SEQ rule of SpecTr (Sun et al. 2023, arXiv 2310.15141): several independent drafts are coupled with the target by one number ρ,
 * within 1 − 1/e of the best that any coupling can do.
 */
import { type NodeRule, ruleVerifier } from "./walk.ts";

/** Below this chance of acceptance the supports count as disjoint. */
const noOverlap = 1e-9;

/** β(ρ) = Σ min(p, q/ρ): the chance that one draw is accepted. */
function beta(p: Float64Array, q: Float64Array, rho: number): number {
  let sum = 0;
  for (let i = 0; i < p.length; i++) if (p[i]! > 0) sum += Math.min(p[i]!, q[i]! / rho);
  return Math.min(sum, 1);
}

/** 1 − (1 − β)^k: the chance that one of `count` draws is accepted. */
const any = (beta: number, count: number) => -Math.expm1(count * Math.log1p(-beta));

/** Pairs of probabilities where the draft has any, one after the other. */
function onSupport(p: Float64Array, q: Float64Array): Float64Array {
  let size = 0;
  for (let i = 0; i < p.length; i++) if (p[i]! > 0) size++;
  const pairs = new Float64Array(2 * size);
  for (let i = 0, at = 0; i < p.length; i++)
    if (p[i]! > 0) {
      pairs[at++] = p[i]!;
      pairs[at++] = q[i]!;
    }
  return pairs;
}

/**
 * The ρ* for `count` independent draws from `p` and the target `q`, from above: where 1 − (1 − β)^k = ρβ. Newton's method between bounds
 * that halve when it leaves them; only tokens that can be drawn are looked at.
 */
export function kSeqRho(p: Float64Array, q: Float64Array, count: number): number {
  if (count <= 1) return 1;
  const pairs = onSupport(p, q);
  let low = 1;
  let high = count;
  let rho = (1 + count) / 2;
  for (let round = 0; round < 60 && high - low > 1e-13; round++) {
    let b = 0;
    let beyond = 0;
    for (let i = 0; i < pairs.length; i += 2) {
      const scaled = pairs[i + 1]! / rho;
      if (scaled < pairs[i]!) {
        b += scaled;
        beyond += scaled;
      } else b += pairs[i]!;
    }
    if (b < noOverlap) return count;
    b = Math.min(b, 1);
    const slope = -beyond / rho;
    const gap = any(b, count) - rho * b;
    if (gap > 0) low = rho;
    else high = rho;
    const next = rho - gap / (count * (1 - b) ** (count - 1) * slope - b - rho * slope);
    if (Math.abs(next - rho) < 1e-13) break;
    rho = next > low && next < high ? next : (low + high) / 2;
  }
  // a hair above: below ρ* the residual would have negative weights
  return Math.min(count, rho * (1 + 4e-13));
}

/** The chance that k-SEQ accepts one of `count` draws: 1 − (1 − β(ρ*))^k. */
export function kSeqAcceptance(p: Float64Array, q: Float64Array, count: number): number {
  return any(beta(p, q, kSeqRho(p, q, count)), count);
}

/**
 * What is left of the target when none of `count` draws was accepted, not normalised: q − min(p, q/ρ) · (1 − (1 − β)^k) / β. No weight is
 * negative but for rounding when `rho` is at least ρ*.
 */
export function kSeqResidual(p: Float64Array, q: Float64Array, count: number, rho: number): Float64Array {
  const b = beta(p, q, rho);
  // how often an accepted token was drawn, per unit of β; its limit where supports are disjoint
  const share = b < noOverlap ? count : any(b, count) / b;
  const left = q.slice();
  for (let i = 0; i < left.length; i++) if (p[i]! > 0) left[i]! -= Math.min(p[i]!, q[i]! / rho) * share;
  return left;
}

const rule: NodeRule = (q, p, drawn, chance) => {
  const rho = kSeqRho(p, q, drawn.length);
  for (const { node, token } of drawn) if (chance.happens(q[token]! / (rho * p[token]!))) return { child: node };
  const left = kSeqResidual(p, q, drawn.length, rho);
  let total = 0;
  for (let i = 0; i < left.length; i++) {
    left[i] = Math.max(left[i]!, 0);
    total += left[i]!;
  }
  return total > 0 ? { token: chance.draw(left, total) } : { token: chance.draw(q, 1) };
};

/** k-SEQ: exact for independent draws; ρ is found anew at every node for the drafts that are still alive there. */
export const kSeqVerifier = ruleVerifier("k-seq", ["chain", "independent"], rule);

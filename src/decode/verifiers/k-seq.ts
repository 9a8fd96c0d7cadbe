/**
 * The k-SEQ rule of SpecTr (Sun et al. 2023, arXiv 2310.15141): several independent drafts are coupled with the target by one number ρ,
 * within 1 − 1/e of the best that any coupling can do.
 */
import type { Verifier } from "../verifier.ts";
import { drawFrom, type NodeRule, walkDraft } from "./walk.ts";

/** β(ρ) = Σ min(p, q/ρ): the chance that one draw is accepted. */
function acceptance(p: Float64Array, q: Float64Array, rho: number): number {
  let sum = 0;
  for (let i = 0; i < p.length; i++) if (p[i]! > 0) sum += Math.min(p[i]!, q[i]! / rho);
  return sum;
}

/**
 * The ρ* for `count` independent draws from `p` and the target `q`: where 1 − (1 − β)^k = ρβ. The upper end of the last interval is
 * returned, for which the residual has no negative weights.
 */
export function kSeqRho(p: Float64Array, q: Float64Array, count: number): number {
  if (count <= 1) return 1;
  let low = 1;
  let high = count;
  for (let i = 0; i < 60 && high - low > 1e-12; i++) {
    const middle = (low + high) / 2;
    const beta = acceptance(p, q, middle);
    if (1 - (1 - beta) ** count > middle * beta) low = middle;
    else high = middle;
  }
  return high;
}

const rule: NodeRule = (q, p, drawn, uniform) => {
  const count = drawn.length;
  const rho = kSeqRho(p, q, count);
  for (const { node, token } of drawn) if (uniform() * rho * p[token]! < q[token]!) return { child: node };
  const beta = acceptance(p, q, rho);
  // how often an accepted token was drawn, per unit of β; its limit where supports are disjoint
  const share = beta < 1e-9 ? count : (1 - (1 - beta) ** count) / beta;
  let total = 0;
  for (let i = 0; i < q.length; i++) {
    const left = q[i]! - Math.min(p[i]!, q[i]! / rho) * share;
    const weight = Math.max(left, 0);
    q[i] = weight;
    total += weight;
  }
  return { token: drawFrom(q, total, uniform) };
};

/** k-SEQ: exact for independent draws; ρ is found anew at every node for the drafts that are still alive there. */
export const kSeqVerifier: Verifier = {
  name: "k-seq",
  kinds: ["chain", "independent"],
  verify: (draft, logits, chooser) => walkDraft(draft, logits, chooser, rule),
};

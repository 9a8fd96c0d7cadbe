/**
 * Rejection rules. Speculative sampling (Leviathan et al. 2023) accepts a drawn token with probability min(1, q/p) and draws from the
 * residual otherwise; with several children the residual of one is the target of the next, for independent draws as in SpecInfer
 * (Miao et al. 2023), and for draws without replacement as in Recursive Speculative Decoding (Jeon et al. 2024, arXiv 2402.14160).
 */
import { type NodeRule, ruleVerifier } from "./walk.ts";

/** Below this sum a residual is rounding noise of equal distributions. */
const noMass = 1e-12;

/** `max(0, q − p)` in place of `q`, normalised: the target once a draw was refused. `q` stays as it is when nothing is left. */
export function takeResidual(q: Float64Array, p: Float64Array): void {
  let total = 0;
  for (let i = 0; i < q.length; i++) total += Math.max(0, q[i]! - p[i]!);
  if (total < noMass) return;
  for (let i = 0; i < q.length; i++) q[i] = Math.max(0, q[i]! - p[i]!) / total;
}

/** The law of the next draw without replacement after `token`, in place of `p`; `false` when nothing is left to draw. */
export function takeOut(p: Float64Array, token: number): boolean {
  p[token] = 0;
  let left = 0;
  for (let i = 0; i < p.length; i++) left += p[i]!;
  if (left < noMass) return false;
  for (let i = 0; i < p.length; i++) p[i]! /= left;
  return true;
}

const rejection =
  (replaced: boolean): NodeRule =>
  (q, draft, drawn, chance) => {
    let p = draft;
    for (const [i, { node, token }] of drawn.entries()) {
      if (chance.happens(q[token]! / p[token]!)) return { child: node };
      takeResidual(q, p);
      if (replaced || i + 1 === drawn.length) continue;
      if (p === draft) p = draft.slice();
      if (!takeOut(p, token)) break;
    }
    return { token: chance.draw(q, 1) };
  };

/** Speculative sampling, and its extension to several independent draws below a node. */
export const speculativeSampling = ruleVerifier("speculative-sampling", ["chain", "independent"], rejection(true));

/** Recursive rejection sampling: for draws without replacement, in the order of drawing. */
export const recursiveRejection = ruleVerifier(
  "recursive-rejection",
  ["chain", "without-replacement"],
  rejection(false),
);

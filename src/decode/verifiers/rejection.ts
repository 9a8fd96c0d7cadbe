/**
 * Rejection rules. Speculative sampling (Leviathan et al. 2023) accepts a drawn token with probability min(1, q/p) and draws from the
 * residual otherwise; with several children the residual of one is the target of the next, for independent draws as in SpecInfer
 * (Miao et al. 2023), and for draws without replacement as in Recursive Speculative Decoding (Jeon et al. 2024, arXiv 2402.14160).
 */
import type { Verifier } from "../verifier.ts";
import { drawFrom, type NodeRule, walkDraft } from "./walk.ts";

/** Below this sum a residual is rounding noise of equal distributions. */
const noMass = 1e-12;

/** `max(0, q − p)` in place of `q`, normalised; `false`, with `q` as it was, when nothing is left. */
function residual(q: Float64Array, p: Float64Array): boolean {
  let total = 0;
  for (let i = 0; i < q.length; i++) total += Math.max(0, q[i]! - p[i]!);
  if (total < noMass) return false;
  for (let i = 0; i < q.length; i++) q[i] = Math.max(0, q[i]! - p[i]!) / total;
  return true;
}

const rejection =
  (replaced: boolean): NodeRule =>
  (q, draft, drawn, uniform) => {
    let p = draft;
    for (const { node, token } of drawn) {
      if (uniform() * p[token]! < q[token]!) return { child: node };
      residual(q, p);
      if (replaced) continue;
      if (p === draft) p = draft.slice();
      // the law of the next draw, which cannot be this token again
      const left = 1 - p[token]!;
      p[token] = 0;
      if (left < noMass) break;
      for (let i = 0; i < p.length; i++) p[i]! /= left;
    }
    return { token: drawFrom(q, 1, uniform) };
  };

/** Speculative sampling, and its extension to several independent draws below a node. */
export const speculativeSampling: Verifier = {
  name: "speculative-sampling",
  kinds: ["chain", "independent"],
  verify: (draft, logits, chooser) => walkDraft(draft, logits, chooser, rejection(true)),
};

/** Recursive rejection sampling: for draws without replacement, in the order of drawing. */
export const recursiveRejection: Verifier = {
  name: "recursive-rejection",
  kinds: ["chain", "without-replacement"],
  verify: (draft, logits, chooser) => walkDraft(draft, logits, chooser, rejection(false)),
};

/**
 * The plainest exact rule: choose each token as if there were no draft, and follow the draft as long as it says the same. It needs no
 * draft probabilities, draws the same random numbers as plain decoding, and so gives the same text token for token, sampled or
 * not.
 */
import { childrenOf } from "../draft-tree.ts";
import type { Verifier } from "../verifier.ts";

/** Exact for every draft; the text equals that of plain decoding with the same seed. */
export const matchVerifier: Verifier = {
  name: "match",
  kinds: ["deterministic", "chain", "independent", "without-replacement"],
  verify(draft, logits, chooser) {
    const children = childrenOf(draft);
    const path: number[] = [];
    let node = -1;
    for (;;) {
      const token = chooser.choose(logits(node));
      chooser.take(token);
      const child = children[node + 1]!.find((i) => draft.tokens[i] === token);
      if (child === undefined || chooser.ended) return { path, next: token };
      path.push(child);
      node = child;
    }
  },
};

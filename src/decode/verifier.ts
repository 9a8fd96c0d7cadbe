/**
 * What a verifier is: the rule that turns a draft and the model's logits into accepted tokens, such that the text is distributed as
 * if there had been no draft.
 */
import { fail } from "../util/errors.ts";
import type { DraftTree } from "./draft-tree.ts";
import type { DraftKind } from "./drafter.ts";
import type { TokenChooser } from "./token-chooser.ts";

/** What a verifier decided. */
export interface Verdict {
  /** Accepted nodes, from the root down. */
  readonly path: readonly number[];
  /** The token after the path; it is not in the cache yet. */
  readonly next: number;
}

/** A rule of acceptance. */
export interface Verifier {
  readonly name: string;
  /** Kinds of drafts for which the rule leaves the distribution as it is. */
  readonly kinds: readonly DraftKind[];
  /**
   * Accepts a path.
   * @param logits logits after a node, −1 for the root. @param chooser the text's own choice of tokens; it has been told of every
   * accepted token and of `next` when this returns.
   */
  verify(draft: DraftTree, logits: (node: number) => Float32Array, chooser: TokenChooser): Verdict;
}

/** @throws `argument` when a verifier would not be exact for a drafter. */
export function checkCompatible(
  drafter: { readonly name: string; readonly kind: DraftKind },
  verifier: Verifier,
): void {
  if (!verifier.kinds.includes(drafter.kind))
    fail(
      "argument",
      `verifier "${verifier.name}" is exact for ${verifier.kinds.join(" or ")} drafts only, and those of "${drafter.name}" are ${drafter.kind}; choose the verifier "match", which is exact for all`,
    );
}

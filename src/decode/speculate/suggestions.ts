/**
 * What a constraint suggests, as a draft: used as long as the model mostly agrees. Knows no drafters and no costs.
 */
import type { Constraint } from "../constraints/constraint.ts";
import { chain, type DraftTree, emptyDraft } from "../draft-tree.ts";

/** Who proposes what a constraint suggests. */
const suggestedBy = "schema";
/** The first estimate that a suggested token is right. */
const confidence = 0.8;

/** Share of suggested tokens that must be right, and the number of right ones that are assumed at the beginning. */
const leastRight = 0.3;
const credit = 6;

/** Suggestions for one text. */
export class Suggestions {
  #asked = 0;
  #right = 0;

  /** What a constraint suggests in its present state, at most `most` tokens in a chain. */
  of(constraint: Constraint | undefined, most: number): DraftTree {
    // a row that is refused costs about a tenth of a step, and one that is accepted saves a whole one
    if (!constraint?.suggested || this.#right + credit < leastRight * (this.#asked + credit)) return emptyDraft;
    const tokens = constraint.suggested().slice(0, most);
    if (!tokens.length) return emptyDraft;
    return {
      ...chain(
        tokens,
        tokens.map(() => confidence),
      ),
      proposers: tokens.map(() => suggestedBy),
    };
  }

  /** Learns how many of a step's suggested tokens were right. */
  learn(draft: DraftTree, path: readonly number[]): void {
    // a drafter may have proposed the same
    const suggested = (draft.proposers ?? []).map((names) => names.split("+").includes(suggestedBy));
    this.#asked += suggested.filter(Boolean).length;
    this.#right += path.filter((node) => suggested[node]).length;
  }
}

/**
 * Several drafters, one tree: the union of their proposals, and the part of it that is worth its cost.
 */
import { type DraftTree, depthsOf, prune } from "../draft-tree.ts";
import type { Calibration } from "./calibration.ts";
import type { CostCurve } from "./cost-curve.ts";

/** A proposal and who made it. */
export interface Proposal {
  readonly drafter: string;
  readonly tree: DraftTree;
}

/**
 * The union of trees: equal paths become one path. A node names all who proposed it, joined by `+`, and has the highest of their
 * confidences.
 */
export function joinDrafts(proposals: readonly Proposal[]): DraftTree {
  const tokens: number[] = [];
  const parents: number[] = [];
  const confidences: number[] = [];
  const proposers: string[][] = [];
  const places = new Map<string, number>();
  for (const { drafter, tree } of proposals) {
    const place: number[] = [];
    tree.tokens.forEach((token, i) => {
      const parent = tree.parents[i]! < 0 ? -1 : place[tree.parents[i]!]!;
      const key = `${parent}:${token}`;
      const confidence = tree.confidences?.[i] ?? 0.5;
      const proposer = tree.proposers?.[i] ?? drafter;
      const found = places.get(key);
      if (found === undefined) {
        places.set(key, tokens.length);
        place.push(tokens.length);
        tokens.push(token);
        parents.push(parent);
        confidences.push(confidence);
        proposers.push([proposer]);
      } else {
        place.push(found);
        confidences[found] = Math.max(confidences[found]!, confidence);
        if (!proposers[found]!.includes(proposer)) proposers[found]!.push(proposer);
      }
    });
  }
  return { tokens, parents, confidences, proposers: proposers.map((names) => names.join("+")) };
}

/** What the choice of nodes depends on. */
export interface PlanInput {
  readonly tree: DraftTree;
  readonly calibration: Calibration;
  readonly costs: Pick<CostCurve, "milliseconds">;
  /** Tokens in the cache. */
  readonly context: number;
  readonly maxNodes: number;
  readonly maxDepth: number;
  /** Rows that the step has anyway: the root, and forced tokens before the draft. */
  readonly baseRows?: number;
}

/** A chosen part of a tree. */
export interface Plan {
  readonly draft: DraftTree;
  /** Tokens that the step is expected to yield. */
  readonly expectedTokens: number;
}

/**
 * What a draft must promise over a plain step. Drafting and learning take 1 to 3 % of a step, and the best of several estimates is on
 * average too good.
 */
const leastGain = 1.04;

/**
 * Chooses the nodes that promise the most tokens per second: taken by the chance that they lie on the accepted path, as many as
 * maximise expected tokens over c(n). Choosing none is a plain step, and so is what promises hardly more.
 */
export function planDraft(input: PlanInput): Plan {
  const { tree, calibration, costs, context, maxNodes, maxDepth, baseRows = 1 } = input;
  const depths = depthsOf(tree);
  const chances: number[] = [];
  tree.tokens.forEach((_, i) => {
    const parent = tree.parents[i]!;
    const own = calibration.chance(tree.proposers?.[i] ?? "", tree.confidences?.[i] ?? 0.5, depths[i]!);
    chances.push((parent < 0 ? 1 : chances[parent]!) * own);
  });
  // a child's chance is never above its parent's, and on ties the parent's smaller index comes first
  const order = chances
    .map((_, i) => i)
    .filter((i) => depths[i]! <= maxDepth)
    .sort((a, b) => chances[b]! - chances[a]! || a - b);
  let best = 0;
  let bestRate = leastGain / costs.milliseconds(baseRows, context);
  let bestTokens = 1;
  let expected = 1;
  for (let n = 1; n <= Math.min(maxNodes, order.length); n++) {
    expected += chances[order[n - 1]!]!;
    const rate = expected / costs.milliseconds(baseRows + n, context);
    if (rate > bestRate) [best, bestRate, bestTokens] = [n, rate, expected];
  }
  const chosen = new Set(order.slice(0, best));
  return { draft: prune(tree, (i) => chosen.has(i)), expectedTokens: bestTokens };
}

/**
 * How far drafters can be trusted: for each combination of drafters that propose a token, and each level of confidence, how often
 * such a token turned out right. Learned from every proposal, used or not, because the text shows in the end what was right.
 */
import type { DraftTree } from "../draft-tree.ts";
import { depthsOf } from "../draft-tree.ts";

/** Levels of confidence that are told apart. */
const levels = 12;
/** Depths that are told apart; deeper ones count as the last. */
const depthClasses = 3;
/** How many observations the drafter's own estimate is worth at first. */
const priorWeight = 6;
/** Counts are halved at this total, so that they follow a change of topic. */
const memory = 512;

/** Counts of one calibration cell, as saved in profiles: right and all. */
export type CalibrationCounts = Readonly<Record<string, readonly [right: number, all: number]>>;

/** Level of a confidence: fine near 0 and 1, where it matters. */
function levelOf(confidence: number): number {
  const clipped = Math.min(0.995, Math.max(0.005, confidence));
  const logit = Math.log(clipped / (1 - clipped));
  return Math.min(levels - 1, Math.max(0, Math.floor(((logit + 5.3) / 10.6) * levels)));
}

/** Acceptance rates learned so far. */
export class Calibration {
  readonly #counts = new Map<string, [right: number, all: number]>();

  /** @param counts what an earlier run learned. */
  constructor(counts: CalibrationCounts = {}) {
    for (const [key, [right, all]] of Object.entries(counts)) this.#counts.set(key, [right, all]);
  }

  /** Which cell a node belongs to. */
  #key(proposer: string, confidence: number, depth: number): string {
    return `${proposer}/${Math.min(depth, depthClasses)}/${levelOf(confidence)}`;
  }

  /** Estimated chance that a node is right, given that its parent is. */
  chance(proposer: string, confidence: number, depth: number): number {
    const [right, all] = this.#counts.get(this.#key(proposer, confidence, depth)) ?? [0, 0];
    return (right + priorWeight * Math.min(0.98, confidence)) / (all + priorWeight);
  }

  /**
   * Learns from a tree whose continuation is known.
   * @param truth the tokens that came after the root; nodes deeper than it are left out.
   */
  learn(tree: DraftTree, truth: readonly number[]): void {
    const depths = depthsOf(tree);
    const right = new Set([-1]);
    tree.tokens.forEach((token, i) => {
      const depth = depths[i]!;
      if (depth > truth.length || !right.has(tree.parents[i]!)) return;
      const hit = truth[depth - 1] === token;
      if (hit) right.add(i);
      const key = this.#key(tree.proposers?.[i] ?? "", tree.confidences?.[i] ?? 0.5, depth);
      const cell = this.#counts.get(key) ?? [0, 0];
      cell[0] += hit ? 1 : 0;
      cell[1] += 1;
      if (cell[1] >= memory) {
        cell[0] /= 2;
        cell[1] /= 2;
      }
      this.#counts.set(key, cell);
    });
  }

  /** What was learned, to be saved. */
  counts(): CalibrationCounts {
    return Object.fromEntries([...this.#counts].map(([key, [right, all]]) => [key, [right, all] as const]));
  }
}

/**
 * Drafts: guesses at the next tokens, arranged as a tree whose root is the last token of the text. Pure data and the few
 * operations on it that drafters, verifiers and the loop share; nothing here knows a model.
 */
import { fail } from "../util/errors.ts";

/** A tree of proposed tokens. A parent comes before its children; −1 stands for the root, the text's last token. */
export interface DraftTree {
  readonly tokens: readonly number[];
  /** For each node the node that it follows, or −1. */
  readonly parents: readonly number[];
  /** For each node the drafter's estimate that it is right if its parent is, 0 to 1; 1/2 everywhere when absent. */
  readonly confidences?: readonly number[];
  /** For each node who proposed it, by name: the drafter unless it tells several ways apart, several joined by `+`. */
  readonly proposers?: readonly string[];
  /**
   * Distributions that the children of a node were drawn from, `[vocabulary]`, by node (−1 for the root): what verifiers of
   * random drafts need.
   */
  readonly distributions?: ReadonlyMap<number, Float64Array>;
  /**
   * Nodes that were drawn below a node (−1 for the root), in the order of drawing, repeated as often as they were drawn; the children in
   * their order when absent.
   */
  readonly draws?: ReadonlyMap<number, readonly number[]>;
}

/** The draft of nothing: the step is then a plain one. */
export const emptyDraft: DraftTree = { tokens: [], parents: [] };

/** Depth of every node: 1 for those that follow the root. */
export function depthsOf({ parents }: Pick<DraftTree, "parents">): number[] {
  const depths: number[] = [];
  for (const parent of parents) depths.push(parent < 0 ? 1 : depths[parent]! + 1);
  return depths;
}

/** A draft in one line. */
export function chain(tokens: readonly number[], confidences?: readonly number[]): DraftTree {
  return { tokens, parents: tokens.map((_, i) => i - 1), ...(confidences && { confidences }) };
}

/** The children of every node in order; those of the root come first, under index 0, those of node `i` under `i + 1`. */
export function childrenOf({ parents }: Pick<DraftTree, "parents">): number[][] {
  const children: number[][] = Array.from({ length: parents.length + 1 }, () => []);
  parents.forEach((parent, i) => {
    children[parent + 1]!.push(i);
  });
  return children;
}

/** The nodes for which `keeps` is true; it must be false for the children of a node for which it is false. */
export function prune(tree: DraftTree, keeps: (node: number) => boolean): DraftTree {
  const place = new Map([[-1, -1]]);
  const kept: number[] = [];
  for (let i = 0; i < tree.tokens.length; i++)
    if (place.has(tree.parents[i]!) && keeps(i)) {
      place.set(i, kept.length);
      kept.push(i);
    }
  if (kept.length === tree.tokens.length) return tree;
  const pick = <T>(values: readonly T[]): T[] => kept.map((i) => values[i]!);
  const { confidences, proposers, distributions } = tree;
  return {
    tokens: pick(tree.tokens),
    parents: kept.map((i) => place.get(tree.parents[i]!)!),
    ...(confidences && { confidences: pick(confidences) }),
    ...(proposers && { proposers: pick(proposers) }),
    ...(distributions && {
      distributions: new Map(
        [...distributions].flatMap(([i, q]) => (place.has(i) ? [[place.get(i)!, q] as const] : [])),
      ),
    }),
  };
}

/** Cuts a tree to a depth and a number of nodes, first come first kept. */
export function limitDraft(tree: DraftTree, maxDepth: number, maxNodes: number): DraftTree {
  const depths = depthsOf(tree);
  let count = 0;
  const kept = new Set([-1]);
  return prune(tree, (i) => {
    const keep = depths[i]! <= maxDepth && count < maxNodes && kept.has(tree.parents[i]!);
    if (keep) {
      kept.add(i);
      count++;
    }
    return keep;
  });
}

/**
 * Refuses a malformed tree.
 * @throws `internal` naming the drafter, when a parent does not come first, an array has another length, or a token is none.
 */
export function checkDraft(tree: DraftTree, drafter: string, vocabSize: number): void {
  const { tokens, parents, confidences } = tree;
  if (parents.length !== tokens.length || (confidences && confidences.length !== tokens.length))
    fail("internal", `drafter "${drafter}" proposed ${tokens.length} tokens and ${parents.length} parents`);
  for (let i = 0; i < tokens.length; i++) {
    if (!(parents[i]! >= -1 && parents[i]! < i))
      fail(
        "internal",
        `drafter "${drafter}" gave node ${i} the parent ${parents[i]}; it must be an earlier node or −1`,
      );
    if (!(tokens[i]! >= 0 && tokens[i]! < vocabSize))
      fail("internal", `drafter "${drafter}" proposed token ${tokens[i]} of a vocabulary of ${vocabSize}`);
  }
}

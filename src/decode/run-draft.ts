/**
 * Runs a draft through the model. A step has 64 rows, so that a larger tree takes several steps before anything is kept; the
 * rows' numbers do not depend on how they are split.
 */
import { blockLength, hiddenRows, type Sequence } from "../lm/index.ts";
import { NDArray } from "../util/ndarray.ts";
import type { DraftTree } from "./draft-tree.ts";

/** A draft that was run. */
export interface RanDraft {
  /** Logits after a node, −1 for the root, `[vocabulary]`. */
  logits(node: number): Float32Array;
  /** Hidden states of nodes after the final norm, `[nodes, hidden]`; for drafts that were run with them. */
  hidden(nodes: readonly number[]): NDArray;
  /** Keeps the root and the nodes of a path in the cache. */
  commit(path: readonly number[]): Promise<void>;
}

/** Nodes of a tree in sets that fit a step beside the root; each holds the ancestors of its nodes. */
function splitTree({ parents }: DraftTree): number[][] {
  const most = blockLength - 1;
  if (parents.length <= most) return [parents.map((_, i) => i)];
  const parts: Set<number>[] = [];
  parents.forEach((_, i) => {
    const path: number[] = [];
    for (let node = i; node >= 0; node = parents[node]!) path.push(node);
    let part = parts[parts.length - 1];
    if (!part || part.size + path.filter((node) => !part!.has(node)).length > most) {
      part = new Set();
      parts.push(part);
    }
    for (const node of path) part.add(node);
  });
  return parts.map((part) => [...part].sort((a, b) => a - b));
}

/**
 * Runs the root and a draft after what a sequence holds. The draft is no deeper than the sequence's room allows.
 * @param withHidden whether hidden states are wanted.
 */
export async function runDraft(
  sequence: Sequence,
  root: number,
  draft: DraftTree,
  withHidden = false,
): Promise<RanDraft> {
  const rows = new Map<number, Float32Array>();
  const states = new Map<number, Float32Array>();
  let last = new Map<number, number>();
  for (const nodes of splitTree(draft)) {
    const place = new Map([[-1, 0], ...nodes.map((node, i) => [node, i + 1] as const)]);
    const step = await sequence.step({
      tokens: [root, ...nodes.map((node) => draft.tokens[node]!)],
      ...(nodes.length ? { parents: [-1, ...nodes.map((node) => place.get(draft.parents[node]!)!)] } : {}),
      ...(withHidden ? { outputs: ["hidden"] } : {}),
    });
    const { logits } = step;
    const width = logits.shape[1]!;
    const data = logits.data as Float32Array;
    for (const [node, row] of place) rows.set(node, data.subarray(row * width, (row + 1) * width));
    if (withHidden) {
      const hidden = hiddenRows(step, place.size);
      const size = hidden.shape[1]!;
      for (const [node, row] of place)
        states.set(node, (hidden.data as Float32Array).subarray(row * size, (row + 1) * size));
    }
    last = place;
  }
  return {
    logits: (node) => rows.get(node)!,
    hidden: (nodes) => {
      const size = states.get(-1)?.length ?? 0;
      const out = new Float32Array(nodes.length * size);
      nodes.forEach((node, i) => {
        out.set(states.get(node)!, i * size);
      });
      return new NDArray(out, [nodes.length, size], "f32");
    },
    commit: async (path) => {
      if (path.every((node) => last.has(node))) return sequence.commit([0, ...path.map((node) => last.get(node)!)]);
      // the path went through a step before the last one, whose rows are gone
      await sequence.step({ tokens: [root, ...path.map((node) => draft.tokens[node]!)], wanted: [0] });
      return sequence.commit([...Array(path.length + 1).keys()]);
    },
  };
}

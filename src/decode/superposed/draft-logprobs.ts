/**
 * How likely a model finds several continuations of one prompt: their shared beginnings are run once, and as many as fit go through one
 * step.
 */
import { blockLength, type Sequence } from "../../lm/index.ts";
import { logSumExp } from "../sampler.ts";

/** Continuations as a tree. */
class Trie {
  readonly tokens: number[] = [];
  readonly parents: number[] = [];

  /** Adds a path below the root. @returns the node before each of its tokens, −1 for the root. */
  add(path: readonly number[]): number[] {
    const before: number[] = [];
    let node = -1;
    for (const token of path) {
      before.push(node);
      const parent = node;
      node = this.tokens.findIndex((other, i) => other === token && this.parents[i] === parent);
      if (node < 0) {
        node = this.tokens.length;
        this.tokens.push(token);
        this.parents.push(parent);
      }
    }
    return before;
  }
}

/**
 * Log-probabilities of continuations under the model's own distribution, each the sum over its tokens. The sequence stays as it is.
 * @param sequence holds the prompt. @param first logits after it, `[vocabulary]`. @param drafts of at least one token each.
 */
export async function draftLogprobs(
  sequence: Sequence,
  first: Float32Array,
  drafts: readonly (readonly number[])[],
): Promise<number[]> {
  const firstTotal = logSumExp(first);
  const sums: number[] = [];
  for (let at = 0; at < drafts.length; ) {
    const trie = new Trie();
    const group: number[][] = [];
    for (; at < drafts.length; at++) {
      const draft = drafts[at]!;
      // nothing is asked behind the last token, so it is not run; a draft that crosses a block's boundary takes steps of its own
      if (draft.length > sequence.room) break;
      if (group.length && trie.tokens.length + draft.length > blockLength) break;
      group.push(trie.add(draft));
    }
    if (!group.length) {
      sums.push(await chainLogprob(sequence, first, drafts[at++]!));
      continue;
    }
    const asked = [...new Set(group.flat())].filter((node) => node >= 0).sort((a, b) => a - b);
    const rows = new Map([[-1, { row: first, total: firstTotal }]]);
    if (asked.length) {
      const last = asked[asked.length - 1]! + 1;
      const { logits } = await sequence.step({
        tokens: trie.tokens.slice(0, last),
        parents: trie.parents.slice(0, last),
        wanted: asked,
      });
      const width = logits.shape[1]!;
      asked.forEach((node, i) => {
        const row = (logits.data as Float32Array).subarray(i * width, (i + 1) * width);
        rows.set(node, { row, total: logSumExp(row) });
      });
    }
    group.forEach((before, i) => {
      const draft = drafts[at - group.length + i]!;
      sums.push(
        before.reduce((sum, node, j) => {
          const { row, total } = rows.get(node)!;
          return sum + row[draft[j]!]! - total;
        }, 0),
      );
    });
  }
  return sums;
}

/** The same for one continuation, on a copy of the sequence that is lengthened block by block. */
async function chainLogprob(sequence: Sequence, first: Float32Array, draft: readonly number[]): Promise<number> {
  const copy = await sequence.fork();
  try {
    let sum = first[draft[0]!]! - logSumExp(first);
    for (let at = 0; at < draft.length - 1; ) {
      const count = Math.min(copy.room, draft.length - 1 - at);
      const { logits } = await copy.step({ tokens: draft.slice(at, at + count) });
      await copy.commit([...Array(count).keys()]);
      const width = logits.shape[1]!;
      for (let i = 0; i < count; i++) {
        const row = (logits.data as Float32Array).subarray(i * width, (i + 1) * width);
        sum += row[draft[at + i + 1]!]! - logSumExp(row);
      }
      at += count;
    }
    return sum;
  } finally {
    await copy.close();
  }
}

/**
 * Token Recycling (Luo et al. 2024, arXiv 2408.08696): the runners-up of every step are kept, for each token of the vocabulary the
 * eight likeliest successors seen last, and the matrix of them is walked breadth-first from the last token. Needs no
 * training, no draft model and no corpus.
 */
import { fail } from "../../util/errors.ts";
import type { NDArray } from "../../util/ndarray.ts";
import type { DraftTree } from "../draft-tree.ts";
import type { Drafter, DraftRequest, StepOutcome } from "../drafter.ts";
import { topLogits } from "./top-logits.ts";

/** Options of {@link TokenRecycling}. */
export interface TokenRecyclingOptions {
  readonly vocabSize: number;
  /** Successors kept of each token; 8 as in the paper. */
  readonly successors?: number;
  /** Paths of child ranks that make up the tree; {@link paperTemplate} by default. */
  readonly template?: readonly (readonly number[])[];
  /** `all` rows of a step are learned from, as in the paper, or the `accepted` tokens alone (the control without trash). */
  readonly learns?: "all" | "accepted";
  /** Whether prompts fill the matrix, too; the paper leaves them out, and reading them takes somewhat longer then. */
  readonly prompts?: boolean;
}

/** Children of each inner node of the paper's tree, as `path: ranks` (an empty path is the root). */
const paperChildren: readonly (readonly [path: string, ranks: number])[] = [
  ["", 8],
  ["0", 8],
  ["1", 4],
  ["2", 3],
  ["3", 2],
  ["4", 1],
  ["5", 1],
  ["6", 1],
  ["7", 1],
  ["00", 8],
  ["01", 3],
  ["02", 2],
  ...["03", "04", "05", "06", "07"].map((path) => [path, 1] as const),
  ["10", 2],
  ...["11", "20", "30", "40", "50"].map((path) => [path, 1] as const),
  ["000", 5],
  ["001", 2],
  ...["002", "003", "004", "010", "020", "100", "200", "300"].map((path) => [path, 1] as const),
  ["0000", 3],
  ...["0001", "0002", "0010", "0100", "1000"].map((path) => [path, 1] as const),
  ["00000", 2],
  ["00010", 1],
];

/** The paper's tree of 80 nodes besides the root, level by level. */
export const paperTemplate: readonly (readonly number[])[] = paperChildren
  .flatMap(([path, ranks]) => Array.from({ length: ranks }, (_, rank) => [...path].map(Number).concat(rank)))
  .sort((a, b) => a.length - b.length);

/** Confidence in a child by its rank, before anything was measured. */
const rankConfidence = [0.45, 0.14, 0.07, 0.045, 0.03, 0.025, 0.02, 0.015] as const;

/** A template's node by node: its parent's place and its rank. */
interface TemplateNode {
  readonly parent: number;
  readonly rank: number;
  readonly depth: number;
}

function templateNodes(template: readonly (readonly number[])[], successors: number): TemplateNode[] {
  const places = new Map([["", -1]]);
  return template.map((path, i) => {
    const parent = places.get(path.slice(0, -1).join());
    const rank = path[path.length - 1];
    if (parent === undefined || rank === undefined || !(rank >= 0 && rank < successors))
      return fail("argument", `template path [${path}] needs its parent before it and ranks below ${successors}`);
    places.set(path.join(), i);
    return { parent, rank, depth: path.length };
  });
}

/** Drafts from recycled candidates. One matrix serves all texts of a model. */
export class TokenRecycling implements Drafter {
  readonly name = "token-recycling";
  readonly kind = "deterministic";
  readonly #matrix: Int32Array;
  readonly #width: number;
  readonly #nodes: readonly TemplateNode[];
  readonly #learnsAll: boolean;
  readonly #prompts: boolean;
  readonly #top: Int32Array;
  readonly #topValues: Float32Array;
  /** For each node of the template, in how many steps it lay on the way that the text took. */
  readonly #hits: Int32Array;
  #steps = 0;

  /** @throws `argument` for a template whose paths lack their parents. */
  constructor({
    vocabSize,
    successors = 8,
    template = paperTemplate,
    learns = "all",
    prompts = false,
  }: TokenRecyclingOptions) {
    this.#width = successors;
    // −1 marks successors that were never seen: the paper's zeros would draft token 0 eight times
    this.#matrix = new Int32Array(vocabSize * successors).fill(-1);
    this.#nodes = templateNodes(template, successors);
    this.#learnsAll = learns === "all";
    this.#prompts = prompts;
    this.#top = new Int32Array(successors);
    this.#topValues = new Float32Array(successors);
    this.#hits = new Int32Array(template.length);
  }

  /** Share of the steps so far in which each node of the template was right. */
  frequencies(): number[] {
    return [...this.#hits].map((hits) => hits / Math.max(1, this.#steps));
  }

  get byteLength(): number {
    return this.#matrix.byteLength;
  }

  /** Forgets everything, for comparisons with a cold start. */
  clear(): void {
    this.#matrix.fill(-1);
  }

  /** The successors kept of a token, likeliest first; fewer when it was never seen. */
  successorsOf(token: number): number[] {
    return [...this.#matrix.subarray(token * this.#width, (token + 1) * this.#width)].filter((id) => id >= 0);
  }

  open() {
    let proposed: { tree: DraftTree; nodes: readonly number[] } | undefined;
    return {
      propose: ({ tokens, maxDepth }: DraftRequest) => {
        proposed = this.#propose(tokens[tokens.length - 1]!, maxDepth);
        return proposed.tree;
      },
      observe: (outcome: StepOutcome) => {
        if (proposed) this.#count(proposed.tree, proposed.nodes, outcome.gained);
        this.#observe(outcome);
      },
      ...(this.#prompts && {
        observePrompt: (tokens: readonly number[], first: number, logits: NDArray) => {
          const [rows, vocabulary] = logits.shape as [number, number];
          const data = logits.data as Float32Array;
          for (let row = 0; row < rows; row++) {
            const token = tokens[first + row]!;
            const next = tokens[first + row + 1];
            if (this.#learnsAll) this.#replace(token, data.subarray(row * vocabulary, (row + 1) * vocabulary));
            else if (next !== undefined) this.#prepend(token, next);
          }
        },
      }),
    };
  }

  /** The tree behind a token, and for each of its nodes the template's. */
  #propose(root: number, maxDepth: number): { tree: DraftTree; nodes: readonly number[] } {
    const tokens: number[] = [];
    const parents: number[] = [];
    const confidences: number[] = [];
    const nodes: number[] = [];
    const place = new Int32Array(this.#nodes.length).fill(-2);
    for (let i = 0; i < this.#nodes.length; i++) {
      const { parent, rank, depth } = this.#nodes[i]!;
      const at = parent < 0 ? -1 : place[parent]!;
      if (depth > maxDepth || at === -2) continue;
      const token = this.#matrix[(at < 0 ? root : tokens[at]!) * this.#width + rank]!;
      if (token < 0) continue;
      place[i] = tokens.length;
      tokens.push(token);
      parents.push(at);
      confidences.push(rankConfidence[rank] ?? 0.01);
      nodes.push(i);
    }
    return { tree: { tokens, parents, confidences }, nodes };
  }

  #count({ tokens, parents }: DraftTree, nodes: readonly number[], gained: readonly number[]): void {
    this.#steps++;
    let at = -1;
    for (const token of gained) {
      at = tokens.findIndex((id, i) => parents[i] === at && id === token);
      if (at < 0) return;
      this.#hits[nodes[at]!]!++;
    }
  }

  #observe({ root, draft, path, gained, logits }: StepOutcome): void {
    if (!this.#learnsAll) {
      let from = root;
      for (const token of gained) {
        this.#prepend(from, token);
        from = token;
      }
      return;
    }
    // in node order and the accepted path last, so that of a token's several rows the best-informed one stays
    const accepted = new Set(path);
    draft.tokens.forEach((token, i) => {
      if (!accepted.has(i)) this.#replace(token, logits(i));
    });
    this.#replace(root, logits(-1));
    for (const i of path) this.#replace(draft.tokens[i]!, logits(i));
  }

  /** Puts the likeliest tokens of a row of logits in the place of a token's successors. */
  #replace(token: number, logits: Float32Array): void {
    topLogits(logits, this.#top, this.#topValues);
    this.#matrix.set(this.#top, token * this.#width);
  }

  /** Makes `next` the first successor of a token. */
  #prepend(token: number, next: number): void {
    const row = this.#matrix.subarray(token * this.#width, (token + 1) * this.#width);
    const found = row.indexOf(next);
    row.copyWithin(1, 0, found < 0 ? this.#width - 1 : found);
    row[0] = next;
  }
}

/**
 * The part of a template that pays on a machine: nodes by how often they are right, as many as maximise expected tokens over the
 * cost of a step.
 * @param frequencies share of steps in which each node was right, see {@link TokenRecycling.frequencies}. @param cost of a step
 * by its number of rows. @returns at least one node.
 */
export function fitTemplate(
  template: readonly (readonly number[])[],
  frequencies: readonly number[],
  cost: (rows: number) => number,
): readonly (readonly number[])[] {
  const order = template.map((_, i) => i).sort((a, b) => frequencies[b]! - frequencies[a]! || a - b);
  let expected = 1;
  let best = { rate: 0, count: 1 };
  order.forEach((node, i) => {
    expected += frequencies[node]!;
    const rate = expected / cost(i + 2);
    if (rate > best.rate) best = { rate, count: i + 1 };
  });
  return order
    .slice(0, best.count)
    .sort((a, b) => a - b)
    .map((i) => template[i]!);
}

/** The `count` nodes of a template that were right most often, in the template's order. */
export function bestNodes(
  template: readonly (readonly number[])[],
  frequencies: readonly number[],
  count: number,
): readonly (readonly number[])[] {
  return fitTemplate(template, frequencies, (rows) => (rows === count + 1 ? 1 : Number.POSITIVE_INFINITY));
}

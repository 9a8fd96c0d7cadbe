/**
 * Token Recycling grown up: the runners-up of every step are kept with their probabilities, by the last two tokens where these
 * were seen and by the last one otherwise, and the tree is grown best first instead of by a fixed template. Follows the outlook of
 * the paper (Luo et al. 2024), see `token-recycling.ts` for the method as published.
 */
import type { NDArray } from "../../util/ndarray.ts";
import type { DraftTree } from "../draft-tree.ts";
import type { Drafter, DraftRequest, StepOutcome } from "../drafter.ts";
import { topLogits } from "./top-logits.ts";

/** Options of {@link ContextRecycling}. */
export interface ContextRecyclingOptions {
  readonly vocabSize: number;
  /** Pairs of tokens that are remembered, a power of two; 65,536 by default. */
  readonly pairs?: number;
  /** Most nodes that are proposed; 40 by default. */
  readonly nodes?: number;
  /** Whether prompts are learned from as well; `false` by default, because reading them takes longer then. */
  readonly prompts?: boolean;
}

/** Successors kept of a context. */
const width = 6;
/** Nodes less likely than this are not proposed. */
const leastChance = 0.02;
/** Entries of the pair table that a key may lie in. */
const probes = 4;

/** Successors of contexts: ids, and probabilities in 255ths. */
class SuccessorTable {
  readonly ids: Int32Array;
  readonly shares: Uint8Array;

  constructor(rows: number) {
    this.ids = new Int32Array(rows * width).fill(-1);
    this.shares = new Uint8Array(rows * width);
  }

  get byteLength(): number {
    return this.ids.byteLength + this.shares.byteLength;
  }
}

/** A place in one of the tables, or nothing. */
interface Row {
  readonly table: SuccessorTable;
  readonly start: number;
  readonly proposer: string;
}

/** Drafts from recycled candidates by context. One table serves all texts of a model. */
export class ContextRecycling implements Drafter {
  readonly name = "context-recycling";
  readonly kind = "deterministic";
  readonly #single: SuccessorTable;
  readonly #pairs: SuccessorTable;
  /** First and second token of each row of the pair table, −1 where it is empty. */
  readonly #keys: Int32Array;
  readonly #mask: number;
  readonly #nodes: number;
  readonly #ids = new Int32Array(width);
  readonly #logits = new Float32Array(width);

  readonly #prompts: boolean;

  constructor({ vocabSize, pairs = 65_536, nodes = 40, prompts = false }: ContextRecyclingOptions) {
    this.#single = new SuccessorTable(vocabSize);
    this.#pairs = new SuccessorTable(pairs);
    this.#keys = new Int32Array(2 * pairs).fill(-1);
    this.#mask = pairs - 1;
    this.#nodes = nodes;
    this.#prompts = prompts;
  }

  get byteLength(): number {
    return this.#single.byteLength + this.#pairs.byteLength + this.#keys.byteLength;
  }

  open() {
    return {
      propose: ({ tokens, maxDepth, maxNodes }: DraftRequest) => {
        const before = tokens[tokens.length - 2] ?? -1;
        return this.#grow(before, tokens[tokens.length - 1]!, maxDepth, Math.min(maxNodes, this.#nodes));
      },
      observe: (outcome: StepOutcome) => this.#observe(outcome),
      ...(this.#prompts && {
        observePrompt: (tokens: readonly number[], first: number, logits: NDArray) => {
          const [rows, vocabulary] = logits.shape as [number, number];
          const data = logits.data as Float32Array;
          for (let row = 0; row < rows; row++)
            this.#store(
              tokens[first + row - 1] ?? -1,
              tokens[first + row]!,
              data.subarray(row * vocabulary, (row + 1) * vocabulary),
            );
        },
      }),
    };
  }

  /** Grows the tree by its likeliest open node. */
  #grow(before: number, root: number, maxDepth: number, maxNodes: number): DraftTree {
    const tokens: number[] = [];
    const parents: number[] = [];
    const confidences: number[] = [];
    const proposers: string[] = [];
    const depths: number[] = [];
    const open: { parent: number; token: number; own: number; chance: number; proposer: string }[] = [];
    const expand = (node: number, previous: number, token: number, chance: number) => {
      const row = this.#find(previous, token);
      if (!row) return;
      for (let rank = 0; rank < width; rank++) {
        const id = row.table.ids[row.start + rank]!;
        if (id < 0) break;
        const own = row.table.shares[row.start + rank]! / 255;
        if (chance * own < leastChance) break;
        open.push({ parent: node, token: id, own, chance: chance * own, proposer: row.proposer });
      }
    };
    expand(-1, before, root, 1);
    while (open.length && tokens.length < maxNodes) {
      let best = 0;
      for (let i = 1; i < open.length; i++) if (open[i]!.chance > open[best]!.chance) best = i;
      const [{ parent, token, own, chance, proposer }] = open.splice(best, 1) as [(typeof open)[number]];
      const node = tokens.length;
      const depth = parent < 0 ? 1 : depths[parent]! + 1;
      tokens.push(token);
      parents.push(parent);
      confidences.push(own);
      proposers.push(proposer);
      depths.push(depth);
      if (depth < maxDepth) expand(node, parent < 0 ? root : tokens[parent]!, token, chance);
    }
    return { tokens, parents, confidences, proposers };
  }

  #observe({ previous, root, draft, path, logits }: StepOutcome): void {
    const accepted = new Set(path);
    const learn = (i: number) => {
      const parent = draft.parents[i]!;
      this.#store(parent < 0 ? root : draft.tokens[parent]!, draft.tokens[i]!, logits(i));
    };
    draft.tokens.forEach((_, i) => {
      if (!accepted.has(i)) learn(i);
    });
    this.#store(previous, root, logits(-1));
    // last, so that of several rows of a token the best-informed one stays
    for (const i of path) learn(i);
  }

  #store(previous: number, token: number, logits: Float32Array): void {
    topLogits(logits, this.#ids, this.#logits);
    let sum = 0;
    for (let i = 0; i < width; i++) sum += Math.exp(this.#logits[i]! - this.#logits[0]!);
    const write = (table: SuccessorTable, row: number) => {
      for (let i = 0; i < width; i++) {
        table.ids[row * width + i] = this.#ids[i]!;
        table.shares[row * width + i] = Math.round((255 * Math.exp(this.#logits[i]! - this.#logits[0]!)) / sum);
      }
    };
    write(this.#single, token);
    if (previous >= 0) write(this.#pairs, this.#claim(previous, token));
  }

  #hash(previous: number, token: number): number {
    return (Math.imul(previous, 0x9e3779b1) ^ Math.imul(token, 0x85ebca6b)) >>> 0;
  }

  /** The row of a pair, or of the last token alone. */
  #find(previous: number, token: number): Row | undefined {
    if (previous >= 0) {
      const hash = this.#hash(previous, token);
      for (let k = 0; k < probes; k++) {
        const row = (hash + k) & this.#mask;
        if (this.#keys[2 * row] === previous && this.#keys[2 * row + 1] === token)
          return { table: this.#pairs, start: row * width, proposer: "recycling/2" };
      }
    }
    if (this.#single.ids[token * width]! < 0) return undefined;
    return { table: this.#single, start: token * width, proposer: "recycling/1" };
  }

  /** A row for a pair: its own, a free one, or that of another pair. */
  #claim(previous: number, token: number): number {
    const hash = this.#hash(previous, token);
    let chosen = (hash + (token & (probes - 1))) & this.#mask;
    for (let k = 0; k < probes; k++) {
      const row = (hash + k) & this.#mask;
      if (this.#keys[2 * row] === previous && this.#keys[2 * row + 1] === token) return row;
      if (this.#keys[2 * row]! < 0) {
        chosen = row;
        break;
      }
    }
    this.#keys[2 * chosen] = previous;
    this.#keys[2 * chosen + 1] = token;
    return chosen;
  }
}

/**
 * Draft trees from a trigram table: Monte-Carlo tree search as in Adaptive Draft-Verification (section "draft maker"), best-first search,
 * and a greedy walk. Knows the table and nothing of texts.
 */
import type { Random } from "../../util/random.ts";
import type { DraftTree } from "../draft-tree.ts";
import { type TrigramTable, trigramWidth } from "./trigram-table.ts";

/** How a tree is searched for. */
export interface SearchOptions {
  readonly iterations: number;
  /** States of a path, the root included. */
  readonly depth: number;
  readonly c1: number;
  readonly c2: number;
  /** `intended` sums the weights of the path; `constant` is what the released code comes to. */
  readonly reward: "intended" | "constant";
}

/** The paper's settings. */
export const paperSearch: SearchOptions = { iterations: 150, depth: 4, c1: 32, c2: 8, reward: "intended" };

/** Paths that the paper keeps before it appends their likeliest successors. */
const keptPaths = 24;

/** The best successor of a pair: its token and its share of the row's weight. */
function bestSuccessor(table: TrigramTable, a: number, b: number): { token: number; share: number } | undefined {
  const row = table.find(a, b);
  if (row < 0) return undefined;
  let best = 0;
  let total = 0;
  for (let i = 0; i < table.count(row); i++) {
    total += table.weight(row, i);
    if (table.weight(row, i) > table.weight(row, best)) best = i;
  }
  return total > 0 ? { token: table.token(row, best), share: table.weight(row, best) / total } : undefined;
}

/** One chain of likeliest successors. */
export function greedyWalk(table: TrigramTable, before: number, root: number, length: number): DraftTree {
  const tokens: number[] = [];
  const confidences: number[] = [];
  let [a, b] = [before, root];
  while (tokens.length < length) {
    const best = bestSuccessor(table, a, b);
    if (!best) break;
    tokens.push(best.token);
    confidences.push(best.share);
    [a, b] = [b, best.token];
  }
  return { tokens, parents: tokens.map((_, i) => i - 1), confidences };
}

/** The `count` likeliest nodes by the product of normalised weights: exact, and without chance. */
export function bestFirst(table: TrigramTable, before: number, root: number, count: number, depth: number): DraftTree {
  const tree = { tokens: [] as number[], parents: [] as number[], confidences: [] as number[] };
  const depths: number[] = [];
  const open: { parent: number; token: number; share: number; chance: number }[] = [];
  const expand = (node: number, a: number, b: number, chance: number) => {
    const row = table.find(a, b);
    if (row < 0) return;
    let total = 0;
    for (let i = 0; i < table.count(row); i++) total += table.weight(row, i);
    for (let i = 0; i < table.count(row) && total > 0; i++) {
      const share = table.weight(row, i) / total;
      open.push({ parent: node, token: table.token(row, i), share, chance: chance * share });
    }
  };
  expand(-1, before, root, 1);
  while (open.length && tree.tokens.length < count) {
    let best = 0;
    for (let i = 1; i < open.length; i++) if (open[i]!.chance > open[best]!.chance) best = i;
    const [{ parent, token, share, chance }] = open.splice(best, 1) as [(typeof open)[number]];
    const node = tree.tokens.length;
    tree.tokens.push(token);
    tree.parents.push(parent);
    tree.confidences.push(share);
    depths.push(parent < 0 ? 1 : depths[parent]! + 1);
    if (depths[node]! < depth) expand(node, parent < 0 ? root : tree.tokens[parent]!, token, chance);
  }
  return tree;
}

/** Monte-Carlo tree search over a trigram table. Its arrays are used again from search to search. */
export class TrigramSearch {
  readonly #options: SearchOptions;
  readonly #token: Int32Array;
  readonly #parent: Int32Array;
  readonly #level: Uint8Array;
  readonly #prior: Float32Array;
  readonly #visits: Int32Array;
  readonly #value: Float64Array;
  readonly #firstChild: Int32Array;
  readonly #childCount: Uint8Array;
  /** Whether the search has reached below a node already. */
  readonly #expanded: Uint8Array;
  #count = 0;

  constructor(options: SearchOptions = paperSearch) {
    this.#options = options;
    const most = 1 + options.iterations * trigramWidth;
    this.#token = new Int32Array(most);
    this.#parent = new Int32Array(most);
    this.#level = new Uint8Array(most);
    this.#prior = new Float32Array(most);
    this.#visits = new Int32Array(most);
    this.#value = new Float64Array(most);
    this.#firstChild = new Int32Array(most);
    this.#childCount = new Uint8Array(most);
    this.#expanded = new Uint8Array(most);
  }

  /** Searches behind the last two tokens; the most visited nodes come first. @param count most nodes of the tree. */
  search(table: TrigramTable, before: number, root: number, count: number, random: Random): DraftTree {
    this.#count = 0;
    this.#add(-1, root, 0, 1);
    for (let i = 0; i < this.#options.iterations; i++) this.#iterate(table, before, random);
    return this.#collect(table, before, count);
  }

  #add(parent: number, token: number, level: number, prior: number): number {
    const node = this.#count++;
    this.#token[node] = token;
    this.#parent[node] = parent;
    this.#level[node] = level;
    this.#prior[node] = prior;
    this.#visits[node] = 0;
    this.#value[node] = 0;
    this.#childCount[node] = 0;
    this.#expanded[node] = 0;
    return node;
  }

  /** Token before a node's own. */
  #previous(node: number, before: number): number {
    return this.#parent[node]! < 0 ? before : this.#token[this.#parent[node]!]!;
  }

  #iterate(table: TrigramTable, before: number, random: Random): void {
    const { depth, reward } = this.#options;
    let node = 0;
    let gained = 0;
    while (this.#childCount[node]! > 0 && this.#level[node]! < depth - 1) {
      node = this.#select(node);
      gained += this.#prior[node]!;
    }
    if (!this.#expanded[node] && this.#level[node]! < depth - 1) {
      this.#expanded[node] = 1;
      const row = table.find(this.#previous(node, before), this.#token[node]!);
      if (row >= 0 && table.count(row)) {
        this.#firstChild[node] = this.#count;
        this.#childCount[node] = table.count(row);
        for (let i = 0; i < table.count(row); i++)
          this.#add(node, table.token(row, i), this.#level[node]! + 1, table.weight(row, i));
        node = this.#count - 1;
        gained += this.#prior[node]!;
      }
    }
    let [a, b] = [this.#previous(node, before), this.#token[node]!];
    for (let level = this.#level[node]!; level < depth - 1; level++) {
      const row = table.find(a, b);
      if (row < 0) break;
      const next = this.#sample(table, row, random);
      if (next < 0) break;
      gained += table.weight(row, next);
      [a, b] = [b, table.token(row, next)];
    }
    const r = reward === "intended" ? 1 + gained : 1;
    for (let at = node; at >= 0; at = this.#parent[at]!) {
      this.#visits[at]!++;
      this.#value[at]! += r;
    }
  }

  /** The child with the highest PUCT score; the first one on ties, so that searches repeat. */
  #select(node: number): number {
    const { c1, c2 } = this.#options;
    const visits = this.#visits[node]!;
    const factor = (c1 + Math.log((visits + c2 + 1) / c2)) * Math.sqrt(visits);
    let best = this.#firstChild[node]!;
    let highest = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < this.#childCount[node]!; i++) {
      const child = this.#firstChild[node]! + i;
      const n = this.#visits[child]!;
      const score =
        n === 0 ? Number.POSITIVE_INFINITY : this.#value[child]! / n + (factor * this.#prior[child]!) / (1 + n);
      if (score > highest) {
        highest = score;
        best = child;
      }
      if (n === 0) break;
    }
    return best;
  }

  #sample(table: TrigramTable, row: number, random: Random): number {
    let total = 0;
    for (let i = 0; i < table.count(row); i++) total += table.weight(row, i);
    if (total <= 0) return -1;
    let rest = random.next() * total;
    for (let i = 0; i < table.count(row); i++) {
      rest -= table.weight(row, i);
      if (rest < 0) return i;
    }
    return table.count(row) - 1;
  }

  /** The most visited nodes, each kept path with its likeliest further token. */
  #collect(table: TrigramTable, before: number, count: number): DraftTree {
    const order: number[] = [];
    for (let node = 1; node < this.#count; node++) if (this.#visits[node]! > 0) order.push(node);
    order.sort((a, b) => this.#visits[b]! - this.#visits[a]! || a - b);
    const tree = { tokens: [] as number[], parents: [] as number[], confidences: [] as number[] };
    const place = new Map([[0, -1]]);
    for (const node of order.slice(0, keptPaths)) {
      const parent = place.get(this.#parent[node]!);
      // a node is visited no more often than its parent, but may stand before it on ties
      if (parent === undefined || tree.tokens.length >= count) continue;
      place.set(node, tree.tokens.length);
      tree.tokens.push(this.#token[node]!);
      tree.parents.push(parent);
      tree.confidences.push(this.#visits[node]! / Math.max(1, this.#visits[this.#parent[node]!]!));
    }
    for (const [node, at] of place) {
      if (at < 0 || tree.tokens.length >= count) continue;
      const best = bestSuccessor(table, this.#previous(node, before), this.#token[node]!);
      if (!best || tree.parents.some((parent, i) => parent === at && tree.tokens[i] === best.token)) continue;
      tree.tokens.push(best.token);
      tree.parents.push(at);
      tree.confidences.push(best.share);
    }
    return tree;
  }
}

/**
 * Adaptive Draft-Verification (Liu et al. 2024, arXiv 2407.12021): a trigram table stands for the language model, is nudged towards what the
 * text says, and is searched for drafts. The more it is used, the better it fits the model and its user.
 */
import type { Drafter, DraftRequest } from "../drafter.ts";
import { bestFirst, greedyWalk, paperSearch, type SearchOptions, TrigramSearch } from "./trigram-search.ts";
import { TrigramTable } from "./trigram-table.ts";

/** Options of {@link AdaptiveTrigrams}. */
export interface AdaptiveTrigramsOptions {
  /** The table to begin with, which is changed; an empty one when absent. */
  readonly table?: TrigramTable;
  /** How much a trigram of the recent text is rewarded at each step; 0.04 as in the paper, 0 for a table that stays as it is. */
  readonly rate?: number;
  /** How drafts are found; `mcts` as in the paper by default. */
  readonly search?: "mcts" | "best-first" | "greedy";
  readonly mcts?: SearchOptions;
  /** Most nodes that are proposed; 24 by default. */
  readonly nodes?: number;
  /** Tokens that the draft shall not learn from, such as those of a chat template. */
  readonly ignore?: ReadonlySet<number>;
  readonly name?: string;
}

/** Tokens of the recent text that rewards go to, and the greatest weight, as in the paper. */
const recent = 16;
const mostWeight = 3;
/** Greatest depth of a draft: the paths of the search, and the token appended to them. */
const deepest = 4;

/** Drafts from an adaptive trigram table. One table serves all texts. */
export class AdaptiveTrigrams implements Drafter {
  readonly name: string;
  readonly kind = "deterministic";
  readonly table: TrigramTable;
  readonly #options: AdaptiveTrigramsOptions;
  readonly #search: TrigramSearch;

  constructor(options: AdaptiveTrigramsOptions = {}) {
    this.#options = options;
    this.name = options.name ?? "adaptive-trigrams";
    this.table = options.table ?? new TrigramTable();
    this.#search = new TrigramSearch(options.mcts ?? paperSearch);
  }

  get byteLength(): number {
    return this.table.byteLength;
  }

  open() {
    return { propose: (request: DraftRequest) => this.#propose(request) };
  }

  #propose({ tokens, maxDepth, maxNodes, random }: DraftRequest) {
    const { rate = 0.04, search = "mcts", nodes = 24 } = this.#options;
    if (rate) this.#adapt(tokens, rate);
    const before = tokens[tokens.length - 2] ?? -1;
    const root = tokens[tokens.length - 1]!;
    const count = Math.min(nodes, maxNodes);
    if (search === "greedy") return greedyWalk(this.table, before, root, Math.min(count, maxDepth));
    if (search === "best-first") return bestFirst(this.table, before, root, count, Math.min(deepest, maxDepth));
    return this.#search.search(this.table, before, root, count, random);
  }

  #adapt(tokens: readonly number[], rate: number): void {
    const { ignore } = this.#options;
    for (let i = Math.max(2, tokens.length - recent + 2); i < tokens.length; i++) {
      const [a, b, c] = [tokens[i - 2]!, tokens[i - 1]!, tokens[i]!];
      if (ignore && (ignore.has(a) || ignore.has(b) || ignore.has(c))) continue;
      this.table.reward(a, b, c, rate, mostWeight);
    }
  }
}

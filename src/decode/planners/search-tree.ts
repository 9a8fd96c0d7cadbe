/**
 * The statistics of a tree search, on flat arrays: decision nodes, each with edges to try. Knows tokens as numbers, and neither a model
 * nor a reward.
 */

/** How the next edge is selected; `N` counts visits, `P` is the prior, `Q` the value of an edge. */
export type SelectionRule =
  /** `Q + β(N) · P · √(ln N) / (1 + N(edge))` with `β(N) = ln((N + base + 1) / base) + exploration`. */
  | "p-ucb-variable"
  /** The same with `β = exploration`. */
  | "p-ucb"
  /** `Q + exploration · √(ln N) / (1 + N(edge))`: likely tokens are not preferred. */
  | "ucb";

/** How a search weighs its edges. */
export interface SelectionOptions {
  readonly rule: SelectionRule;
  /** Larger values look at more alternatives [c]. */
  readonly exploration: number;
  /** Visits after which β begins to grow [c_base]. */
  readonly explorationBase: number;
  /** An edge's value: the best or the mean of the rewards seen through it. */
  readonly value: "best" | "mean";
}

/** A tree that grows by nodes; numbers name nodes and edges. */
export class SearchTree {
  readonly #options: SelectionOptions;
  // of nodes
  readonly #visits: number[] = [];
  readonly #firstEdge: number[] = [];
  readonly #edgeCount: number[] = [];
  // of edges
  readonly #token: number[] = [];
  readonly #prior: number[] = [];
  readonly #returns: number[] = [];
  readonly #best: number[] = [];
  readonly #sum: number[] = [];
  readonly #child: number[] = [];

  constructor(options: SelectionOptions) {
    this.#options = options;
  }

  /** Number of nodes. */
  get size(): number {
    return this.#visits.length;
  }

  /**
   * Adds a node.
   * @param tokens of its edges, the likeliest first; none for a terminal node. @param weights of the edges; priors are their shares.
   */
  addNode(tokens: readonly number[], weights: readonly number[]): number {
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    this.#visits.push(1);
    this.#firstEdge.push(this.#token.length);
    this.#edgeCount.push(tokens.length);
    tokens.forEach((token, i) => {
      this.#token.push(token);
      this.#prior.push(weights[i]! / total);
      this.#returns.push(0);
      this.#best.push(0);
      this.#sum.push(0);
      this.#child.push(-1);
    });
    return this.size - 1;
  }

  /** Lets an edge lead to a node. */
  connect(edge: number, node: number): void {
    this.#child[edge] = node;
  }

  /** Whether a node has no edges. */
  isTerminal(node: number): boolean {
    return this.#edgeCount[node] === 0;
  }

  /** The token of an edge. */
  tokenOf(edge: number): number {
    return this.#token[edge]!;
  }

  /** Where an edge leads to; −1 when there is no node yet. */
  childOf(edge: number): number {
    return this.#child[edge]!;
  }

  /** Value of an edge: 0 when nothing was seen through it. */
  valueOf(edge: number): number {
    const returns = this.#returns[edge]!;
    if (!returns) return 0;
    return this.#options.value === "best" ? this.#best[edge]! : this.#sum[edge]! / returns;
  }

  /** The edge of a node to follow next; the likeliest one on ties. */
  select(node: number): number {
    const { rule, exploration, explorationBase } = this.#options;
    const visits = this.#visits[node]!;
    const beta =
      rule === "p-ucb-variable"
        ? Math.log((visits + explorationBase + 1) / explorationBase) + exploration
        : exploration;
    const bonus = beta * Math.sqrt(Math.log(visits));
    let chosen = -1;
    let highest = Number.NEGATIVE_INFINITY;
    const first = this.#firstEdge[node]!;
    for (let edge = first; edge < first + this.#edgeCount[node]!; edge++) {
      const prior = rule === "ucb" ? 1 : this.#prior[edge]!;
      const score = this.valueOf(edge) + (bonus * prior) / (1 + this.#returns[edge]!);
      if (score > highest) {
        highest = score;
        chosen = edge;
      }
    }
    return chosen;
  }

  /**
   * The edge of a node with the highest value among those that were tried; the one tried more often, then the likelier one, on ties.
   * An edge that was not tried has no reward, which matters where rewards are negative.
   */
  bestEdge(node: number): number {
    const first = this.#firstEdge[node]!;
    let best = first;
    for (let edge = first + 1; edge < first + this.#edgeCount[node]!; edge++) {
      if (!this.#returns[edge]) continue;
      if (!this.#returns[best]) best = edge;
      const gain = this.valueOf(edge) - this.valueOf(best);
      if (gain > 0 || (gain === 0 && this.#returns[edge]! > this.#returns[best]!)) best = edge;
    }
    return best;
  }

  /** Notes what came of a rollout. @param path nodes and the edges that were followed from them. */
  backUp(path: readonly { readonly node: number; readonly edge: number }[], reward: number): void {
    for (const { node, edge } of path) {
      this.#best[edge] = this.#returns[edge] ? Math.max(this.#best[edge]!, reward) : reward;
      this.#sum[edge]! += reward;
      this.#returns[edge]!++;
      this.#visits[node]!++;
    }
  }
}

/**
 * Planning-guided decoding (Zhang et al. 2023, arXiv 2303.05510): a Monte-Carlo tree search over tokens, whose priors are the model's
 * probabilities and whose evaluations are programs that the model completes. Token ids only; what is good, a reward says.
 */
import { fail } from "../../util/errors.ts";
import { Continuations } from "./continuations.ts";
import { Ledger } from "./ledger.ts";
import { checkCounts, checkProblem, type Planner, type PlanningProblem, type PlanningResult } from "./planner.ts";
import { SearchTree, type SelectionRule } from "./search-tree.ts";

/** How the tree is searched; the paper's symbols in brackets. */
export interface TreeSearchOptions {
  /** Likeliest tokens that are tried after a program's beginning [k]; 3 by default. */
  readonly branches?: number;
  /** Width of the beam that completes programs [b]; 1, which is greedy, by default. */
  readonly beam?: number;
  /** How the next edge is selected; `p-ucb-variable` by default. */
  readonly selection?: SelectionRule;
  /** How much unexplored edges weigh [c]; 4 by default. */
  readonly exploration?: number;
  /** Visits after which their weight grows [c_base]; 10 by default. */
  readonly explorationBase?: number;
  /** Value of an edge; `best` by default, which is right for rewards without chance. */
  readonly value?: "best" | "mean";
  /** Where priors come from; `model` by default. `uniform` is for comparison. */
  readonly priors?: "model" | "uniform";
  /** Whether distributions and completions are remembered; true by default. False is for comparison: the search is the same. */
  readonly caches?: boolean;
  /**
   * Tokens with at least this probability are no choice: they join the edge that led to them, and the tree is deep in choices instead of
   * tokens. Not by default, as in the paper.
   */
  readonly joinAbove?: number;
  /**
   * Rollouts after which the best token is taken for good, and the search goes on below it with what it knows. By default it stays at the
   * prompt, as in the paper's main results.
   */
  readonly rolloutsPerToken?: number;
  /** Name of the planner; `planning-guided decoding` by default. */
  readonly name?: string;
}

type Settings = Required<Omit<TreeSearchOptions, "rolloutsPerToken" | "name" | "joinAbove">> & {
  readonly joinAbove: number;
  readonly rolloutsPerToken: number;
};

/** A step of a rollout. */
interface Step {
  readonly node: number;
  readonly edge: number;
}

/** One problem's search. */
class Search {
  readonly #settings: Settings;
  readonly #continuations: Continuations;
  readonly #ledger: Ledger;
  readonly #tree: SearchTree;
  /** Program of each node. */
  readonly #programs: (readonly number[])[] = [];

  constructor(problem: PlanningProblem, settings: Settings) {
    const { branches, beam, caches, selection, exploration, explorationBase, value } = settings;
    this.#settings = settings;
    this.#continuations = new Continuations(problem, { count: branches, beam, caches });
    this.#ledger = new Ledger(problem, this.#continuations);
    this.#tree = new SearchTree({ rule: selection, exploration, explorationBase, value });
  }

  async run(): Promise<PlanningResult> {
    let root = await this.#addNode([]);
    for (let rollouts = 1; !this.#ledger.over; rollouts++) {
      await this.#rollout(root);
      if (rollouts % this.#settings.rolloutsPerToken) continue;
      const edge = this.#tree.bestEdge(root);
      root = this.#tree.childOf(edge);
      // nothing is left to choose
      if (root < 0 || this.#tree.isTerminal(root)) break;
    }
    return this.#ledger.result();
  }

  async #rollout(root: number): Promise<void> {
    const started = performance.now();
    const path: Step[] = [];
    let node = root;
    let open: Step | undefined;
    while (!open && !this.#tree.isTerminal(node)) {
      const step = { node, edge: this.#tree.select(node) };
      path.push(step);
      const child = this.#tree.childOf(step.edge);
      if (child < 0) open = step;
      else node = child;
    }
    const selected = performance.now();
    const begun = open ? [...this.#programs[node]!, this.#tree.tokenOf(open.edge)] : this.#programs[node]!;
    const reward = await this.#ledger.evaluate(await this.#continuations.complete(begun));
    // after the completion, which has passed through the new node's tokens
    if (open) this.#tree.connect(open.edge, await this.#addNode(begun));
    const evaluated = performance.now();
    this.#tree.backUp(path, reward);
    this.#ledger.searchMicroseconds += 1000 * (selected - started + (performance.now() - evaluated));
  }

  /** Adds the node of a program, or of what it becomes by tokens that are no choice. */
  async #addNode(program: readonly number[]): Promise<number> {
    const { priors, joinAbove } = this.#settings;
    let tokens: readonly number[] = [];
    let weights: readonly number[] = [];
    let joined = program;
    while (!this.#continuations.isTerminal(joined)) {
      const top = await this.#continuations.top(joined);
      if (top.probabilities[0]! >= joinAbove) {
        joined = [...joined, top.tokens[0]!];
        continue;
      }
      tokens = top.tokens;
      weights = priors === "model" ? top.probabilities : tokens.map(() => 1);
      break;
    }
    this.#programs.push(joined);
    return this.#tree.addNode(tokens, weights);
  }
}

/**
 * Planning-guided decoding: decodes by tree search. From the prompt it follows likely and rewarding tokens to a place where it has not
 * been, lets the model complete the program greedily, and notes the program's reward along the way.
 *
 *     const planner = planningGuided({ branches: 3 });
 *     const { best } = await planner.plan({ model, prompt, ends, reward: ({ tokens }) => passRate(tokens), horizon: 200 });
 *
 * @throws `argument` for impossible options.
 */
export function planningGuided(options: TreeSearchOptions = {}): Planner {
  const { name = "planning-guided decoding", joinAbove, rolloutsPerToken, ...given } = options;
  const settings: Settings = {
    branches: 3,
    beam: 1,
    selection: "p-ucb-variable",
    exploration: 4,
    explorationBase: 10,
    value: "best",
    priors: "model",
    caches: true,
    ...given,
    joinAbove: joinAbove ?? Number.POSITIVE_INFINITY,
    rolloutsPerToken: rolloutsPerToken ?? Number.POSITIVE_INFINITY,
  };
  checkCounts({ branches: settings.branches, beam: settings.beam });
  if (rolloutsPerToken !== undefined) checkCounts({ rolloutsPerToken });
  if (joinAbove !== undefined && !(joinAbove > 0.5))
    fail("argument", `joinAbove is ${joinAbove}; a token that is no choice has a probability above 0.5`);
  if (!(settings.exploration >= 0)) fail("argument", `exploration is ${settings.exploration}; it must not be negative`);
  if (!(settings.explorationBase > 0))
    fail("argument", `explorationBase is ${settings.explorationBase}; it must be positive`);
  return {
    name,
    async plan(problem) {
      checkProblem(problem);
      return new Search(problem, settings).run();
    },
  };
}

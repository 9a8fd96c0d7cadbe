/**
 * Drafting for one text: asks the drafters, joins what they propose, keeps what is worth its cost, and learns from what
 * became of it.
 */
import { fail } from "../../util/errors.ts";
import type { NDArray } from "../../util/ndarray.ts";
import { Random } from "../../util/random.ts";
import type { Constraint } from "../constraints/constraint.ts";
import { checkDraft, type DraftTree, depthsOf, emptyDraft, limitDraft } from "../draft-tree.ts";
import type { Drafter, DraftSession, StepOutcome } from "../drafter.ts";
import type { SamplingOptions } from "../options.ts";
import { checkCompatible, type Verifier } from "../verifier.ts";
import { matchVerifier } from "../verifiers/match.ts";
import { Calibration } from "./calibration.ts";
import { type CostCurve, cautiousCosts } from "./cost-curve.ts";
import { joinDrafts, planDraft } from "./join.ts";
import { pruneForbidden } from "./prune-forbidden.ts";

/** How a model's texts are drafted. Drafters and calibration live on from text to text and learn. */
export interface Speculation {
  readonly drafters: readonly Drafter[];
  /** The rule of acceptance; `match` by default. */
  readonly verifier?: Verifier;
  /** What steps cost; a cautious guess by default. */
  readonly costs?: CostCurve;
  /** What is known of the drafters' reliability; learned from nothing by default. */
  readonly calibration?: Calibration;
  /**
   * How many nodes a step checks: `planned` (the default) weighs chances against costs step by step, a number takes that many of the
   * likeliest, `all` takes whole trees, in several steps where one cannot hold them. Verifiers other than `match` always get whole trees, because a choice by token would
   * spoil their exactness.
   */
  readonly size?: "planned" | "all" | number;
}

/** Most nodes of a step: a step has 64 rows and one is the root's. */
const mostNodes = 63;
/** Most nodes of a whole tree, which may take several steps. */
const mostOfAll = 1024;

/** A proposal that waits for the text to show what was right. */
interface Waiting {
  readonly tree: DraftTree;
  /** Number of tokens when it was made. */
  readonly at: number;
  readonly depth: number;
}

/** Drafting for one text. */
export class SpeculationSession {
  readonly verifier: Verifier;
  readonly #setup: Speculation;
  readonly #sessions: readonly { readonly drafter: Drafter; readonly session: DraftSession }[];
  readonly #calibration: Calibration;
  readonly #costs: CostCurve;
  readonly #random: Random;
  readonly #sampling: SamplingOptions;
  readonly #vocabSize: number;
  #waiting: Waiting[] = [];

  private constructor(
    setup: Speculation,
    sessions: readonly { readonly drafter: Drafter; readonly session: DraftSession }[],
    sampling: SamplingOptions,
    vocabSize: number,
  ) {
    this.#setup = setup;
    this.#sessions = sessions;
    this.#sampling = sampling;
    this.#vocabSize = vocabSize;
    this.verifier = effectiveVerifier(setup, sampling);
    this.#calibration = setup.calibration ?? new Calibration();
    this.#costs = setup.costs ?? cautiousCosts;
    // under a fixed seed a fixed stream of its own; otherwise a new one, since fixed drafts would bias sampled texts
    this.#random = new Random(sampling.seed ?? Math.floor(Math.random() * 2 ** 48), 1);
  }

  /** Begins a text. @throws `argument` when drafters and verifier do not fit. */
  static async open(
    setup: Speculation,
    prompt: readonly number[],
    sampling: SamplingOptions,
    vocabSize: number,
  ): Promise<SpeculationSession> {
    checkSpeculation(setup);
    const sessions: { drafter: Drafter; session: DraftSession }[] = [];
    for (const drafter of setup.drafters) sessions.push({ drafter, session: await drafter.open(prompt) });
    return new SpeculationSession(setup, sessions, sampling, vocabSize);
  }

  /**
   * A draft for the tokens after `tokens`.
   * @param context tokens in the cache. @param maxDepth greatest depth that the step can hold. @param baseRows rows that the step
   * has anyway. @param constraint its state after `tokens`: what it forbids is left out. @param suggested what it suggests itself, with
   * the names of its proposers; only a verifier that needs no distributions can use it.
   */
  async propose(
    tokens: readonly number[],
    context: number,
    maxDepth: number,
    baseRows: number,
    constraint?: Constraint,
    suggested: DraftTree = emptyDraft,
  ): Promise<DraftTree> {
    const { size = "planned" } = this.#setup;
    const maxNodes = size === "all" ? mostOfAll : mostNodes + 1 - baseRows;
    if (maxDepth < 1 || maxNodes < 1) return emptyDraft;
    const request = { tokens, maxNodes, maxDepth, sampling: this.#sampling, random: this.#random };
    const proposals: { drafter: string; tree: DraftTree }[] = [];
    for (const { drafter, session } of this.#sessions) {
      const tree = await session.propose(request);
      checkDraft(tree, drafter.name, this.#vocabSize);
      if (tree.tokens.length) proposals.push({ drafter: drafter.name, tree });
    }
    if (suggested.tokens.length && this.verifier === matchVerifier) proposals.push({ drafter: "", tree: suggested });
    if (!proposals.length) return emptyDraft;
    if (this.verifier !== matchVerifier) {
      const { drafter, tree } = proposals[0]!;
      if (tree.tokens.length > maxNodes || Math.max(...depthsOf(tree)) > maxDepth)
        fail(
          "internal",
          `drafter "${drafter}" proposed more than the ${maxNodes} nodes or ${maxDepth} levels it was asked for`,
        );
      return { ...tree, proposers: tree.tokens.map(() => drafter) };
    }
    let tree = joinDrafts(proposals);
    if (constraint) tree = pruneForbidden(tree, constraint);
    if (!tree.tokens.length) return emptyDraft;
    this.#waiting.push({ tree, at: tokens.length, depth: Math.max(...depthsOf(tree)) });
    if (size === "all") return limitDraft(tree, maxDepth, maxNodes);
    const costs = size === "planned" ? this.#costs : free;
    return planDraft({
      tree,
      calibration: this.#calibration,
      costs,
      context,
      maxNodes: size === "planned" ? maxNodes : Math.min(size, maxNodes),
      maxDepth,
      baseRows,
    }).draft;
  }

  /** What a prompt's rows are shown to, if any drafter learns from them. */
  promptVisitor(prompt: readonly number[], cached: number): ((first: number, logits: NDArray) => void) | undefined {
    const learning = this.#sessions.filter(({ session }) => session.observePrompt);
    if (!learning.length) return undefined;
    return (first, logits) => {
      for (const { session } of learning) session.observePrompt!(prompt, cached + first, logits);
    };
  }

  /** Whether a drafter works with hidden states. */
  get wantsHidden(): boolean {
    return this.#sessions.some(({ session }) => session.observeHidden);
  }

  /** Shows hidden states to the drafters that work with them. @param first place of the first one in the text. */
  observeHidden(first: number, hidden: NDArray): void {
    for (const { session } of this.#sessions) session.observeHidden?.(first, hidden);
  }

  /** Learns from a step. @param tokens all tokens after it. */
  observe(outcome: StepOutcome, tokens: readonly number[]): void {
    for (const { session } of this.#sessions) session.observe?.(outcome);
    this.#learn(tokens, false);
  }

  /** Ends the text. @param tokens all of its tokens. */
  async close(tokens: readonly number[]): Promise<void> {
    this.#learn(tokens, true);
    for (const { session } of this.#sessions) await session.close?.();
  }

  /** Learns from proposals whose continuation is known to their full depth, or from all. */
  #learn(tokens: readonly number[], all: boolean): void {
    this.#waiting = this.#waiting.filter(({ tree, at, depth }) => {
      if (!all && tokens.length < at + depth) return true;
      this.#calibration.learn(tree, tokens.slice(at, at + depth));
      return false;
    });
  }
}

/** Steps that cost the same whatever they check: the likeliest nodes are then taken up to the limit. */
const free = { milliseconds: () => 1 };

/** Greedy texts have no distributions to preserve, so that every rule comes down to `match`. */
function effectiveVerifier(setup: Speculation, sampling: SamplingOptions): Verifier {
  return (sampling.temperature ?? 0) === 0 ? matchVerifier : (setup.verifier ?? matchVerifier);
}

/**
 * Checks that the parts of a setup fit each other.
 * @throws `argument` for a verifier that is not exact for a drafter, for several drafters under a verifier that needs their
 * distributions, and for an impossible size.
 */
export function checkSpeculation({ drafters, verifier = matchVerifier, size = "planned" }: Speculation): void {
  for (const drafter of drafters) checkCompatible(drafter, verifier);
  if (verifier !== matchVerifier && drafters.length > 1)
    fail(
      "argument",
      `verifier "${verifier.name}" needs the distributions of one drafter, and ${drafters.length} were given: ${drafters.map(({ name }) => name).join(", ")}; use one, or the verifier "match"`,
    );
  if (typeof size === "number" && !(Number.isInteger(size) && size >= 1 && size <= mostNodes))
    fail("argument", `size is ${size}; a draft has 1 to ${mostNodes} nodes`);
}

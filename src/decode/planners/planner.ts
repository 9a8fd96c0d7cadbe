/**
 * What planners have in common: a problem in, programs with their rewards out. A planner knows token ids and what a reward says of a whole
 * program, and neither a tokenizer nor what the reward is about.
 */
import { fail } from "../../util/errors.ts";
import type { PrefixModel } from "./prefix-model.ts";

/** A continuation of the prompt that is complete, or was cut. */
export interface CompleteProgram {
  /** Tokens after the prompt, without the one that ends it. */
  readonly tokens: readonly number[];
  /** Whether it ended by itself; otherwise it was cut at the horizon. */
  readonly finished: boolean;
}

/** How good a program is; larger is better. The same program must always get the same number. */
export type Reward = (program: CompleteProgram) => number | Promise<number>;

/** When a search ends, at the latest. */
export interface PlanningLimits {
  /** Rounds of the search; 5,000 by default. */
  readonly rollouts?: number;
  /** Programs that the model had to write to their end, wherever they began; 768 by default. */
  readonly generations?: number;
  /** Time by the clock; not limited by default. */
  readonly milliseconds?: number;
}

/** What is to be planned. */
export interface PlanningProblem {
  readonly model: PrefixModel;
  readonly prompt: readonly number[];
  /** Tokens that end a program. */
  readonly ends: ReadonlySet<number>;
  readonly reward: Reward;
  /** Most tokens of a program, the one that ends it included; the prompt does not count. */
  readonly horizon: number;
  readonly limits?: PlanningLimits;
  /** A reward that needs no improvement: the search ends with the first program that has it. 1 by default; `Infinity` to search on. */
  readonly enough?: number;
  readonly signal?: AbortSignal;
}

/** A program that was found. */
export interface PlannedProgram extends CompleteProgram {
  readonly reward: number;
  /** Generations made until it was there, its own included. */
  readonly generation: number;
  /** Tokens generated until then. */
  readonly generatedTokens: number;
}

/** What a plan took. */
export interface PlanningStatistics {
  readonly rollouts: number;
  readonly generations: number;
  /** Tokens that were chosen while programs were written, by a step of the model each. */
  readonly generatedTokens: number;
  /** Distributions that the model was asked for. */
  readonly modelSteps: number;
  /** Distributions, for new nodes and on the way of completions, that were known already. */
  readonly topTokenHits: number;
  /** Completions that were known already, to their end. */
  readonly completionHits: number;
  /** Rollouts whose program had been seen before, so that its reward was known. */
  readonly rewardHits: number;
  /** Microseconds of a rollout that are neither the model's nor the reward's; 0 for planners without a tree. */
  readonly searchMicroseconds: number;
}

/** What a planner found. */
export interface PlanningResult {
  /** The program with the highest reward, the first of them on ties. */
  readonly best: PlannedProgram;
  /** Every program that was seen, once, in the order in which they were found. */
  readonly programs: readonly PlannedProgram[];
  /** The program of each rollout, as its place in `programs`. */
  readonly rollouts: readonly number[];
  readonly statistics: PlanningStatistics;
}

/** Searches for a program with a high reward. */
export interface Planner {
  readonly name: string;
  /**
   * Plans. @throws `argument` for an impossible problem or a reward that is no number, `aborted`, and what model and reward throw.
   */
  plan(problem: PlanningProblem): Promise<PlanningResult>;
}

/** @throws `argument` naming what is impossible about a problem. */
export function checkProblem({ prompt, horizon, limits = {}, enough = 1 }: PlanningProblem): void {
  if (!prompt.length) fail("argument", "the prompt is empty; give it at least one token");
  if (!Number.isSafeInteger(horizon) || horizon < 1)
    fail("argument", `the horizon is ${horizon}; it must be a whole number of at least 1`);
  for (const [name, value] of Object.entries(limits))
    if (value !== undefined && !(value >= 1)) fail("argument", `limits.${name} is ${value}; it must be at least 1`);
  if (Number.isNaN(enough)) fail("argument", "enough is NaN; give the reward that needs no improvement, or Infinity");
}

/** @throws `argument` when an option is not a whole number of at least 1. */
export function checkCounts(options: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(options))
    if (!Number.isSafeInteger(value) || value < 1)
      fail("argument", `${name} is ${value}; it must be a whole number of at least 1`);
}

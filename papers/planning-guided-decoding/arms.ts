/**
 * The ways of finding a program that are compared, and what each of them finds for a task under every budget.
 */
import {
  BranchingModel,
  beamPlanner,
  greedyPlanner,
  type Planner,
  type PlanningResult,
  type PrefixModel,
  passRate,
  planningGuided,
  populationPlanner,
  type Reward,
  type Sandbox,
  samplingPlanner,
  testReward,
} from "bletchley/decode";
import type { SequenceModel } from "bletchley/lm";
import type { PipelineTask } from "./pipelines.ts";
import type { Words } from "./words.ts";

/** Budgets in generations. */
export const budgets: readonly number[] = [4, 8, 16, 32];

/** Most tokens of a program. */
export const horizon = 72;

/** What all arms work with. */
export interface Workshop {
  readonly model: SequenceModel;
  readonly words: Words;
  readonly sandbox: Sandbox;
  readonly seed: number;
  readonly signal: AbortSignal;
}

/** What an arm found for a task, of the private tests, under each budget. */
export interface ArmRecord {
  /** Share of private tests that the answer passes, by budget. */
  readonly rates: readonly number[];
  /** Whether the answer passes all public tests, by budget. */
  readonly passesPublic: readonly boolean[];
  /** Tokens of the last budget's answer. */
  readonly length: number;
  /** Generations and generated tokens until the first program that passes all public tests; `null` without one. */
  readonly generationsToPass: number | null;
  readonly tokensToPass: number | null;
  readonly modelSteps: number;
  readonly topTokenHits: number;
  readonly completionHits: number;
  readonly rollouts: number;
  readonly searchMicroseconds: number;
}

/** Arms by name; drawing arms get another seed for every task. */
export const arms: Readonly<Record<string, (seed: number) => Planner>> = {
  greedy: () => greedyPlanner(),
  "beam 5 + filter": () => beamPlanner(5),
  "sampling + filter": (seed) => samplingPlanner({ temperature: 0.8, seed }),
  "SMCG-TD": (seed) => populationPlanner({ population: 8, seed }),
  "PG-TD": () => planningGuided(),
  "PG-TD, uniform priors": () => planningGuided({ priors: "uniform" }),
  "PG-TD, joined tokens": () => planningGuided({ joinAbove: 0.99 }),
};

/** A model that answers from memory what it was asked before: for arms that ask the same of one task. */
export function remembering(model: PrefixModel): PrefixModel {
  const known = new Map<string, Float32Array>();
  return {
    async logits(tokens) {
      const key = tokens.join();
      let logits = known.get(key);
      if (!logits) {
        logits = await model.logits(tokens);
        known.set(key, logits);
      }
      return logits.slice();
    },
  };
}

/** The reward of a task: its public tests. */
export function publicReward({ words, sandbox }: Workshop, task: PipelineTask): Reward {
  const source = (tokens: readonly number[]) => words.source(tokens);
  return testReward({ sandbox, source, name: "f", tests: task.publicTests });
}

/** A problem for a planner. */
export function problemOf(workshop: Workshop, task: PipelineTask, model: PrefixModel, reward: Reward) {
  const { words, signal } = workshop;
  return { model, prompt: words.encode(task.prompt), ends: new Set([words.end]), horizon, reward, signal };
}

/** Share of private tests that a program passes. */
export async function privateRate(
  { words, sandbox }: Workshop,
  task: PipelineTask,
  tokens: readonly number[],
): Promise<number> {
  return passRate(sandbox, words.source(tokens), "f", task.privateTests);
}

/** The answer of a plan under a budget: the best program among those found by then, the first on ties. */
function answerOf({ programs }: PlanningResult, budget: number) {
  return programs
    .filter(({ generation }) => generation <= budget)
    .reduce((best, program) => (program.reward > best.reward ? program : best));
}

async function recordOf(workshop: Workshop, task: PipelineTask, plan: PlanningResult): Promise<ArmRecord> {
  // a beam is a single search, whatever the budget
  const answers = budgets.map((budget) => answerOf(plan, Math.max(budget, plan.programs[0]!.generation)));
  const rates: number[] = [];
  for (const { tokens, finished } of answers) rates.push(finished ? await privateRate(workshop, task, tokens) : 0);
  const passing = plan.programs.find(({ reward }) => reward >= 1);
  const { modelSteps, topTokenHits, completionHits, rollouts, searchMicroseconds } = plan.statistics;
  return {
    rates,
    passesPublic: answers.map(({ reward }) => reward >= 1),
    length: answers[answers.length - 1]!.tokens.length,
    generationsToPass: passing?.generation ?? null,
    tokensToPass: passing?.generatedTokens ?? null,
    modelSteps,
    topTokenHits,
    completionHits,
    rollouts,
    searchMicroseconds,
  };
}

/** Plans every task with every arm. @returns records by arm, in the order of the tasks. */
export async function compareArms(
  workshop: Workshop,
  tasks: readonly PipelineTask[],
  onTask: (done: number) => void,
): Promise<Record<string, ArmRecord[]>> {
  const records: Record<string, ArmRecord[]> = Object.fromEntries(Object.keys(arms).map((name) => [name, []]));
  const branching = new BranchingModel(workshop.model);
  try {
    for (const [i, task] of tasks.entries()) {
      const model = remembering(branching);
      const problem = problemOf(workshop, task, model, publicReward(workshop, task));
      for (const [name, planner] of Object.entries(arms)) {
        const limits = { generations: budgets[budgets.length - 1]!, rollouts: 1000 };
        const plan = await planner(workshop.seed + i).plan({ ...problem, limits });
        records[name]!.push(await recordOf(workshop, task, plan));
      }
      onTask(i + 1);
    }
  } finally {
    await branching.close();
  }
  return records;
}

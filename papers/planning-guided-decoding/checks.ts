/**
 * What must hold of the search itself: caches change nothing, and it finds what enumeration finds.
 */
import { BranchingModel, type PlanningResult, passRate, planningGuided } from "bletchley/decode";
import { type ArmRecord, privateRate, problemOf, publicReward, remembering, type Workshop } from "./arms.ts";
import type { PipelineTask } from "./pipelines.ts";

/** What the search does with and without its caches. */
export interface CacheCheck {
  /** Tasks where a rollout has another program. */
  readonly differing: number;
  readonly stepsWith: number;
  readonly stepsWithout: number;
}

const rolloutsOf = ({ programs, rollouts }: PlanningResult) => rollouts.map((i) => programs[i]!.tokens.join());

/** Searches every task twice, the model asked anew for everything that is not in the search's own caches. */
export async function checkCaches(
  workshop: Workshop,
  tasks: readonly PipelineTask[],
  rollouts: number,
  onTask: (done: number) => void,
): Promise<CacheCheck> {
  let differing = 0;
  let stepsWith = 0;
  let stepsWithout = 0;
  const [one, other] = [new BranchingModel(workshop.model), new BranchingModel(workshop.model)];
  try {
    for (const [i, task] of tasks.entries()) {
      const reward = publicReward(workshop, task);
      const limits = { rollouts, generations: Number.POSITIVE_INFINITY };
      const a = await planningGuided().plan({ ...problemOf(workshop, task, one, reward), limits });
      const b = await planningGuided({ caches: false }).plan({ ...problemOf(workshop, task, other, reward), limits });
      if (rolloutsOf(a).join(";") !== rolloutsOf(b).join(";")) differing++;
      stepsWith += a.statistics.modelSteps;
      stepsWithout += b.statistics.modelSteps;
      onTask(i + 1);
    }
  } finally {
    await one.close();
    await other.close();
  }
  return { differing, stepsWith, stepsWithout };
}

/** How often the search finds what is there to be found. */
export interface EnumerationCheck {
  /** Tasks where one of the line's meanings passes all public tests. */
  readonly solvable: number;
  /** Those of them for which the search found a program that does: with joined tokens, and with a node for each token. */
  readonly joined: number;
  readonly single: number;
}

/** Compares the search with trying every meaning of the line. */
export async function checkAgainstEnumeration(
  workshop: Workshop,
  tasks: readonly PipelineTask[],
  rollouts: number,
  onTask: (done: number) => void,
): Promise<EnumerationCheck> {
  const { words, sandbox } = workshop;
  let solvable = 0;
  const found = { joined: 0, single: 0 };
  const branching = new BranchingModel(workshop.model);
  try {
    for (const [i, task] of tasks.entries()) {
      let exists = false;
      for (const meaning of task.meanings)
        exists ||= (await passRate(sandbox, words.source(words.encode(meaning)), "f", task.publicTests)) === 1;
      if (exists) {
        solvable++;
        const limits = { rollouts, generations: Number.POSITIVE_INFINITY };
        const problem = problemOf(workshop, task, remembering(branching), publicReward(workshop, task));
        for (const way of ["joined", "single"] as const) {
          const planner = planningGuided({ branches: 4, ...(way === "joined" && { joinAbove: 0.99 }) });
          if ((await planner.plan({ ...problem, limits })).best.reward === 1) found[way]++;
        }
      }
      onTask(i + 1);
    }
  } finally {
    await branching.close();
  }
  return { solvable, ...found };
}

/** Programs that a longer or a shorter objective leads to. */
export interface LengthCheck {
  readonly plain: Pick<ArmRecord, "length"> & { readonly strict: number };
  readonly brief: Pick<ArmRecord, "length"> & { readonly strict: number };
}

/** Searches every task for programs that pass, and for programs that pass and are short. @returns means. */
export async function checkBrevity(
  workshop: Workshop,
  tasks: readonly PipelineTask[],
  generations: number,
  withBrevity: (reward: ReturnType<typeof publicReward>) => ReturnType<typeof publicReward>,
): Promise<LengthCheck> {
  const sums = [
    { length: 0, strict: 0 },
    { length: 0, strict: 0 },
  ];
  const branching = new BranchingModel(workshop.model);
  try {
    for (const task of tasks) {
      const model = remembering(branching);
      const reward = publicReward(workshop, task);
      for (const [which, objective] of [reward, withBrevity(reward)].entries()) {
        const problem = problemOf(workshop, task, model, objective);
        const { best } = await planningGuided().plan({
          ...problem,
          enough: Number.POSITIVE_INFINITY,
          limits: { generations, rollouts: 1000 },
        });
        sums[which]!.length += best.tokens.length / tasks.length;
        if ((await privateRate(workshop, task, best.tokens)) === 1) sums[which]!.strict += 1 / tasks.length;
      }
    }
  } finally {
    await branching.close();
  }
  return { plain: sums[0]!, brief: sums[1]! };
}

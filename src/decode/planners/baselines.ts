/**
 * Planners without a tree, to compare with: greedy decoding, beam search and sampling with a filter, and a population of programs
 * (SMCG-TD). They count generations as tree search does, so that budgets are the same.
 */
import { fail } from "../../util/errors.ts";
import { Random } from "../../util/random.ts";
import { Sampler } from "../sampler.ts";
import { beamSearch, Continuations } from "./continuations.ts";
import { Ledger } from "./ledger.ts";
import { checkCounts, checkProblem, type Planner } from "./planner.ts";

/** The program that the model writes with its likeliest tokens. */
export function greedyPlanner(): Planner {
  return {
    name: "greedy",
    async plan(problem) {
      checkProblem(problem);
      const continuations = new Continuations(problem, { count: 1, beam: 1, caches: true });
      const ledger = new Ledger(problem, continuations);
      await ledger.evaluate(await continuations.complete([]));
      return ledger.result();
    },
  };
}

/** The likeliest programs that a beam finds, all of them tried. Limits other than `enough` do not apply. */
export function beamPlanner(width = 5): Planner {
  checkCounts({ width });
  return {
    name: `beam ${width}`,
    async plan(problem) {
      checkProblem(problem);
      const continuations = new Continuations(problem, { count: width, beam: width, caches: false });
      const ledger = new Ledger(problem, continuations);
      const programs = await beamSearch(continuations, [], width);
      // each step of the model made one token of one of the programs
      continuations.generatedTokens = continuations.modelSteps;
      for (const program of programs) {
        continuations.generations++;
        await ledger.evaluate(program);
      }
      return ledger.result();
    },
  };
}

/** Programs drawn one by one, the best of them taken. */
export function samplingPlanner(options: { readonly temperature?: number; readonly seed?: number } = {}): Planner {
  const { temperature = 0.8, seed = 0 } = options;
  if (!(temperature > 0)) fail("argument", `temperature is ${temperature}; drawing programs needs one above 0`);
  return {
    name: "sampling",
    async plan(problem) {
      checkProblem(problem);
      const continuations = new Continuations(problem, { count: 1, beam: 1, caches: false });
      const ledger = new Ledger(problem, continuations);
      const sampler = new Sampler({ temperature, seed });
      while (!ledger.over) {
        const program: number[] = [];
        while (!continuations.isTerminal(program)) {
          program.push(sampler.sample(await continuations.logits(program)));
          continuations.generatedTokens++;
        }
        continuations.generations++;
        await ledger.evaluate(continuations.asComplete(program));
      }
      return ledger.result();
    },
  };
}

/** How a population of programs grows. */
export interface PopulationOptions {
  /** Programs at a time; 8 by default. */
  readonly population?: number;
  /** Of the draws; 1 by default. */
  readonly temperature?: number;
  readonly seed?: number;
}

/**
 * Sequential Monte-Carlo guided decoding (SMCG-TD): each program of a population grows by a drawn token, is judged by its greedy
 * completion, and is copied or dropped in proportion to that. When all have ended another population begins, until a limit is met.
 */
export function populationPlanner(options: PopulationOptions = {}): Planner {
  const { population = 8, temperature = 1, seed = 0 } = options;
  checkCounts({ population });
  if (!(temperature > 0)) fail("argument", `temperature is ${temperature}; drawing tokens needs one above 0`);
  return {
    name: `population of ${population}`,
    async plan(problem) {
      checkProblem(problem);
      const continuations = new Continuations(problem, { count: 1, beam: 1, caches: true });
      const ledger = new Ledger(problem, continuations);
      const sampler = new Sampler({ temperature, seed });
      const random = new Random(seed, 1);
      while (!ledger.over) {
        let programs: (readonly number[])[] = Array.from({ length: population }, () => []);
        while (!ledger.over && programs.some((program) => !continuations.isTerminal(program))) {
          const grown: (readonly number[])[] = [];
          const rewards: number[] = [];
          for (const program of programs) {
            if (ledger.over) break;
            if (continuations.isTerminal(program)) grown.push(program);
            else {
              grown.push([...program, sampler.sample(await continuations.logits(program))]);
              continuations.generatedTokens++;
            }
            rewards.push(await ledger.evaluate(await continuations.complete(grown[grown.length - 1]!)));
          }
          programs = resample(grown, rewards, random);
        }
      }
      return ledger.result();
    },
  };
}

/** As many programs as before, drawn in proportion to their rewards; all alike when no reward is positive. */
function resample(
  programs: readonly (readonly number[])[],
  rewards: readonly number[],
  random: Random,
): (readonly number[])[] {
  const total = rewards.reduce((sum, reward) => sum + Math.max(reward, 0), 0);
  if (!(total > 0)) return [...programs];
  return programs.map(() => {
    let rest = random.next() * total;
    for (const [i, program] of programs.entries()) {
      rest -= Math.max(rewards[i]!, 0);
      if (rest < 0) return program;
    }
    return programs[programs.length - 1]!;
  });
}

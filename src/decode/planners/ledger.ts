/**
 * The programs that a planner has seen: each one's reward is asked for once. Says when a search is over.
 */
import { fail, throwIfAborted } from "../../util/errors.ts";
import type { Continuations } from "./continuations.ts";
import type { CompleteProgram, PlannedProgram, PlanningProblem, PlanningResult } from "./planner.ts";

/** Programs of one problem with their rewards. */
export class Ledger {
  readonly #problem: PlanningProblem;
  readonly #continuations: Continuations;
  readonly #places = new Map<string, number>();
  readonly #programs: PlannedProgram[] = [];
  readonly #rollouts: number[] = [];
  readonly #started = performance.now();
  #rewardHits = 0;
  #best = -1;
  /** Microseconds that the search itself has taken. */
  searchMicroseconds = 0;

  constructor(problem: PlanningProblem, continuations: Continuations) {
    this.#problem = problem;
    this.#continuations = continuations;
  }

  /** Whether the search has to end. */
  get over(): boolean {
    const { limits = {}, enough = 1 } = this.#problem;
    const { rollouts = 5000, generations = 768, milliseconds = Number.POSITIVE_INFINITY } = limits;
    return (
      (this.#best >= 0 && this.#programs[this.#best]!.reward >= enough) ||
      this.#rollouts.length >= rollouts ||
      this.#continuations.generations >= generations ||
      performance.now() - this.#started >= milliseconds
    );
  }

  /** Takes the program of a rollout. @returns its reward. */
  async evaluate(program: CompleteProgram): Promise<number> {
    throwIfAborted(this.#problem.signal);
    const key = `${program.tokens.join()}${program.finished ? "." : ""}`;
    let place = this.#places.get(key);
    if (place === undefined) {
      const reward = await this.#problem.reward(program);
      if (typeof reward !== "number" || Number.isNaN(reward))
        fail(
          "argument",
          `the reward of a program of ${program.tokens.length} tokens is ${reward}; it must be a number`,
        );
      place = this.#programs.length;
      const { generations, generatedTokens } = this.#continuations;
      this.#programs.push({ ...program, reward, generation: generations, generatedTokens });
      this.#places.set(key, place);
      if (this.#best < 0 || reward > this.#programs[this.#best]!.reward) this.#best = place;
    } else this.#rewardHits++;
    this.#rollouts.push(place);
    return this.#programs[place]!.reward;
  }

  /** All that was found. */
  result(): PlanningResult {
    const { generations, generatedTokens, modelSteps, topTokenHits, completionHits } = this.#continuations;
    return {
      best: this.#programs[this.#best] ?? fail("internal", "a plan without a program"),
      programs: this.#programs,
      rollouts: this.#rollouts,
      statistics: {
        rollouts: this.#rollouts.length,
        generations,
        generatedTokens,
        modelSteps,
        topTokenHits,
        completionHits,
        rewardHits: this.#rewardHits,
        searchMicroseconds: this.searchMicroseconds / Math.max(1, this.#rollouts.length),
      },
    };
  }
}

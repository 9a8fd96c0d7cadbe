/**
 * Learning rates over time. A schedule is a plain function of the step's number, so that it can be drawn, tested and resumed.
 */
import { fail } from "../util/errors.ts";
import { checkNotNegative } from "./check-options.ts";

/** Learning rate of a step that counts from 0. */
export type Schedule = (step: number) => number;

/** Options of {@link schedule}. */
export interface ScheduleOptions {
  /** How it falls after the warm-up; `constant` by default. */
  readonly decay?: "constant" | "linear" | "polynomial" | "cosine";
  /** Exponent of `polynomial` decay; 0.9 by default, which is usual in segmentation. */
  readonly power?: number;
  /** Rate at the end of the warm-up. */
  readonly base: number;
  /** Rate at the end; 0 by default. */
  readonly minimum?: number;
  /** Steps in which the rate rises from 0; 0 by default. */
  readonly warmupSteps?: number;
  /** Step at which the minimum is reached; needed by all but `constant`. */
  readonly totalSteps?: number;
}

/** Warm-up and decay. @throws `argument` when the warm-up does not end before the decay does. */
export function schedule(options: ScheduleOptions): Schedule {
  const { decay = "constant", base, minimum = 0, warmupSteps = 0, totalSteps = Number.POSITIVE_INFINITY } = options;
  const { power = 0.9 } = options;
  checkNotNegative("schedule", { base, minimum, power });
  if (decay !== "constant" && !Number.isFinite(totalSteps))
    fail("argument", `schedule: ${decay} decay needs totalSteps`);
  if (!(warmupSteps >= 0 && warmupSteps < totalSteps))
    fail("argument", `schedule: a warm-up of ${warmupSteps} steps does not fit into ${totalSteps} steps`);
  return (step) => {
    if (step < warmupSteps) return (base * step) / warmupSteps;
    if (decay === "constant") return base;
    const x = Math.min(1, (step - warmupSteps) / (totalSteps - warmupSteps));
    if (decay === "cosine") return minimum + ((base - minimum) * (1 + Math.cos(Math.PI * x))) / 2;
    return minimum + (base - minimum) * (decay === "linear" ? 1 - x : (1 - x) ** power);
  };
}

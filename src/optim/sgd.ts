/**
 * Stochastic gradient descent, plain or with momentum (Sutskever et al. 2013), as PyTorch defines it.
 */
import { fail } from "../util/errors.ts";
import { checkNotNegative } from "./check-options.ts";
import type { Optimizer, OptimizerOutput } from "./optimizer.ts";

/** Options of {@link sgd}. */
export interface SgdOptions {
  /** Weight of the past direction; 0 by default. */
  readonly momentum?: number;
  /** How much less a new gradient counts, from the second step on; 0 by default. */
  readonly dampening?: number;
  /** Look ahead by one step of momentum. */
  readonly nesterov?: boolean;
  /** Added to the gradient, times the parameter; 0 by default. */
  readonly weightDecay?: number;
}

/** Gradient descent. @throws `argument` for Nesterov's variant without momentum or with dampening. */
export function sgd(options: SgdOptions = {}): Optimizer {
  const { momentum = 0, dampening = 0, nesterov = false, weightDecay = 0 } = options;
  checkNotNegative("sgd", { momentum, dampening, weightDecay });
  if (nesterov && (momentum <= 0 || dampening !== 0))
    fail("argument", `sgd: nesterov needs momentum above 0 and no dampening, got ${momentum} and ${dampening}`);
  return {
    name: "sgd",
    slots: momentum ? ["velocity"] : [],
    // the first gradient is taken whole
    scalars: (step): Readonly<Record<string, number>> =>
      momentum && dampening ? { share: step === 1 ? 1 : 1 - dampening } : {},
    update({ value, gradient, state, learningRate, scalars }): OptimizerOutput {
      const direction = weightDecay ? gradient.add(value.mul(weightDecay)) : gradient;
      if (!momentum) return { value: value.sub(direction.mul(learningRate)), state: {} };
      const taken = scalars.share ? direction.mul(scalars.share) : direction;
      const velocity = state.velocity!.mul(momentum).add(taken);
      const applied = nesterov ? direction.add(velocity.mul(momentum)) : velocity;
      return { value: value.sub(applied.mul(learningRate)), state: { velocity } };
    },
  };
}

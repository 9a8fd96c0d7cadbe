/**
 * Lion (Chen et al. 2023): the sign of an interpolated momentum, which needs one slot only.
 */
import { sign } from "../tensor/index.ts";
import { checkBetas, checkNotNegative } from "./check-options.ts";
import type { Optimizer } from "./optimizer.ts";

/** Options of {@link lion}. */
export interface LionOptions {
  /** Weight of the momentum in the direction, and its own decay; 0.9 and 0.99 by default. */
  readonly betas?: readonly [direction: number, decay: number];
  /** Taken from the parameter, times the learning rate; 0 by default. */
  readonly weightDecay?: number;
}

/** Lion. Its learning rate wants to be three to ten times smaller than AdamW's. */
export function lion(options: LionOptions = {}): Optimizer {
  const { betas = [0.9, 0.99], weightDecay = 0 } = options;
  checkBetas("lion", betas);
  checkNotNegative("lion", { weightDecay });
  const [direction, decay] = betas;
  return {
    name: "lion",
    slots: ["momentum"],
    scalars: () => ({}),
    update({ value, gradient, state, learningRate }) {
      const before = state.momentum!;
      const heading = sign(before.mul(direction).add(gradient.mul(1 - direction)));
      const step = weightDecay ? heading.add(value.mul(weightDecay)) : heading;
      return {
        value: value.sub(step.mul(learningRate)),
        state: { momentum: before.mul(decay).add(gradient.mul(1 - decay)) },
      };
    },
  };
}

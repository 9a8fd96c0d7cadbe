/**
 * Adam (Kingma and Ba 2015), and AdamW, whose decay does not pass through the moments (Loshchilov and Hutter 2019).
 */
import { sqrt } from "../tensor/index.ts";
import { checkBetas, checkNotNegative } from "./check-options.ts";
import type { Optimizer } from "./optimizer.ts";

/** Options of {@link adam} and {@link adamW}. */
export interface AdamOptions {
  /** Decay of the first and second moment; 0.9 and 0.999 by default. */
  readonly betas?: readonly [first: number, second: number];
  /** Added to the root of the second moment; 1e-8 by default. */
  readonly epsilon?: number;
  /** Of {@link adam} added to the gradient, of {@link adamW} taken from the parameter, times the learning rate. */
  readonly weightDecay?: number;
}

function adamLike(name: string, options: AdamOptions, decoupled: boolean): Optimizer {
  const { betas = [0.9, 0.999], epsilon = 1e-8, weightDecay = 0 } = options;
  checkBetas(name, betas);
  checkNotNegative(name, { epsilon, weightDecay });
  const [first, second] = betas;
  return {
    name,
    slots: ["mean", "square"],
    scalars: (step) => ({
      // what the moments lack because they began as zeros
      meanScale: 1 / (1 - first ** step),
      rootScale: 1 / Math.sqrt(1 - second ** step),
    }),
    update({ value, gradient, state, learningRate, scalars }) {
      const slope = weightDecay && !decoupled ? gradient.add(value.mul(weightDecay)) : gradient;
      const mean = state.mean!.mul(first).add(slope.mul(1 - first));
      const square = state.square!.mul(second).add(slope.mul(slope).mul(1 - second));
      const step = mean
        .mul(scalars.meanScale!.mul(learningRate))
        .div(sqrt(square).mul(scalars.rootScale!).add(epsilon));
      const kept = weightDecay && decoupled ? value.sub(value.mul(learningRate.mul(weightDecay))) : value;
      return { value: kept.sub(step), state: { mean, square } };
    },
  };
}

/** Adam; `weightDecay` is 0 by default. */
export function adam(options: AdamOptions = {}): Optimizer {
  return adamLike("adam", options, false);
}

/** AdamW; `weightDecay` is 0.01 by default. */
export function adamW(options: AdamOptions = {}): Optimizer {
  return adamLike("adamW", { weightDecay: 0.01, ...options }, true);
}

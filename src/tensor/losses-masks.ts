/**
 * Losses of segmentation and detection: overlap of masks, and cross entropy that looks at hard examples.
 */
import { sigmoid } from "./activations.ts";
import { sum } from "./broadcast.ts";
import { add, div, mul, sub } from "./elementwise.ts";
import { pow, square } from "./functions.ts";
import { type LossReduction, reduceLoss } from "./losses.ts";
import { binaryCrossEntropyWithLogits } from "./losses-regression.ts";
import { mean } from "./reduce.ts";
import { slice } from "./slice.ts";
import { softmax } from "./softmax.ts";
import type { Tensor } from "./tensor.ts";

/** Options of {@link diceLoss}. */
export interface DiceOptions {
  /** How logits become probabilities; `softmax` is over the channels. `sigmoid` by default. */
  readonly activation?: "sigmoid" | "softmax";
  /** Added to numerator and denominator; 1 by default. */
  readonly smooth?: number;
  /** Square probabilities and targets in the denominator. */
  readonly squared?: boolean;
  /** Whether channel 0, where it is the background, counts in the mean; true by default. */
  readonly includeBackground?: boolean;
}

/** 1 − the mean Dice overlap of samples and channels (Milletari et al. 2016); both `[batch, channels, …space]`. */
export function diceLoss(logits: Tensor, target: Tensor, options: DiceOptions = {}): Tensor {
  const { activation = "sigmoid", smooth = 1, squared = false, includeBackground = true } = options;
  const p = activation === "softmax" ? softmax(logits, 1) : sigmoid(logits);
  const space = logits.shape.flatMap((_, i) => (i < 2 ? [] : [i]));
  const size = (x: Tensor) => sum(squared ? square(x) : x, space);
  const overlap = add(mul(sum(mul(p, target), space), 2), smooth);
  const dice = div(overlap, add(add(size(p), size(target)), smooth));
  return sub(1, mean(includeBackground ? dice : slice(dice, { axis: 1, start: 1 })));
}

/**
 * Focal loss (Lin et al. 2017): binary cross entropy times `α_t (1 − p_t)^γ`, where p_t is the probability given to the
 * label and α_t is `alpha` for positive labels, 1 − `alpha` for others.
 */
export function sigmoidFocalLoss(
  logits: Tensor,
  target: Tensor,
  options: { readonly alpha?: number; readonly gamma?: number; readonly reduction?: LossReduction } = {},
): Tensor {
  const { alpha = 0.25, gamma = 2, reduction = "mean" } = options;
  const p = sigmoid(logits);
  const missed = add(mul(target, sub(1, p)), mul(sub(1, target), p));
  const balance = add(mul(target, 2 * alpha - 1), 1 - alpha);
  const losses = binaryCrossEntropyWithLogits(logits, target, { reduction: "none" });
  return reduceLoss(mul(mul(balance, pow(missed, gamma)), losses), reduction);
}

/**
 * Losses element by element: squared, absolute and clipped errors, binary cross entropy.
 */

import { softplus } from "./activations.ts";
import { less, where } from "./compare.ts";
import { add, mul, sub } from "./elementwise.ts";
import { abs, square } from "./functions.ts";
import { type LossReduction, reduceLoss } from "./losses.ts";
import type { Tensor } from "./tensor.ts";

/** (x − target)². */
export function meanSquaredError(x: Tensor, target: Tensor, reduction: LossReduction = "mean"): Tensor {
  return reduceLoss(square(sub(x, target)), reduction);
}

/** |x − target|. */
export function meanAbsoluteError(x: Tensor, target: Tensor, reduction: LossReduction = "mean"): Tensor {
  return reduceLoss(abs(sub(x, target)), reduction);
}

/** Huber's loss (1964): d² / 2 where |d| < `delta`, else `delta` · (|d| − `delta` / 2). */
export function huber(x: Tensor, target: Tensor, delta = 1, reduction: LossReduction = "mean"): Tensor {
  const distance = abs(sub(x, target));
  const near = mul(square(distance), 0.5);
  const far = mul(sub(distance, delta / 2), delta);
  return reduceLoss(where(less(distance, delta), near, far), reduction);
}

/** d² / (2 `beta`) where |d| < `beta`, else |d| − `beta` / 2 (Girshick 2015). */
export function smoothL1(x: Tensor, target: Tensor, beta = 1, reduction: LossReduction = "mean"): Tensor {
  const losses = mul(huber(x, target, beta, "none"), 1 / beta);
  return reduceLoss(losses, reduction);
}

/** Options of {@link binaryCrossEntropyWithLogits}. */
export interface BinaryCrossEntropyOptions {
  /** `mean` by default; it divides by the number of elements whatever their weights. */
  readonly reduction?: LossReduction;
  /** Factor on each loss. */
  readonly weight?: Tensor;
  /** Factor on the part of positive labels. */
  readonly positiveWeight?: Tensor;
}

/** Cross entropy of `sigmoid(logits)` with labels between 0 and 1, without overflow. */
export function binaryCrossEntropyWithLogits(
  logits: Tensor,
  target: Tensor,
  options: BinaryCrossEntropyOptions = {},
): Tensor {
  const { reduction = "mean", weight, positiveWeight } = options;
  const missed = mul(target, softplus(mul(logits, -1)));
  const wrong = mul(sub(1, target), softplus(logits));
  const losses = add(positiveWeight ? mul(missed, positiveWeight) : missed, wrong);
  return reduceLoss(weight ? mul(losses, weight) : losses, reduction);
}

/**
 * Similarity of vectors, and the losses that train it.
 */

import { relu } from "./activations.ts";
import { range } from "./arrange.ts";
import { sum } from "./broadcast.ts";
import { add, div, mul, sub } from "./elementwise.ts";
import { maximum } from "./elementwise-extrema.ts";
import { crossEntropy, type LossReduction, reduceLoss } from "./losses.ts";
import { matmul, swapLast } from "./matmul.ts";
import { l2Normalize } from "./normalize.ts";
import { norm2 } from "./reduce.ts";
import type { Tensor } from "./tensor.ts";

/** Cosine of the angle between vectors along an axis, with broadcasting: `a · b / (max(|a|, ε) max(|b|, ε))`. */
export function cosineSimilarity(a: Tensor, b: Tensor, axis = -1, epsilon = 1e-8): Tensor {
  const length = (x: Tensor) => maximum(norm2(x, axis), epsilon);
  return div(sum(mul(a, b), axis), mul(length(a), length(b)));
}

/** `max(|anchor − positive| − |anchor − negative| + margin, 0)` for rows `[n, dim]` (Schroff et al. 2015). */
export function tripletMargin(
  anchor: Tensor,
  positive: Tensor,
  negative: Tensor,
  margin = 1,
  reduction: LossReduction = "mean",
): Tensor {
  const distance = (x: Tensor) => norm2(sub(anchor, x), -1);
  return reduceLoss(relu(add(sub(distance(positive), distance(negative)), margin)), reduction);
}

/**
 * Contrastive loss (van den Oord et al. 2018): cross entropy of cosine similarities over `temperature`, where row i of
 * `a` belongs to row i of `b`, both `[n, dim]`.
 * @param options `symmetric` averages it with the loss of `b` against `a` (Radford et al. 2021).
 */
export function infoNce(
  a: Tensor,
  b: Tensor,
  options: { readonly temperature?: number; readonly symmetric?: boolean } = {},
): Tensor {
  const { temperature = 0.07, symmetric = false } = options;
  const logits = div(matmul(l2Normalize(a), swapLast(l2Normalize(b))), temperature);
  const target = range(0, a.shape[0]!);
  const rows = crossEntropy(logits, target);
  return symmetric ? mul(add(rows, crossEntropy(swapLast(logits), target)), 0.5) : rows;
}

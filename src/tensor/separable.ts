/**
 * Linear maps along one axis, as matrix products: what resizing and uneven pooling are made of. Their gradients are products
 * with the transposed matrices.
 */
import type { NDArray } from "../util/ndarray.ts";
import { normalizeAxis, shapeSize } from "./dims.ts";
import { matmul } from "./matmul.ts";
import { reshape, transpose } from "./movement.ts";
import { constant, type Tensor } from "./tensor.ts";

/** Multiplies the elements along an axis with a constant matrix `[out, in]`; the axis changes from `in` to `out` elements. */
export function mapAxis(x: Tensor, matrix: NDArray, axis: number): Tensor {
  const at = normalizeAxis("mapAxis", axis, x.rank);
  const weights = constant(matrix);
  if (at === x.rank - 1) return matmul(x, transpose(weights));
  // everything behind the axis is columns
  const behind = x.shape.slice(at + 1);
  const columns = at === x.rank - 2 ? x : reshape(x, [...x.shape.slice(0, at + 1), shapeSize(behind)]);
  const y = matmul(weights, columns);
  return at === x.rank - 2 ? y : reshape(y, [...x.shape.slice(0, at), matrix.shape[0]!, ...behind]);
}

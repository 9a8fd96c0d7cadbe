/**
 * The reference form: float weights, transposed once so that the product reads them in order.
 */
import { matmul } from "../../tensor/index.ts";
import { NDArray } from "../../util/ndarray.ts";
import type { LinearScheme } from "./form.ts";

/** Swaps the axes of a row-major matrix, in tiles that stay in the cache. */
export function transposeMatrix<T extends Float32Array | Int8Array>(
  source: T,
  rows: number,
  columns: number,
  target: T,
): T {
  const tile = 32;
  for (let r0 = 0; r0 < rows; r0 += tile)
    for (let c0 = 0; c0 < columns; c0 += tile) {
      const r1 = Math.min(rows, r0 + tile);
      const c1 = Math.min(columns, c0 + tile);
      for (let r = r0; r < r1; r++) for (let c = c0; c < c1; c++) target[c * rows + r] = source[r * columns + c]!;
    }
  return target;
}

/** 32-bit float weights. */
export const float32: LinearScheme = {
  stored: ({ inFeatures, outFeatures }) => ({ weight: { dtype: "f32", shape: [inFeatures, outFeatures] } }),
  convert: ({ inFeatures, outFeatures }, weights) => ({
    weight: new NDArray(
      transposeMatrix(weights, outFeatures, inFeatures, new Float32Array(weights.length)),
      [inFeatures, outFeatures],
      "f32",
    ),
  }),
  kernel: (_, parameters) => ({ parameters, apply: (x) => matmul(x, parameters.weight!.tensor) }),
};

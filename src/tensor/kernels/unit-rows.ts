/**
 * Rows scaled to root-mean-square 1, with the factor that did it, in one node: what a product with integer rows needs to
 * bring every row into one fixed range, whatever its size.
 */
import { fail } from "../../util/errors.ts";
import { NDArray } from "../../util/ndarray.ts";
import { defineOp, type Tensor } from "../tensor.ts";

// only keeps rows of zeros from dividing by zero
const epsilon = 1e-30;

const ones = new Map<number, NDArray>();

/** A vector of ones; always the same array for one size, so that a graph holds it once. */
function onesOf(size: number): NDArray {
  const known = ones.get(size) ?? new NDArray(new Float32Array(size).fill(1), [size], "f32");
  ones.set(size, known);
  return known;
}

const unitRowsOp = defineOp({
  name: "unitRows",
  infer([x]) {
    if (x!.dtype !== "f32") fail("dtype", `unitRows: needs f32, got ${x!.dtype}; cast it first`);
    if (typeof x!.shape.at(-1) !== "number")
      fail("unsupported", `unitRows: the last axis must have a known size, not ${x!.shape.at(-1)}`);
    return [x!, { dtype: "f32", shape: [...x!.shape.slice(0, -1), 1] }];
  },
  lower(context, [x], { inputs }) {
    const weight = context.constant(onesOf(inputs[0]!.shape.at(-1) as number));
    const attributes = { axis: { int: -1 }, epsilon: { float: epsilon } };
    return context.nodes("SimplifiedLayerNormalization", [x!, weight], attributes, { outputs: 2 });
  },
  vjp: "none",
});

/**
 * Scales rows to root-mean-square 1, so that no element's size passes `√k`.
 * @param x `f32[…, k]`.
 * @returns the rows, and `1 / rms` of each, `f32[…, 1]`; rows of zeros stay zeros.
 */
export function unitRows(x: Tensor): [rows: Tensor, inverseRms: Tensor] {
  const [rows, inverse] = unitRowsOp([x], {});
  return [rows!, inverse!];
}

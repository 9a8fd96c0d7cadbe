/**
 * Products of unsigned 8-bit rows with signed 8-bit weight columns. Integer sums are exact, so a row's result cannot
 * depend on the rows beside it. No gradients: these are inference forms of weights that are trained in float.
 */
import { fail } from "../../util/errors.ts";
import { NDArray } from "../../util/ndarray.ts";
import { type Dim, shapeText } from "../dims.ts";
import { defineOp, type Tensor } from "../tensor.ts";

const quantizeRowsOp = defineOp<{ readonly perRow: boolean }>({
  name: "quantizeRows",
  infer([x, scale, zero], { perRow }) {
    const [n] = x!.shape;
    if ((perRow && x!.shape.length !== 2) || x!.dtype !== "f32")
      fail("shape", `quantizeRows: needs f32[n, k], got ${x!.dtype}${shapeText(x!.shape)}`);
    const wanted: Dim[] = perRow ? [n!] : [];
    if (String(scale!.shape) !== String(wanted) || String(zero!.shape) !== String(wanted))
      fail(
        "shape",
        `quantizeRows: scale ${shapeText(scale!.shape)} and zero point ${shapeText(zero!.shape)} should be ${shapeText(wanted)}`,
      );
    return [{ dtype: "u8", shape: x!.shape }];
  },
  lower: (context, inputs, { attributes: { perRow } }) => [
    context.node("QuantizeLinear", inputs, perRow ? { axis: { int: 0 } } : {}),
  ],
  vjp: "none",
});

/**
 * Rounds `x` to unsigned bytes: `round(x / scale) + zero`, saturating, ties to even.
 * @param scale `[n]` for one scale per row of `x` `[n, k]`, or a scalar for `x` of any shape. @param zero `u8`, of the scale's shape.
 */
export function quantizeRows(x: Tensor, scale: Tensor, zero: Tensor): Tensor {
  return quantizeRowsOp([x, scale, zero], { perRow: scale.rank === 1 })[0]!;
}

const dequantizeRowsOp = defineOp<{ readonly perRow: boolean }>({
  name: "dequantizeRows",
  infer([x, scale], { perRow }) {
    if (x!.dtype !== "u8" || scale!.shape.length !== Number(perRow))
      fail(
        "dtype",
        `dequantizeRows: needs u8 rows and one scale a row, got ${x!.dtype}${shapeText(x!.shape)}, ${shapeText(scale!.shape)}`,
      );
    return [{ dtype: "f32", shape: x!.shape }];
  },
  lower: (context, inputs, { attributes: { perRow } }) => [
    context.node("DequantizeLinear", inputs, perRow ? { axis: { int: 0 } } : {}),
  ],
  vjp: "none",
});

/** The values that bytes of {@link quantizeRows} stand for. */
export function dequantizeRows(x: Tensor, scale: Tensor, zero: Tensor): Tensor {
  return dequantizeRowsOp([x, scale, zero], { perRow: scale.rank === 1 })[0]!;
}

const integerMatmulOp = defineOp<{ readonly zero: number }>({
  name: "integerMatmul",
  infer([x, w, xScale, wScale]) {
    if (x!.dtype !== "u8" || w!.dtype !== "i8")
      fail("dtype", `integerMatmul: needs u8 rows and i8 weights, got ${x!.dtype} and ${w!.dtype}`);
    if (x!.shape.length < 2 || w!.shape.length !== 2 || x!.shape.at(-1) !== w!.shape[0])
      fail("shape", `integerMatmul: inner dimensions differ, ${shapeText(x!.shape)} × ${shapeText(w!.shape)}`);
    if (xScale!.shape.length || wScale!.shape[0] !== w!.shape[1])
      fail(
        "shape",
        `integerMatmul: needs a scalar and one scale per column of ${shapeText(w!.shape)}, got ${shapeText(xScale!.shape)} and ${shapeText(wScale!.shape)}`,
      );
    return [{ dtype: "f32", shape: [...x!.shape.slice(0, -1), w!.shape[1]!] }];
  },
  lower: (context, [x, w, xScale, wScale], { attributes: { zero } }) => [
    context.node(
      "MatMulIntegerToFloat",
      [x!, w!, xScale!, wScale!, context.constant(NDArray.scalar(zero, "u8"))],
      {},
      {
        domain: "com.microsoft",
      },
    ),
  ],
  vjp: "none",
});

/**
 * `(x − zero) × w · xScale · wScale` with exact integer sums.
 * @param x `u8[…, n, k]`. @param w `i8[k, m]`, constant. @param xScale scalar. @param wScale `[m]`, one per column.
 * @returns `f32[…, n, m]`
 */
export function integerMatmul(x: Tensor, w: Tensor, xScale: Tensor, wScale: Tensor, zero = 128): Tensor {
  return integerMatmulOp([x, w, xScale, wScale], { zero })[0]!;
}

/**
 * Signed 8-bit weights with one scale per output, times unsigned 8-bit activation rows. Rows can be carried in 16 bits, as a
 * coarse and a fine row of the same product, so that the weights are still read only once. Integer sums make a row's
 * result independent of its neighbours.
 */
import {
  abs,
  add,
  broadcastTo,
  concat,
  constant,
  div,
  max,
  mul,
  scalar,
  split,
  sub,
  type Tensor,
} from "../../tensor/index.ts";
import { dequantizeRows, integerMatmul, quantizeRows, unitRows } from "../../tensor/kernels/index.ts";
import { NDArray } from "../../util/ndarray.ts";
import { transposeMatrix } from "./float32.ts";
import type { LinearScheme, LinearSpec } from "./form.ts";

/** Rounds `[out, in]` to signed bytes with one scale per output, and lays them out `[in, out]`. */
export function quantizeColumns(
  { inFeatures, outFeatures }: LinearSpec,
  weights: Float32Array,
): { weight: NDArray; scale: NDArray } {
  const bytes = new Int8Array(weights.length);
  const scales = new Float32Array(outFeatures);
  for (let o = 0; o < outFeatures; o++) {
    const start = o * inFeatures;
    let largest = 0;
    for (let i = start; i < start + inFeatures; i++) {
      const size = Math.abs(weights[i]!);
      if (size > largest) largest = size;
    }
    const scale = Math.fround(largest / 127) || 1;
    scales[o] = scale;
    const inverse = 1 / scale;
    for (let i = start; i < start + inFeatures; i++) bytes[i] = Math.round(weights[i]! * inverse);
  }
  return {
    weight: new NDArray(
      transposeMatrix(bytes, outFeatures, inFeatures, new Int8Array(bytes.length)),
      [inFeatures, outFeatures],
      "i8",
    ),
    scale: new NDArray(scales, [outFeatures], "f32"),
  };
}

const zeroPoint = 128;

/** 8-bit rows: one rounding of `max |x| / 127`. */
function byteRows(x: Tensor, weight: Tensor, scale: Tensor): Tensor {
  const [n, k] = [x.shape.at(-2)!, x.shape.at(-1)!];
  const flat = x.reshape([n, k]);
  // tiny but not zero for rows of zeros
  const steps = add(mul(max(abs(flat), 1), 1 / 127), 1e-30);
  const zeros = broadcastTo(constant(NDArray.from([zeroPoint], [1], "u8")), [n]);
  const products = integerMatmul(quantizeRows(flat, steps, zeros), weight, scalar(1), scale, zeroPoint);
  const y = mul(products, steps.reshape([n, 1]));
  return x.rank === 2 ? y : y.reshape([1, n, weight.shape[1]!]);
}

/**
 * 16-bit rows: rows are brought to root-mean-square 1, where no element passes `√k`, so the steps of both roundings are
 * constants; what the coarse one leaves is rounded again, 1/254 as coarse, and both share the product.
 */
function wordRows(x: Tensor, weight: Tensor, scale: Tensor): Tensor {
  const [n, k] = [x.shape.at(-2)!, x.shape.at(-1) as number];
  const flat = x.rank === 3 ? x : x.reshape([1, n, k]);
  const step = Math.sqrt(k) / 127;
  const fineStep = step / 254;
  const zero = constant(NDArray.scalar(zeroPoint, "u8"));
  const [rows, inverseRms] = unitRows(flat);
  const coarse = quantizeRows(rows, scalar(step), zero);
  const fine = quantizeRows(sub(rows, dequantizeRows(coarse, scalar(step), zero)), scalar(fineStep), zero);
  // one scale for both, so that what is fine counts 1/254
  const products = integerMatmul(concat([coarse, fine], 0), weight, scalar(step), scale, zeroPoint);
  const [high, low] = split(products, [1, 1], 0) as [Tensor, Tensor];
  const y = div(add(high, mul(low, 1 / 254)), inverseRms);
  return x.rank === 3 ? y : y.reshape([n, weight.shape[1]!]);
}

function columnsScheme(product: (x: Tensor, weight: Tensor, scale: Tensor) => Tensor): LinearScheme {
  return {
    stored: ({ inFeatures, outFeatures }) => ({
      weight: { dtype: "i8", shape: [inFeatures, outFeatures] },
      scale: { dtype: "f32", shape: [outFeatures] },
    }),
    convert: quantizeColumns,
    kernel: (_, parameters) => ({
      parameters,
      apply: (x) => product(x, parameters.weight!.tensor, parameters.scale!.tensor),
    }),
  };
}

/** Columns times 16-bit rows. */
export const int8WordRows: LinearScheme = columnsScheme(wordRows);

/** Columns times 8-bit rows. */
export const int8ByteRows: LinearScheme = columnsScheme(byteRows);

/**
 * The default form: signed 8-bit weights with one scale per output, times unsigned 8-bit activation rows. Rows of
 * sensitive layers are carried in 16 bits, as a coarse and a fine row of the same product, so that the weights are still
 * read only once. Integer sums make a row's result independent of its neighbours.
 */
import {
  abs,
  add,
  broadcastTo,
  concat,
  constant,
  max,
  mul,
  scalar,
  split,
  sub,
  type Tensor,
} from "../../tensor/index.ts";
import { dequantizeRows, integerMatmul, quantizeRows } from "../../tensor/kernels/index.ts";
import { NDArray } from "../../util/ndarray.ts";
import { transposeMatrix } from "./float32.ts";
import type { LinearForm, LinearRole, LinearSpec } from "./form.ts";

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

/** A row's scale, `max |x| / steps`, `[n]`; tiny but not zero for rows of zeros. */
function rowScale(x: Tensor, steps: number): Tensor {
  return add(mul(max(abs(x), 1), 1 / steps), 1e-30);
}

const zeroPoint = 128;

function zeros(n: Tensor["shape"][number]): Tensor {
  return broadcastTo(constant(NDArray.from([zeroPoint], [1], "u8")), [n]);
}

/** 8-bit rows: one rounding of `max |x| / 127`. */
function byteRows(x: Tensor, weight: Tensor, scale: Tensor): Tensor {
  const n = x.shape[0]!;
  const rows = rowScale(x, 127);
  return mul(integerMatmul(quantizeRows(x, rows, zeros(n)), weight, scalar(1), scale, zeroPoint), rows.reshape([n, 1]));
}

/** 16-bit rows: the remainder of the first rounding is rounded again, 1/254 as coarse, and both rows share the product. */
function wordRows(x: Tensor, weight: Tensor, scale: Tensor): Tensor {
  const n = x.shape[0]!;
  const ratio = 1 / 254;
  const coarseScale = rowScale(x, 127);
  const fineScale = mul(coarseScale, ratio);
  const zero = zeros(n);
  const coarse = quantizeRows(x, coarseScale, zero);
  const fine = quantizeRows(sub(x, dequantizeRows(coarse, coarseScale, zero)), fineScale, zero);
  const both = integerMatmul(concat([coarse, fine], 0), weight, scalar(1), scale, zeroPoint);
  const [high, low] = split(both, [n, n], 0) as [Tensor, Tensor];
  return mul(add(high, mul(low, ratio)), coarseScale.reshape([n, 1]));
}

/** A form of this kind; `wide` names the roles whose rows are carried in 16 bits. */
export function int8ColumnsForm(name: string, description: string, wide: readonly LinearRole[]): LinearForm {
  return {
    name,
    description,
    version: 1,
    stored: ({ inFeatures, outFeatures }) => ({
      weight: { dtype: "i8", shape: [inFeatures, outFeatures] },
      scale: { dtype: "f32", shape: [outFeatures] },
    }),
    convert: quantizeColumns,
    kernel({ role }, parameters) {
      const product = wide.includes(role) ? wordRows : byteRows;
      return { parameters, apply: (x) => product(x, parameters.weight!.tensor, parameters.scale!.tensor) };
    },
  };
}

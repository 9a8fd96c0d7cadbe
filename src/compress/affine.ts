/**
 * Affine quantisation of arrays to 1 to 8 bits: a least value and a step for the whole array, or for each place along one axis. Both are kept in
 * half precision, so that what is stored is what is computed with.
 */
import { f16BitsToF32, f32ToF16Bits } from "../util/dtype.ts";
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";

/** An array as whole numbers: `value = minimum + step · level`. */
export interface AffineArray {
  readonly shape: readonly number[];
  /** 1 to 8. */
  readonly bits: number;
  /** Row-major, each below 2^bits. */
  readonly levels: Uint8Array;
  /** The axis along which minima and steps differ; `undefined` for one of each. */
  readonly axis?: number;
  /** Half-precision bits, one for each place along the axis. */
  readonly minima: Uint16Array;
  /** Half-precision bits, as many as minima. */
  readonly steps: Uint16Array;
}

/** An axis may have its own minima when they are fewer than this share of the elements. */
const mostMinima = 0.02;

/** Number of elements that follow each other with the same place along an axis, and of places. */
function layoutOf(shape: readonly number[], axis: number | undefined): readonly [inner: number, places: number] {
  if (axis === undefined) return [1, 1];
  return [shape.slice(axis + 1).reduce((a, b) => a * b, 1), shape[axis]!];
}

function quantizeAlong(array: NDArray, bits: number, axis: number | undefined): AffineArray {
  const { data, shape } = array as { data: Float32Array; shape: readonly number[] };
  const [inner, places] = layoutOf(shape, axis);
  const place = (i: number) => Math.floor(i / inner) % places;
  const low = new Float64Array(places).fill(Number.POSITIVE_INFINITY);
  const high = new Float64Array(places).fill(Number.NEGATIVE_INFINITY);
  for (let i = 0; i < data.length; i++) {
    const at = place(i);
    low[at] = Math.min(low[at]!, data[i]!);
    high[at] = Math.max(high[at]!, data[i]!);
  }
  const most = 2 ** bits - 1;
  const minima = Uint16Array.from(low, f32ToF16Bits);
  const steps = Uint16Array.from(low, (value, i) => f32ToF16Bits((high[i]! - value) / most));
  const levels = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const at = place(i);
    const step = f16BitsToF32(steps[at]!);
    // where all values are equal there is no step, and the minimum says it all
    const level = step ? Math.round((data[i]! - f16BitsToF32(minima[at]!)) / step) : 0;
    levels[i] = Math.min(most, Math.max(0, level));
  }
  return { shape, bits, levels, ...(axis !== undefined && { axis }), minima, steps };
}

/**
 * Quantises an array `f32`: once as a whole, once along every axis whose minima are fewer than 2 % of its elements, and keeps what has the
 * least mean absolute error.
 * @throws `argument` for other than 1 to 8 bits, for an empty array, and for values beyond half precision, `dtype` unless it is `f32`.
 */
export function quantizeAffine(array: NDArray, bits: number): AffineArray {
  if (!Number.isInteger(bits) || bits < 1 || bits > 8)
    fail("argument", `quantizeAffine: bits are ${bits}; a level takes 1 to 8`);
  if (array.dtype !== "f32") fail("dtype", `quantizeAffine: needs f32, got ${array.dtype}; cast it first`);
  if (!array.size) fail("argument", "quantizeAffine: the array is empty");
  const beyond = (array.data as Float32Array).find((value) => !(Math.abs(value) <= 65504));
  if (beyond !== undefined)
    fail("argument", `quantizeAffine: ${beyond} is beyond half precision, whose largest number is 65504`);
  const axes = array.shape.flatMap((n, axis) => (n > 1 && n < mostMinima * array.size ? [axis] : []));
  return [undefined, ...axes]
    .map((axis) => quantizeAlong(array, bits, axis))
    .map((quantized) => ({ quantized, error: meanError(array, dequantizeAffine(quantized)) }))
    .reduce((a, b) => (b.error < a.error ? b : a)).quantized;
}

function meanError(a: NDArray, b: NDArray): number {
  let sum = 0;
  for (let i = 0; i < a.size; i++) sum += Math.abs((a.data[i] as number) - (b.data[i] as number));
  return sum / a.size;
}

/** The array `f32` that levels stand for; the same bits everywhere. */
export function dequantizeAffine({ shape, levels, axis, minima, steps }: AffineArray): NDArray {
  const [inner, places] = layoutOf(shape, axis);
  const [low, step] = [Float32Array.from(minima, f16BitsToF32), Float32Array.from(steps, f16BitsToF32)];
  const out = new Float32Array(levels.length);
  for (let i = 0; i < levels.length; i++) {
    const at = Math.floor(i / inner) % places;
    out[i] = low[at]! + Math.fround(step[at]! * levels[i]!);
  }
  return new NDArray(out, shape, "f32");
}

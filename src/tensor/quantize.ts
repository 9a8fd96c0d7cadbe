/**
 * Rounding to a few integer levels and back: by scale and zero point, symmetric or not, in blocks, and with a
 * straight-through gradient for training. The rounding is to nearest even everywhere.
 */
import type { DType } from "../util/dtype.ts";
import { fail } from "../util/errors.ts";
import { cast } from "./cast.ts";
import { equal, greaterEqual, lessEqual, logicalAnd, where } from "./compare.ts";
import { type Dim, normalizeAxes, shapeText } from "./dims.ts";
import { add, div, mul, sub } from "./elementwise.ts";
import { clip, maximum, minimum } from "./elementwise-extrema.ts";
import { abs, neg, round } from "./functions.ts";
import { straightThrough } from "./gradient-flow.ts";
import { reshape } from "./movement.ts";
import { max, min } from "./reduce.ts";
import { split } from "./slice.ts";
import type { Tensor } from "./tensor.ts";

/** Smallest and largest level. */
export type LevelRange = readonly [lowest: number, highest: number];

/** `i8` where levels may be negative, else `u8`. */
function levelType([lowest]: LevelRange): DType {
  return lowest < 0 ? "i8" : "u8";
}

/** `clamp(round(x / scale) + zeroPoint)` as `i8` or `u8`; scale and zero point (any integers) broadcast to `x`. */
export function quantizeLinear(x: Tensor, scale: Tensor, zeroPoint: Tensor, range: LevelRange): Tensor {
  const levels = add(round(div(x, scale)), cast(zeroPoint, "f32"));
  return cast(clip(levels, range[0], range[1]), levelType(range));
}

/** `(q − zeroPoint) · scale`; scale and zero point broadcast to `q`. */
export function dequantizeLinear(q: Tensor, scale: Tensor, zeroPoint?: Tensor): Tensor {
  const levels = cast(q, "f32");
  return mul(zeroPoint ? sub(levels, cast(zeroPoint, "f32")) : levels, scale);
}

/** Quantises and dequantises; the gradient passes where the level lies in range, and is 0 elsewhere. */
export function fakeQuantize(x: Tensor, scale: number, zeroPoint: number, range: LevelRange): Tensor {
  const scaled = div(x, scale);
  const free = add(straightThrough(scaled, round(scaled)), zeroPoint);
  // the outermost levels are in range, though clipping has no gradient there
  const inRange = logicalAnd(greaterEqual(free, range[0]), lessEqual(free, range[1]));
  const levels = where(inRange, free, clip(free, range[0], range[1]));
  return mul(sub(levels, zeroPoint), scale);
}

/** Levels, and what they stand for. */
export interface Quantized {
  /** `i8` (symmetric) or `u8` levels. */
  readonly q: Tensor;
  /** One per slice, reduced axes kept with size 1. */
  readonly scale: Tensor;
  /** The values that the levels stand for. */
  readonly dequantized: Tensor;
}

/** Levels with a zero point. */
export interface QuantizedAsymmetric extends Quantized {
  /** `u8`, shaped like the scale. */
  readonly zeroPoint: Tensor;
}

/** The axes that share a scale when each slice of `axis` has its own (`null`: one for all). */
function sharedAxes(x: Tensor, axis: number | null): number[] {
  const own = axis === null ? [] : normalizeAxes("quantize", axis, x.rank);
  return x.shape.map((_, i) => i).filter((i) => !own.includes(i));
}

/** A scale of 0 (of nothing but zeros) becomes 1. */
function usable(scale: Tensor): Tensor {
  return where(equal(scale, 0), 1, scale);
}

function symmetric(x: Tensor, axes: readonly number[], top: number): { levels: Tensor; scale: Tensor } {
  const scale = usable(div(max(abs(x), axes, { keepDims: true }), top));
  return { levels: clip(round(div(x, scale)), -top, top), scale };
}

function asymmetric(x: Tensor, axes: readonly number[], top: number) {
  const low = minimum(min(x, axes, { keepDims: true }), 0);
  const high = maximum(max(x, axes, { keepDims: true }), 0);
  const scale = usable(div(sub(high, low), top));
  const zeroPoint = clip(round(div(neg(low), scale)), 0, top);
  return { levels: clip(add(round(div(x, scale)), zeroPoint), 0, top), scale, zeroPoint };
}

/**
 * Quantises around 0 to `2^(bits−1) − 1` levels on either side, `scale = max |x| / top`, for the whole tensor or per
 * slice of `axis`.
 */
export function quantizeSymmetric(x: Tensor, bits: number, axis: number | null = null): Quantized {
  const { levels, scale } = symmetric(x, sharedAxes(x, axis), 2 ** (bits - 1) - 1);
  return { q: cast(levels, "i8"), scale, dequantized: mul(levels, scale) };
}

/** Quantises the range from min(x, 0) to max(x, 0) to `2^bits` levels, for the whole tensor or per slice of `axis`. */
export function quantizeAsymmetric(x: Tensor, bits: number, axis: number | null = null): QuantizedAsymmetric {
  const { levels, scale, zeroPoint } = asymmetric(x, sharedAxes(x, axis), 2 ** bits - 1);
  const dequantized = mul(sub(levels, zeroPoint), scale);
  return { q: cast(levels, "u8"), scale, zeroPoint: cast(zeroPoint, "u8"), dequantized };
}

/** Blocks of 4-bit levels. */
export interface QuantizedBlocks {
  /** Two levels a byte, the earlier in the low half: `u8[rows, blocks, blockSize / 2]`. */
  readonly packed: Tensor;
  /** `[rows, blocks]`. */
  readonly scale: Tensor;
  /** `u8[rows, blocks]`. */
  readonly zeroPoint: Tensor;
  /** The values that the levels stand for, of the shape of `x`. */
  readonly dequantized: Tensor;
}

/**
 * Quantises each block of a row to 16 levels: symmetric (−7 … 7 around zero point 8) or over its own range.
 * @param x `[rows, columns]`. @throws `shape` when the columns do not divide into blocks.
 */
export function quantizeBlocks4(x: Tensor, blockSize: number, isSymmetric: boolean): QuantizedBlocks {
  const [rows, columns] = x.shape;
  if (x.rank !== 2 || typeof columns !== "number" || columns % blockSize || blockSize % 2)
    return fail("shape", `quantizeBlocks4: ${shapeText(x.shape)} does not divide into blocks of ${blockSize}`);
  const shape: Dim[] = [rows!, columns / blockSize];
  const blocks = reshape(x, [...shape, blockSize]);
  let levels: Tensor;
  let scale: Tensor;
  let zeroPoint: Tensor;
  if (isSymmetric) {
    const around = symmetric(blocks, [2], 7);
    levels = add(around.levels, 8);
    scale = around.scale;
    zeroPoint = add(mul(scale, 0), 8);
  } else ({ levels, scale, zeroPoint } = asymmetric(blocks, [2], 15));
  const [low, high] = split(reshape(levels, [...shape, blockSize / 2, 2]), [1, 1], 3);
  return {
    packed: cast(reshape(add(low!, mul(high!, 16)), [...shape, blockSize / 2]), "u8"),
    scale: reshape(scale, shape),
    zeroPoint: cast(reshape(zeroPoint, shape), "u8"),
    dequantized: reshape(mul(sub(levels, zeroPoint), scale), x.shape),
  };
}

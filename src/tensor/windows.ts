/**
 * What ops that slide a window over space share (convolution, pooling, unfolding): options per axis, and how many places a
 * window has. It knows nothing of what happens inside of a window.
 */
import { fail } from "../util/errors.ts";
import { addDims, type Dim, divideDims } from "./dims.ts";

/** Elements added `[before, after]` an axis. */
export type PaddingPair = readonly [before: number, after: number];

/** Padding of a window: one number for both sides of every axis, or `[before, after]` per spatial axis. */
export type WindowPadding = number | readonly PaddingPair[];

/** One whole number per spatial axis; a single number counts for all. @throws `shape` for others, naming `op` and `what`. */
export function perAxis(
  op: string,
  what: string,
  value: number | readonly number[],
  rank: number,
  least: number,
): readonly number[] {
  const out = typeof value === "number" ? new Array<number>(rank).fill(value) : value;
  if (out.length !== rank || out.some((n) => !Number.isInteger(n) || n < least))
    fail("shape", `${op}: ${what} [${out}] should be ${rank} whole numbers of at least ${least}`);
  return out;
}

/** Padding as `[before, after]` per spatial axis. @throws `shape` when it does not fit the rank, naming `op`. */
export function paddingPairs(op: string, padding: WindowPadding, rank: number): readonly PaddingPair[] {
  const pairs = typeof padding === "number" ? Array.from({ length: rank }, () => [padding, padding] as const) : padding;
  if (pairs.length !== rank || pairs.flat().some((n) => !Number.isInteger(n) || n < 0))
    fail("shape", `${op}: padding ${JSON.stringify(padding)} should be [before, after] for ${rank} spatial axes`);
  return pairs;
}

/** Elements from the first to the last that a window touches. */
export const reachOf = (kernel: number, dilation: number): number => dilation * (kernel - 1) + 1;

/**
 * Number of places of a window along an axis: `floor((size + padding − reach) / stride) + 1`.
 * @throws `shape` when the window does not fit; `unsupported` when a stride leaves a symbolic number of them unknown.
 */
export function windowCount(op: string, size: Dim, reach: number, stride: number, [before, after]: PaddingPair): Dim {
  const room = addDims(size, before + after - reach);
  if (typeof room === "number") {
    if (room < 0)
      fail(
        "shape",
        `${op}: a kernel that reaches over ${reach} does not fit into ${size} with padding ${before} + ${after}`,
      );
    return Math.floor(room / stride) + 1;
  }
  // a window as large as its stride leaves nothing between windows: n·stride has n places
  const whole = divideDims(addDims(room, stride), stride);
  return (
    whole ?? fail("unsupported", `${op}: stride ${stride} on an axis of symbolic size ${size}; give it a known size`)
  );
}

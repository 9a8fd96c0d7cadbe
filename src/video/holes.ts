/**
 * Pixels that a network is not shown and has to make up: the five holes of the paper's inpainting.
 */
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";

/**
 * 0 in five squares, around the middle of a frame and around the middles of its quarters, and 1 elsewhere: `f32[1, 1, height, width]`, to be
 * given to `fitVideo` as `known`.
 * @param side of a square in pixels. @throws `argument` when squares are not inside of the frame.
 */
export function squareHoles(height: number, width: number, side: number): NDArray {
  if (!(side >= 1 && side <= Math.min(height, width) / 2))
    fail(
      "argument",
      `squareHoles: squares of ${side} pixels do not fit ${width} × ${height}; take at most half a side`,
    );
  const out = NDArray.zeros([1, 1, height, width]);
  (out.data as Float32Array).fill(1);
  for (const [down, across] of [
    [0.5, 0.5],
    [0.25, 0.25],
    [0.25, 0.75],
    [0.75, 0.25],
    [0.75, 0.75],
  ] as const) {
    const [top, left] = [Math.round(down * height - side / 2), Math.round(across * width - side / 2)];
    for (let y = top; y < top + side; y++)
      (out.data as Float32Array).fill(0, y * width + left, y * width + left + side);
  }
  return out;
}

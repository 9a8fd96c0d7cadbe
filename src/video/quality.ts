/**
 * How well frames are given back: PSNR and SSIM of each, and means. A mean of PSNRs is not the PSNR of the mean error; the first is what is usually
 * reported, and easy frames count for much in it.
 */
import { takeRows } from "../data/index.ts";
import { compile } from "../runtime/index.ts";
import { mean, msSsim, msSsimWeights, square, ssim } from "../tensor/index.ts";
import { fail } from "../util/errors.ts";
import type { NDArray } from "../util/ndarray.ts";

/** Quality of each frame and of the whole. */
export interface VideoQuality {
  /** Of each frame, dB. */
  readonly psnr: readonly number[];
  /** Mean over frames, dB. */
  readonly meanPsnr: number;
  /** PSNR of the mean squared error, dB. */
  readonly psnrOfMean: number;
  /** Mean over frames. */
  readonly ssim: number;
  /** Mean over frames, with as many scales as fit the frames (five need 176 pixels). */
  readonly msSsim: number;
}

const meanOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** PSNR of a mean squared error, for values from 0 to 1, dB. */
export const psnrOf = (meanSquaredError: number): number => -10 * Math.log10(meanSquaredError);

/** Weights of as many scales of MS-SSIM as fit, adding up to 1. */
export function scalesThatFit(height: number, width: number): readonly number[] {
  const weights = msSsimWeights.filter((_, scale) => Math.min(height, width) >= 11 * 2 ** scale);
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}

/** PSNR of each frame of two videos `[n, 3, height, width]`. @throws `shape` unless they are of one size. */
export function framePsnr(made: NDArray, frames: NDArray): readonly number[] {
  if (String(made.shape) !== String(frames.shape))
    fail("shape", `frames [${made.shape.join(", ")}] and [${frames.shape.join(", ")}] are not of one size`);
  const [count = 0] = frames.shape;
  const size = frames.size / count;
  return Array.from({ length: count }, (_, n) => {
    let sum = 0;
    for (let i = n * size; i < (n + 1) * size; i++) sum += ((made.data[i] as number) - (frames.data[i] as number)) ** 2;
    return psnrOf(sum / size);
  });
}

/** Measures frames `[n, 3, height, width]` from 0 to 1 by the true ones. @throws `shape` unless both are of one size, 11 pixels or more. */
export async function videoQuality(made: NDArray, frames: NDArray): Promise<VideoQuality> {
  const psnr = framePsnr(made, frames);
  const [count, , height, width] = frames.shape as readonly [number, number, number, number];
  const weights = scalesThatFit(height, width);
  const type = { dtype: "f32", shape: ["n", 3, height, width] } as const;
  await using executable = await compile(
    ({ x, y }) => ({ ssim: ssim(x, y), msSsim: msSsim(x, y, { weights }), error: mean(square(x.sub(y)), [1, 2, 3]) }),
    { inputs: { x: type, y: type } },
  );
  const [similar, scaled, errors]: [number[], number[], number[]] = [[], [], []];
  for (let at = 0; at < count; at += 8) {
    const numbers = Array.from({ length: Math.min(8, count - at) }, (_, i) => at + i);
    const results = await executable.run({ x: takeRows(made, numbers), y: takeRows(frames, numbers) });
    similar.push(...results.ssim.toNumbers());
    scaled.push(...results.msSsim.toNumbers());
    errors.push(...results.error.toNumbers());
  }
  return {
    psnr,
    meanPsnr: meanOf(psnr),
    psnrOfMean: psnrOf(meanOf(errors)),
    ssim: meanOf(similar),
    msSsim: meanOf(scaled),
  };
}

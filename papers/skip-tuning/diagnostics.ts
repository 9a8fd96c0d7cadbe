/**
 * Why it works, as the paper looks at it: losses of pixels and of features by noise level, and how normal the noise is that data lead back
 * to.
 */
import { meanDiscrepancy, noiseLevels, type SkipTuning } from "bletchley/diffusion";
import type { WorkContext } from "bletchley/papers";
import { NDArray, Random } from "bletchley/util";
import { type Judge, pixels } from "./base.ts";
import type { EditedDenoiser } from "./sampling.ts";

/** Losses at a noise level, without and with factors. */
export interface LevelLosses {
  readonly sigma: number;
  readonly pixels: { readonly plain: number; readonly tuned: number };
  readonly features: { readonly plain: number; readonly tuned: number };
}

/** Noise levels that losses are measured at. */
const levels = [0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.8, 1.3, 2.2, 5, 15, 60] as const;

function meanSquare(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2;
  return sum / a.length;
}

/** Losses of denoised pictures, with the same noise for both. */
export async function lossesByLevel(
  context: WorkContext,
  denoiser: EditedDenoiser,
  judge: Judge,
  images: NDArray,
  tuning: SkipTuning,
): Promise<readonly LevelLosses[]> {
  const clean = images.data as Float32Array;
  const { features } = await judge.judge(images);
  const found: LevelLosses[] = [];
  for (const [i, sigma] of levels.entries()) {
    context.progress("losses by noise level", i, levels.length);
    const noise = new Random(context.seed + 50 + i).normals(clean.length);
    const noisy = Float64Array.from(clean, (value, k) => value + sigma * noise[k]!);
    const losses = async (edit: { readonly skips?: SkipTuning }) => {
      const denoised = await denoiser.denoise(noisy, sigma, edit);
      const seen = await judge.judge(new NDArray(denoised, images.shape, "f32"));
      return {
        pixels: meanSquare(denoised, clean),
        features: meanSquare(seen.features.data as Float32Array, features.data as Float32Array),
      };
    };
    const [plain, tuned] = [await losses({}), await losses({ skips: tuning })];
    found.push({
      sigma,
      pixels: { plain: plain.pixels, tuned: tuned.pixels },
      features: { plain: plain.features, tuned: tuned.features },
    });
  }
  return found;
}

/** How normal the noise is that pictures lead back to. */
export interface Normality {
  /** Squared maximum mean discrepancy to normal noise. */
  readonly discrepancy: number;
  /** Evaluations of the network on the way. */
  readonly evaluations: number;
  /** Mean square of a number, 1 for normal noise. */
  readonly variance: number;
  /** Mean over pictures of the kurtosis, 3 for normal noise. */
  readonly kurtosis: number;
}

/** Leads pictures back to noise, and compares that with normal noise. */
export async function normalityOf(
  denoiser: EditedDenoiser,
  images: NDArray,
  steps: number,
  tuning: SkipTuning | undefined,
  signal: AbortSignal,
): Promise<Normality> {
  const down = noiseLevels(steps);
  const up = Float64Array.from(down.subarray(0, steps)).reverse();
  const edit = tuning ? { skips: tuning } : {};
  const { x, evaluations } = await denoiser.follow(images.data as Float32Array, up, edit, signal);
  const noise = x.map((value) => value / up.at(-1)!);
  const count = noise.length / pixels;
  let [square, kurtosis] = [0, 0];
  for (let n = 0; n < count; n++) {
    const own = noise.subarray(n * pixels, (n + 1) * pixels);
    const mean = own.reduce((sum, value) => sum + value, 0) / pixels;
    let [second, fourth] = [0, 0];
    for (const value of own) {
      square += value ** 2 / noise.length;
      second += (value - mean) ** 2 / pixels;
      fourth += (value - mean) ** 4 / pixels;
    }
    kurtosis += fourth / second ** 2 / count;
  }
  const normal = new Random(99).normals(noise.length);
  return {
    // normal vectors lie about √(2 n) from each other: one kernel for all that is compared
    discrepancy: meanDiscrepancy({ data: noise, size: pixels }, { data: normal, size: pixels }, Math.sqrt(2 * pixels)),
    evaluations,
    variance: square,
    kurtosis,
  };
}

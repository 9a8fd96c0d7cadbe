/**
 * Diffusion as EDM describes it (Karras et al. 2022): the network behind its preconditioning, what it learns from, and the noise levels
 * that sampling goes through. Knows no network and no solver.
 */
import type { Tensor } from "../tensor/index.ts";
import { fail } from "../util/errors.ts";
import type { Random } from "../util/random.ts";

/** Standard deviation of the data that the preconditioning assumes. */
export const usualDataDeviation = 0.5;

/** A network between scalings: it gets `x` scaled to unit variance and `ln(σ) / 4`, both with one entry for each example. */
export type NoiseNetwork = (scaled: Tensor, noise: Tensor) => Tensor;

/**
 * What a denoiser says of noisy data: `D(x; σ) = c_skip x + c_out F(c_in x; ln(σ) / 4)` (EDM, table 1).
 * @param x `[n, …]`. @param sigma noise level of each, `[n]`. @returns the shape of `x`.
 */
export function precondition(
  network: NoiseNetwork,
  x: Tensor,
  sigma: Tensor,
  dataDeviation = usualDataDeviation,
): Tensor {
  const variance = dataDeviation ** 2;
  const level = sigma.reshape([-1, ...x.shape.slice(1).map(() => 1)]);
  const total = level.square().add(variance);
  const root = total.sqrt();
  const made = network(x.div(root), sigma.log().mul(0.25));
  return x.mul(total.pow(-1).mul(variance)).add(made.mul(level.mul(dataDeviation).div(root)));
}

/**
 * The loss of a denoised batch, weighted so that every noise level counts alike (EDM, equation 2 and table 1).
 * @param denoised `[n, …]`. @param clean the same shape. @param sigma `[n]`. @returns a scalar.
 */
export function denoisingLoss(
  denoised: Tensor,
  clean: Tensor,
  sigma: Tensor,
  dataDeviation = usualDataDeviation,
): Tensor {
  const level = sigma.reshape([-1, ...clean.shape.slice(1).map(() => 1)]);
  const weight = level
    .square()
    .add(dataDeviation ** 2)
    .div(level.mul(dataDeviation).square());
  return denoised.sub(clean).square().mul(weight).mean();
}

/** Noise levels to learn at: log-normal, `ln σ ~ N(−1.2, 1.2²)`. */
export function drawNoiseLevels(random: Random, count: number): Float32Array {
  return Float32Array.from({ length: count }, () => Math.exp(-1.2 + 1.2 * random.normal()));
}

/** Where sampling begins and ends, and how its steps crowd at the end. */
export interface NoiseSchedule {
  /** First noise level; 80 by default. */
  readonly most?: number;
  /** Last noise level before 0; 0.002 by default. */
  readonly least?: number;
  /** Exponent of the schedule; 7 by default. */
  readonly rho?: number;
}

/**
 * The noise levels of a number of steps, from the greatest down, and 0 at the end: `steps + 1` numbers (EDM, equation 5).
 * @throws `argument` for steps or levels that make no sense.
 */
export function noiseLevels(steps: number, { most = 80, least = 0.002, rho = 7 }: NoiseSchedule = {}): Float64Array {
  if (!Number.isInteger(steps) || steps < 1)
    fail("argument", `noiseLevels: ${steps} steps; give a whole number from 1`);
  if (!(least > 0 && most > least && rho > 0))
    fail("argument", `noiseLevels: levels from ${most} to ${least} with exponent ${rho} do not fall towards 0`);
  const [high, low] = [most ** (1 / rho), least ** (1 / rho)];
  return Float64Array.from({ length: steps + 1 }, (_, i) => {
    if (i === steps) return 0;
    return steps === 1 ? most : (high + (i / (steps - 1)) * (low - high)) ** rho;
  });
}

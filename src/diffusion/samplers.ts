/**
 * Solvers of the probability flow: from noise to data, and back. State is kept in 64 bits, since close to the data differences of nearly
 * equal numbers count. Knows denoisers as functions only.
 */
import { fail, throwIfAborted } from "../util/errors.ts";
import { Random } from "../util/random.ts";

/** Says what clean data noisy ones come from, at one noise level for all. Results belong to the caller. */
export type Denoiser = (x: Float64Array, sigma: number) => Promise<ArrayLike<number>>;

/** Noise that is added while sampling (EDM, algorithm 2). */
export interface Churn {
  /** All of it together [S_churn]; 0 adds none. */
  readonly amount: number;
  /** Levels between which it is added; everywhere when absent. */
  readonly from?: number;
  readonly to?: number;
  /** Factor on its deviation [S_noise]; 1 by default. */
  readonly scale?: number;
  readonly seed: number;
}

/** How a flow is solved. */
export interface SampleOptions {
  /** `heun` looks twice at every step but one that ends at 0; `euler` once, which for these flows is DDIM. `heun` by default. */
  readonly solver?: "heun" | "euler";
  readonly churn?: Churn;
  readonly signal?: AbortSignal;
  /** Is told after every step. */
  readonly onStep?: (done: number, total: number) => void;
}

/** A solved flow. */
export interface Sampled {
  readonly x: Float64Array;
  /** How often the denoiser was asked [NFE]. */
  readonly evaluations: number;
}

/**
 * Follows the flow through noise levels that fall, or rise for the way back from data to noise.
 * @param start data at the first level: for sampling normal noise times that level. @param levels such as `noiseLevels` gives.
 * @throws `argument` for fewer than two levels, or churn on the way back; `aborted`.
 */
export async function followFlow(
  denoise: Denoiser,
  start: ArrayLike<number>,
  levels: ArrayLike<number>,
  options: SampleOptions = {},
): Promise<Sampled> {
  const { solver = "heun", churn, signal, onStep } = options;
  if (levels.length < 2)
    fail("argument", `followFlow: ${levels.length} noise levels; a flow leads from one to another`);
  const steps = levels.length - 1;
  if (churn && levels[steps]! > levels[0]!)
    fail("argument", "followFlow: noise is added on the way to the data only; leave churn out on the way back");
  const random = churn && new Random(churn.seed);
  let x = Float64Array.from(start);
  let evaluations = 0;
  const slope = async (at: Float64Array, level: number) => {
    const clean = await denoise(at, level);
    evaluations++;
    return at.map((value, i) => (value - clean[i]!) / level);
  };
  for (let i = 0; i < steps; i++) {
    throwIfAborted(signal);
    let level = levels[i]!;
    const next = levels[i + 1]!;
    if (churn && random) {
      const raised = level * (1 + churnOf(churn, level, steps));
      const deviation = Math.sqrt(raised ** 2 - level ** 2) * (churn.scale ?? 1);
      if (deviation > 0) x = x.map((value) => value + deviation * random.normal());
      level = raised;
    }
    // nothing is known at level 0, where clean data begin the way back: they are what they are
    const d = level === 0 ? new Float64Array(x.length) : await slope(x, level);
    const ahead = x.map((value, k) => value + (next - level) * d[k]!);
    if (solver === "heun" && next > 0 && level > 0) {
      const d2 = await slope(ahead, next);
      x = x.map((value, k) => value + ((next - level) * (d[k]! + d2[k]!)) / 2);
    } else x = ahead;
    onStep?.(i + 1, steps);
  }
  return { x, evaluations };
}

/** Share by which a level is raised [γ]. */
function churnOf({ amount, from = 0, to = Number.POSITIVE_INFINITY }: Churn, level: number, steps: number): number {
  return level >= from && level <= to ? Math.min(amount / steps, Math.SQRT2 - 1) : 0;
}

/**
 * Normalisation of images and sequences laid out batch, channel, space: group, instance and batch norm.
 */
import { fail } from "../util/errors.ts";
import { dimSize } from "./arrange.ts";
import { type Dim, mulDims, shapeText } from "./dims.ts";
import { add, div, mul, sub } from "./elementwise.ts";
import { rsqrt } from "./functions.ts";
import { reshape } from "./movement.ts";
import { type NormOptions, standardize } from "./normalize.ts";
import { mean, variance } from "./reduce.ts";
import type { Tensor } from "./tensor.ts";

/** A vector over channels in the shape that broadcasts along axis 1 of `x`. */
function perChannel(vector: Tensor, x: Tensor): Tensor {
  return reshape(vector, [vector.shape[0]!, ...Array.from({ length: x.rank - 2 }, () => 1)]);
}

function scaled(y: Tensor, weight: Tensor | undefined, bias: Tensor | undefined): Tensor {
  const weighted = weight ? mul(y, perChannel(weight, y)) : y;
  return bias ? add(weighted, perChannel(bias, y)) : weighted;
}

/**
 * Group normalisation (Wu and He 2018): every sample's channels in `groups` of neighbours, with their space.
 * @param x `[batch, channels, …space]`. @param weight `[channels]`. @param bias `[channels]`.
 * @throws `shape` when the channels do not divide into groups.
 */
export function groupNorm(x: Tensor, groups: number, weight?: Tensor, bias?: Tensor, options?: NormOptions): Tensor {
  const [batch, channels, ...space] = x.shape;
  if (typeof channels !== "number" || channels % groups)
    fail("shape", `groupNorm: ${channels} channels of ${shapeText(x.shape)} do not divide into ${groups} groups`);
  const size = space.reduce<Dim>(mulDims, (channels as number) / groups);
  const grouped = reshape(x, [batch!, groups, size]);
  return scaled(reshape(standardize(grouped, 2, options), x.shape), weight, bias);
}

/** Instance normalisation (Ulyanov et al. 2016): every channel of every sample over its space. */
export function instanceNorm(x: Tensor, weight?: Tensor, bias?: Tensor, options?: NormOptions): Tensor {
  const axes = x.shape.flatMap((_, i) => (i < 2 ? [] : [i]));
  return scaled(standardize(x, axes, options), weight, bias);
}

/** What {@link batchNorm} takes beside `x`. */
export interface BatchNormOptions extends NormOptions {
  /** `[channels]`. */
  readonly weight?: Tensor;
  /** `[channels]`. */
  readonly bias?: Tensor;
  /** `[channels]`. */
  readonly runningMean: Tensor;
  /** `[channels]`. */
  readonly runningVariance: Tensor;
  /** Normalise by the batch's own statistics and move the running ones towards them. */
  readonly training?: boolean;
  /** Share of the new statistics in the running ones; 0.1 by default. */
  readonly momentum?: number;
}

/**
 * Batch normalisation (Ioffe and Szegedy 2015) of `[batch, channels, …space]`. Returns the running statistics too;
 * they are the given ones outside of training. The running variance is the unbiased one.
 * @throws `shape` in training when channels have a single value, which has no variance.
 */
export function batchNorm(
  x: Tensor,
  options: BatchNormOptions,
): { readonly y: Tensor; readonly runningMean: Tensor; readonly runningVariance: Tensor } {
  const { weight, bias, runningMean, runningVariance, training = false, momentum = 0.1, epsilon = 1e-5 } = options;
  if (!training) {
    const centred = sub(x, perChannel(runningMean, x));
    const y = mul(centred, perChannel(rsqrt(add(runningVariance, epsilon)), x));
    return { y: scaled(y, weight, bias), runningMean, runningVariance };
  }
  const axes = x.shape.flatMap((_, i) => (i === 1 ? [] : [i]));
  const elements = axes.map((i) => x.shape[i]!).reduce(mulDims, 1);
  if (elements === 1)
    fail(
      "shape",
      `batchNorm: training needs more than one value a channel, got ${shapeText(x.shape)}; take a larger batch`,
    );
  const count = dimSize(elements);
  const unbiased = mul(variance(x, axes), div(count, sub(count, 1)));
  const moved = (old: Tensor, now: Tensor) => add(mul(old, 1 - momentum), mul(now, momentum));
  return {
    y: scaled(standardize(x, axes, { epsilon }), weight, bias),
    runningMean: moved(runningMean, mean(x, axes)),
    runningVariance: moved(runningVariance, unbiased),
  };
}

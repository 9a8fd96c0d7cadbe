/**
 * Batch normalisation: by the statistics of the batch in training, by running ones otherwise.
 */
import { fail } from "../util/errors.ts";
import { dimSize } from "./arrange.ts";
import { axesBesideChannels, channelAffine, filledVector, scaleChannels } from "./channel-affine.ts";
import { type Dim, shapeSize, shapeText } from "./dims.ts";
import { add, div, mul, sub } from "./elementwise.ts";
import { neg, rsqrt, sqrt } from "./functions.ts";
import { zerosLike } from "./gather.ts";
import type { NormOptions } from "./normalize.ts";
import { mean } from "./reduce.ts";
import { defineOp, type OpCall, type Tensor } from "./tensor.ts";

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

/** Number of values that a channel's statistics are made of. */
const valuesPerChannel = (x: Tensor): Dim => shapeSize(axesBesideChannels(x).map((i) => x.shape[i]!));

interface Attributes {
  readonly epsilon: number;
}

/** Normalised values, means and variances (the biased ones) of the channels. */
const standardizeChannelsOp: OpCall<Attributes> = defineOp<Attributes>({
  name: "standardizeChannels",
  infer([x]) {
    if (x!.dtype !== "f32") fail("dtype", `batchNorm: needs f32, got ${x!.dtype}; cast it first`);
    const channels = { dtype: "f32", shape: [x!.shape[1]!] } as const;
    return [x!, channels, channels];
  },
  lower(context, [x], { inputs, outputs, attributes: { epsilon } }) {
    context.needsAtLeast(2, "values a channel for batchNorm", valuesPerChannel(inputs[0]!));
    const channels = outputs[1]!.shape[0]!;
    const [zeros, ones] = [0, 1].map((value) => filledVector(context, value, channels)) as [string, string];
    // With a momentum of 0 the new running statistics are the batch's own, whatever the old ones. The node writes the new ones
    // where the old ones lie, constants too, so each gets an array that nothing else reads.
    const axes = axesBesideChannels(inputs[0]!);
    const first = context.node("Slice", [
      x!,
      context.int64s(axes.map(() => 0)),
      context.int64s(axes.map(() => 1)),
      context.int64s(axes),
    ]);
    const oldMean = context.node("Reshape", [first, context.shape([channels])]);
    const oldVariance = context.node("Neg", [oldMean]);
    return context.nodes(
      "BatchNormalization",
      [x!, ones, zeros, oldMean, oldVariance],
      { training_mode: { int: 1 }, momentum: { float: 0 }, epsilon: { float: epsilon } },
      { outputs: 3 },
    );
  },
  vjp({ inputs: [x], outputs: [y, , variance], attributes: { epsilon } }, [c, toMean, toVariance]) {
    const count = dimSize(valuesPerChannel(x!));
    const scale = rsqrt(add(variance!, epsilon));
    const axes = axesBesideChannels(x!);
    // of y: scale · (c − mean(c) − y · mean(c · y)); of the mean: 1 / n; of the variance: 2 (x − mean) / n
    let forY = c ? neg(mul(scale, mean(mul(c, y!), axes))) : zerosLike(scale);
    let shift = c ? neg(mul(scale, mean(c, axes))) : zerosLike(scale);
    if (toVariance) forY = add(forY, mul(mul(toVariance, 2), div(sqrt(add(variance!, epsilon)), count)));
    if (toMean) shift = add(shift, div(toMean, count));
    const rest = channelAffine(y!, forY, shift);
    return [c ? add(channelAffine(c, scale, zerosLike(scale)), rest) : rest];
  },
});

/**
 * Batch normalisation (Ioffe and Szegedy 2015) of `[batch, channels, …space]`. Returns the running statistics too;
 * they are the given ones outside of training. The running variance is the unbiased one.
 * @throws `shape` in training when channels have a single value, which has no variance.
 */
export function batchNorm(
  x: Tensor,
  options: BatchNormOptions,
): { readonly y: Tensor; readonly runningMean: Tensor; readonly runningVariance: Tensor } {
  const { runningMean, runningVariance, training = false, momentum = 0.1, epsilon = 1e-5 } = options;
  const { weight, bias } = options;
  if (!training) {
    const inverse = rsqrt(add(runningVariance, epsilon));
    const scale = weight ? mul(weight, inverse) : inverse;
    const shift = neg(mul(runningMean, scale));
    return { y: channelAffine(x, scale, bias ? add(shift, bias) : shift), runningMean, runningVariance };
  }
  const elements = valuesPerChannel(x);
  if (elements === 1)
    fail(
      "shape",
      `batchNorm: training needs more than one value a channel, got ${shapeText(x.shape)}; take a larger batch`,
    );
  const [standard, batchMean, variance] = standardizeChannelsOp([x], { epsilon }) as [Tensor, Tensor, Tensor];
  const count = dimSize(elements);
  const moved = (old: Tensor, now: Tensor) => add(mul(old, 1 - momentum), mul(now, momentum));
  return {
    y: scaleChannels(standard, weight, bias),
    runningMean: moved(runningMean, batchMean),
    runningVariance: moved(runningVariance, mul(variance, div(count, sub(count, 1)))),
  };
}

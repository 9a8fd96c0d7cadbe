/**
 * Normalisation of images and sequences laid out batch, channel, space, by each sample's own statistics: group and instance
 * norm.
 */
import { fail } from "../util/errors.ts";
import { scaleChannels } from "./channel-affine.ts";
import { type Dim, mulDims, shapeText } from "./dims.ts";
import { reshape } from "./movement.ts";
import { type NormOptions, standardize } from "./normalize.ts";
import type { Tensor } from "./tensor.ts";

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
  return scaleChannels(reshape(standardize(grouped, 2, options), x.shape), weight, bias);
}

/** Instance normalisation (Ulyanov et al. 2016): every channel of every sample over its space. */
export function instanceNorm(x: Tensor, weight?: Tensor, bias?: Tensor, options?: NormOptions): Tensor {
  const axes = x.shape.flatMap((_, i) => (i < 2 ? [] : [i]));
  return scaleChannels(standardize(x, axes, options), weight, bias);
}

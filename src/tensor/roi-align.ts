/**
 * Means of an image over the parts of boxes (RoI align). The value is one node; the gradient is made of matrices, since a
 * part's mean is a sum over rows times a sum over columns.
 */
import { fail } from "../util/errors.ts";
import { range } from "./arrange.ts";
import { cast } from "./cast.ts";
import { equal, greaterEqual, lessEqual, logicalAnd } from "./compare.ts";
import { type Dim, mulDims, shapeText } from "./dims.ts";
import { add, div, mul, sub } from "./elementwise.ts";
import { clip, maximum } from "./elementwise-extrema.ts";
import { abs, ceil, floor } from "./functions.ts";
import { matmul, swapLast } from "./matmul.ts";
import { reshape, transpose, unsqueeze } from "./movement.ts";
import { split } from "./slice.ts";
import { defineOp, type Tensor } from "./tensor.ts";
import { perAxis } from "./windows.ts";

/** Options of {@link roiAlign}. */
export interface RoiAlignOptions {
  /** Parts that a box is divided into, down and across. */
  readonly outputSize: number | readonly number[];
  /** Pixels of `x` per unit of the boxes; 1 by default. */
  readonly spatialScale?: number;
  /** Samples per part down and across; 0, the default, takes one per started pixel. */
  readonly samplingRatio?: number;
  /** Whether boxes are shifted by half a pixel, so that pixel centres fit (the default), and may be smaller than a pixel. */
  readonly aligned?: boolean;
}

interface RoiAttributes {
  readonly outputSize: readonly number[];
  readonly spatialScale: number;
  readonly samplingRatio: number;
  readonly aligned: boolean;
}

/** Weight of each of `size` pixels in each part of the boxes' sides from `from` to `to`: `[boxes, parts, size]`. */
function sideWeights(from: Tensor, to: Tensor, size: number, parts: number, attributes: RoiAttributes): Tensor {
  const { spatialScale, samplingRatio, aligned } = attributes;
  const start = sub(mul(from, spatialScale), aligned ? 0.5 : 0);
  const length = mul(sub(to, from), spatialScale);
  const part = div(aligned ? length : maximum(length, 1), parts);
  const perPart = samplingRatio ? add(mul(part, 0), samplingRatio) : maximum(ceil(part), 1);
  const step = div(part, perPart);
  // samples that can hit the image: all of them, or, since samples of large boxes are at least half a pixel apart, as many
  // as fit on it, from the first one that does
  const slots = samplingRatio ? parts * samplingRatio : Math.max(parts, 2 * size + 5);
  let number = unsqueeze(range(0, slots, 1, "f32"), 0);
  if (!samplingRatio) {
    const several = cast(greaterEqual(perPart, 2), "f32");
    const first = floor(sub(div(sub(-1, start), maximum(step, 0.25)), 0.5));
    number = add(number, mul(maximum(first, 0), several));
  }
  const place = add(mul(add(number, 0.5), step), start);
  const hits = logicalAnd(greaterEqual(place, -1), lessEqual(place, size));
  const pixel = sub(unsqueeze(clip(place, 0, size - 1), 2), range(0, size, 1, "f32"));
  const weight = div(cast(hits, "f32"), perPart);
  const spread = mul(maximum(sub(1, abs(pixel)), 0), unsqueeze(weight, 2));
  const owner = unsqueeze(floor(div(add(number, 0.5), perPart)), 1);
  const own = cast(equal(owner, unsqueeze(range(0, parts, 1, "f32"), 1)), "f32");
  return matmul(own, spread);
}

const roiOp = defineOp<RoiAttributes>({
  name: "roiAlign",
  infer([x, boxes, owners], { outputSize }) {
    if (x!.dtype !== "f32" || boxes!.dtype !== "f32" || owners!.dtype !== "i64")
      fail("dtype", `roiAlign: needs f32, f32 and i64, got ${x!.dtype}, ${boxes!.dtype} and ${owners!.dtype}`);
    const count = boxes!.shape[0];
    if (x!.shape.length !== 4 || String(boxes!.shape) !== `${count},4` || String(owners!.shape) !== String(count))
      fail(
        "shape",
        `roiAlign: needs [batch, channels, height, width], [boxes, 4] and [boxes], got ${shapeText(x!.shape)}, ${shapeText(boxes!.shape)} and ${shapeText(owners!.shape)}`,
      );
    return [{ dtype: "f32", shape: [count!, x!.shape[1]!, ...outputSize] }];
  },
  lower: (context, inputs, { attributes: { outputSize, spatialScale, samplingRatio, aligned } }) => [
    context.node("RoiAlign", inputs, {
      mode: { string: "avg" },
      output_height: { int: outputSize[0]! },
      output_width: { int: outputSize[1]! },
      sampling_ratio: { int: samplingRatio },
      spatial_scale: { float: spatialScale },
      coordinate_transformation_mode: { string: aligned ? "half_pixel" : "output_half_pixel" },
    }),
  ],
  vjp({ inputs: [x, boxes, owners], attributes }, [c]) {
    if (!c) return [undefined, undefined, undefined];
    const [batch, channels, height, width] = x!.shape as [Dim, Dim, Dim, Dim];
    const [count] = boxes!.shape as [Dim];
    if (typeof height !== "number" || typeof width !== "number")
      return fail("unsupported", `roiAlign: no gradient for an image of symbolic size ${shapeText(x!.shape)}`);
    const [down, across] = attributes.outputSize as [number, number];
    const [x1, y1, x2, y2] = split(boxes!, [1, 1, 1, 1], 1) as [Tensor, Tensor, Tensor, Tensor];
    const rows = sideWeights(y1, y2, height, down, attributes);
    const columns = sideWeights(x1, x2, width, across, attributes);
    // first across within each box, then down over all boxes at once, so that no image per box is made
    const lines = matmul(reshape(c, [count, mulDims(channels, down), across]), columns);
    const apart = transpose(reshape(lines, [count, channels, down, width]), [0, 2, 1, 3]);
    const own = cast(equal(unsqueeze(owners!, 0), unsqueeze(range(0, batch), 1)), "f32");
    const placed = mul(unsqueeze(rows, 0), unsqueeze(own, [2, 3]));
    const lineCount = mulDims(count, down);
    const image = matmul(
      swapLast(reshape(placed, [batch, lineCount, height])),
      reshape(apart, [lineCount, mulDims(channels, width)]),
    );
    return [transpose(reshape(image, [batch, height, channels, width]), [0, 2, 1, 3]), undefined, undefined];
  },
});

/**
 * Means of `x` `[batch, channels, height, width]` over the parts of boxes, by bilinear samples.
 * @param boxes `[boxes, 4]`: x1, y1, x2, y2; they get no gradient.
 * @param owners which batch entry each box lies in, `i64[boxes]`. @returns `[boxes, channels, …outputSize]`.
 */
export function roiAlign(x: Tensor, boxes: Tensor, owners: Tensor, options: RoiAlignOptions): Tensor {
  const { outputSize, spatialScale = 1, samplingRatio = 0, aligned = true } = options;
  if (!Number.isInteger(samplingRatio) || samplingRatio < 0)
    fail("argument", `roiAlign: samplingRatio is ${samplingRatio}; it must be a whole number, 0 for one per pixel`);
  return roiOp([x, boxes, owners], {
    outputSize: perAxis("roiAlign", "outputSize", outputSize, 2, 1),
    spatialScale,
    samplingRatio,
    aligned,
  })[0]!;
}

/**
 * Maxima over windows, layout `[batch, channels, space…]`, one to three spatial axes. The gradient goes to the first of tied
 * elements.
 */
import { fail } from "../util/errors.ts";
import { type Dim, shapeSize } from "./dims.ts";
import { zerosLike } from "./gather.ts";
import { gatherElements, scatterAdd } from "./gather-elements.ts";
import { reshape } from "./movement.ts";
import { adaptiveRange, adaptiveSizes, ceilPadding, checkSpatial, type PoolOptions } from "./pool-average.ts";
import { concat, padAxes, slice } from "./slice.ts";
import { defineOp, type OpCall, type Tensor, type TensorType } from "./tensor.ts";
import { type PaddingPair, paddingPairs, perAxis, reachOf, windowCount } from "./windows.ts";

/** Options of {@link maxPool}. */
export interface MaxPoolOptions extends PoolOptions {
  /** Distance between elements of a window; 1 by default. */
  readonly dilation?: number | readonly number[];
}

interface MaxAttributes {
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly padding: readonly PaddingPair[];
  readonly dilation: readonly number[];
}

function pooledShape(x: TensorType, { kernel, stride, padding, dilation }: MaxAttributes) {
  const space = kernel.map((k, i) =>
    windowCount("maxPool", x.shape[i + 2]!, reachOf(k, dilation[i]!), stride[i]!, padding[i]!),
  );
  return [...x.shape.slice(0, 2), ...space];
}

const onnxAttributes = ({ kernel, stride, padding, dilation }: MaxAttributes) => ({
  kernel_shape: { ints: kernel },
  strides: { ints: stride },
  pads: { ints: [...padding.map(([before]) => before), ...padding.map(([, after]) => after)] },
  dilations: { ints: dilation },
});

const maxOp = defineOp<MaxAttributes>({
  name: "maxPool",
  infer: ([x], attributes) => [{ dtype: "f32", shape: pooledShape(x!, attributes) }],
  lower: (context, [x], { attributes }) => [context.node("MaxPool", [x!], onnxAttributes(attributes))],
  // places are looked for only where a gradient is asked for: with them MaxPool takes ten times as long
  vjp: ({ inputs: [x], attributes }, [c]) => [c && putBack(c, placesOp([x!], attributes)[0]!, attributes, x!.shape)],
});

const placesOp = defineOp<MaxAttributes>({
  name: "maxPoolPlaces",
  infer: ([x], attributes) => [{ dtype: "i64", shape: pooledShape(x!, attributes) }],
  lower: (context, [x], { attributes }) => [
    context.nodes("MaxPool", [x!], onnxAttributes(attributes), { outputs: 2 })[1]!,
  ],
  vjp: "none",
});

const unpoolOp: OpCall<{ readonly shape: readonly Dim[] }> = defineOp<{ readonly shape: readonly Dim[] }>({
  name: "maxUnpool",
  infer: ([c], { shape }) => [{ dtype: c!.dtype, shape }],
  lower: (context, [c, places], { attributes: { shape } }) => {
    // the shape decides; the window is only what ONNX checks it against
    const ones = { ints: shape.slice(2).map(() => 1) };
    return [context.node("MaxUnpool", [c!, places!, context.shape(shape)], { kernel_shape: ones, strides: ones })];
  },
  vjp: ({ inputs: [, places] }, [c]) => [
    c && reshape(gatherElements(flat(c), flat(places!), 0), places!.shape),
    undefined,
  ],
});

const flat = (x: Tensor) => reshape(x, [shapeSize(x.shape)]);

/** Adds each element of `c` to zeros at its flat place. */
function putBack(c: Tensor, places: Tensor, attributes: MaxAttributes, shape: readonly Dim[]): Tensor {
  const { kernel, stride, dilation } = attributes;
  // windows that share nothing need no sums, and writing takes a third of the time of adding
  if (kernel.every((k, i) => reachOf(k, dilation[i]!) <= stride[i]!)) return unpoolOp([c, places], { shape })[0]!;
  const zeros = zerosLike({ dtype: c.dtype, shape: [shapeSize(shape)] });
  return reshape(scatterAdd(zeros, flat(places), flat(c), 0), shape);
}

/**
 * Maxima over windows of `x` `[batch, channels, space…]`; padding never wins, and NaN is passed over.
 * @throws `shape` when a window does not fit.
 */
export function maxPool(x: Tensor, options: MaxPoolOptions): Tensor {
  const rank = checkSpatial("maxPool", x);
  const kernel = perAxis("maxPool", "kernel", options.kernel, rank, 1);
  const stride = perAxis("maxPool", "stride", options.stride ?? kernel, rank, 1);
  const dilation = perAxis("maxPool", "dilation", options.dilation ?? 1, rank, 1);
  const reach = kernel.map((k, i) => reachOf(k, dilation[i]!));
  const given = paddingPairs("maxPool", options.padding ?? 0, rank);
  if (given.some((pair, i) => pair.some((n) => n >= reach[i]!)))
    fail("shape", `maxPool: padding ${JSON.stringify(given)} must be below the reach of the kernel, [${reach}]`);
  const padding = options.ceilMode
    ? given.map((pair, i) => ceilPadding("maxPool", x.shape[i + 2]!, reach[i]!, stride[i]!, pair))
    : given;
  // ONNX wants padding below the kernel's size, which dilation may exceed, and knows no place for the maximum of a window
  // that steps over all of a short axis
  const stepsOver = (size: Dim, step: number) => step > 1 && !(typeof size === "number" && size >= step);
  const needsFrame = (pair: PaddingPair, i: number) =>
    pair.some((n) => n >= kernel[i]! || (n > 0 && stepsOver(x.shape[i + 2]!, dilation[i]!)));
  if (padding.some(needsFrame)) {
    const framed = padAxes(
      x,
      padding.map(([before, after], i) => ({ axis: i + 2, before, after })),
      Number.NEGATIVE_INFINITY,
    );
    return maxOp([framed], { kernel, stride, dilation, padding: kernel.map(() => [0, 0]) })[0]!;
  }
  return maxOp([x], { kernel, stride, dilation, padding })[0]!;
}

/** Maxima over as many windows as the output is large, whatever the size of `x` `[batch, channels, space…]`. */
export function adaptiveMaxPool(x: Tensor, outputSize: number | readonly number[]): Tensor {
  const { wanted, sizes, even } = adaptiveSizes("adaptiveMaxPool", x, outputSize);
  if (even) return maxPool(x, { kernel: sizes.map((n, i) => n / wanted[i]!) });
  // the last axis first, so that the first of tied elements is the one with the smallest row
  return wanted.reduceRight((y, count, i) => {
    const parts = Array.from({ length: count }, (_, at) => {
      const [start, end] = adaptiveRange(sizes[i]!, count, at);
      return maxPool(slice(y, { axis: i + 2, start, end }), {
        kernel: sizes.map((_, j) => (i === j ? end - start : 1)),
      });
    });
    return concat(parts, i + 2);
  }, x);
}

/**
 * The gradient of a convolution for its weight: for every kernel position the product of the output's gradient with what that
 * position saw of the input. A convolution with a kernel as large as the image would be the same sum, at a fifth of the speed.
 */
import { sum } from "./broadcast.ts";
import { addDims, type Dim, divideDims, mulDims, shapeSize, subDims } from "./dims.ts";
import { scaledMatmulTransposed } from "./kernels/scaled-matmul.ts";
import { reshape, transpose } from "./movement.ts";
import { concat, padAxes, slice, stack } from "./slice.ts";
import type { Tensor } from "./tensor.ts";
import { type PaddingPair, reachOf } from "./windows.ts";

/** How a convolution walks over its input, per spatial axis. */
export interface ConvAttributes {
  readonly stride: readonly number[];
  readonly padding: readonly PaddingPair[];
  readonly dilation: readonly number[];
  readonly groups: number;
}

/**
 * Gradient for the weight of `y = conv(x)`.
 * @param x `[batch, channels, space…]`. @param c gradient of `y`.
 * @returns `[channels of y, channels of x / groups, kernel…]`.
 */
export function convWeightGradient(
  x: Tensor,
  c: Tensor,
  kernel: readonly number[],
  attributes: ConvAttributes,
): Tensor {
  return attributes.stride.every((n) => n === 1)
    ? byTwoShifts(x, c, kernel, attributes)
    : byPositions(x, c, kernel, attributes);
}

/** Axes before the spatial ones in both arrangements of {@link byTwoShifts}. */
const leading = 3;

/**
 * One product for all kernel positions. A position is a shift of `x` against `c`; the shift along the last axis is made in
 * copies of `x`, the others in copies of `c`, so that 3 × 3 positions need six copies and not nine.
 */
function byTwoShifts(x: Tensor, c: Tensor, kernel: readonly number[], attributes: ConvAttributes): Tensor {
  const { padding, dilation, groups } = attributes;
  const last = kernel.length - 1;
  const [inner, outer] = [kernel[last]!, kernel.slice(0, last).reduce((a, b) => a * b, 1)];
  const [inputs, outputs] = [x, c].map((t) => divideDims(t.shape[1]!, groups)!) as [Dim, Dim];
  // sizes of padded rows by columns of the output
  const seen = c.shape.slice(2).map((n, i) => (i === last ? n : addDims(n, reachOf(kernel[i]!, dilation[i]!) - 1)));
  const samplesFirst = sumsAreSmall(shapeSize(seen), mulDims(inputs, inner), mulDims(outputs, outer));
  const arrange = (t: Tensor, channels: Dim) => {
    const split = reshape(t, [t.shape[0]!, groups, channels, ...t.shape.slice(2)]);
    return samplesFirst ? split : transpose(split, [1, 2, 0, ...t.shape.slice(2).map((_, i) => leading + i)]);
  };
  const channelAxis = samplesFirst ? 2 : 1;
  const own = arrange(x, inputs);
  const rowPads = padding.slice(0, last).map(([before, after], i) => ({ axis: leading + i, before, after }));
  const columns = Array.from({ length: inner }, (_, at) => {
    const start = at * dilation[last]!;
    const rest = reachOf(inner, dilation[last]!) - 1 - start;
    return shifted(own, rowPads, leading + last, padding[last]!, start, rest);
  });
  const gradient = arrange(c, outputs);
  const rows = places(kernel.slice(0, last)).map((place) =>
    padAxes(
      gradient,
      place.map((at, i) => {
        const before = at * dilation[i]!;
        return { axis: leading + i, before, after: reachOf(kernel[i]!, dilation[i]!) - 1 - before };
      }),
    ),
  );
  // both are [batch, groups, shifts · channels, positions], or [groups, shifts · channels, batch · positions]
  const flat = (parts: readonly Tensor[], channels: Dim) => {
    const joined = concat(parts, channelAxis);
    return reshape(
      joined,
      samplesFirst
        ? [joined.shape[0]!, groups, channels, shapeSize(seen)]
        : [groups, channels, shapeSize(joined.shape.slice(2))],
    );
  };
  const product = scaledMatmulTransposed(flat(rows, mulDims(outputs, outer)), flat(columns, mulDims(inputs, inner)), 1);
  const total = samplesFirst ? sum(product, [0]) : product;
  // [groups, outer, out, inner, in] → [groups, out, in, outer, inner]
  const positions = transpose(reshape(total, [groups, outer, outputs, inner, inputs]), [0, 2, 4, 1, 3]);
  return reshape(positions, [c.shape[1]!, inputs, ...kernel]);
}

/** Whether products of single samples, to be added up, are no more to write than their factors. */
function sumsAreSmall(positions: Dim, columns: Dim, rows: Dim): boolean {
  const sizes = [positions, columns, rows];
  if (!sizes.every((n) => typeof n === "number")) return true;
  const [length, n, m] = sizes as number[];
  return m! * n! <= length! * (m! + n!);
}

/** All places of a kernel, the last axis running fastest. */
function places(kernel: readonly number[]): readonly (readonly number[])[] {
  return kernel.reduce<number[][]>(
    (all, n) => all.flatMap((place) => Array.from({ length: n }, (_, at) => [...place, at])),
    [[]],
  );
}

/** `x` padded, without its first `start` and last `rest` columns. */
function shifted(
  x: Tensor,
  rowPads: readonly { readonly axis: number; readonly before: number; readonly after: number }[],
  axis: number,
  [before, after]: PaddingPair,
  start: number,
  rest: number,
): Tensor {
  const size = x.shape[axis]!;
  // one node, as long as it leaves something of x
  const cut = Math.max(0, start - before) + Math.max(0, rest - after);
  if (typeof size === "number" && cut < size)
    return padAxes(x, [...rowPads, { axis, before: before - start, after: after - rest }]);
  const padded = padAxes(x, [...rowPads, { axis, before, after }]);
  return slice(padded, { axis, start, end: subDims(padded.shape[axis]!, rest) });
}

/** A product for each kernel position, with any stride. */
function byPositions(x: Tensor, c: Tensor, kernel: readonly number[], attributes: ConvAttributes): Tensor {
  const { stride, padding, dilation, groups } = attributes;
  const spatial = kernel.map((_, i) => i + 2);
  const perGroup = (t: Tensor) => divideDims(t.shape[1]!, groups)!;
  const channelsFirst = (t: Tensor) => transpose(t, [1, 0, ...spatial]);
  const rows = mulDims(c.shape[0]!, shapeSize(c.shape.slice(2)));
  const gradient = reshape(channelsFirst(c), [groups, perGroup(c), rows]);
  const padded = channelsFirst(
    padAxes(
      x,
      spatial.map((axis, i) => ({ axis, before: padding[i]![0], after: padding[i]![1] })),
    ),
  );
  const products = places(kernel).map((place) => {
    const seen = slice(
      padded,
      place.map((at, i) => {
        const start = at * dilation[i]!;
        const end = addDims(mulDims(subDims(c.shape[2 + i]!, 1), stride[i]!), start + 1);
        return { axis: i + 2, start, end, step: stride[i]! };
      }),
    );
    return scaledMatmulTransposed(gradient, reshape(seen, [groups, perGroup(x), rows]), 1);
  });
  return reshape(stack(products, -1), [c.shape[1]!, perGroup(x), ...kernel]);
}

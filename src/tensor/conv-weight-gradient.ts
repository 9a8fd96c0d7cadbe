/**
 * The gradient of a convolution for its weight: for every kernel position the product of the output's gradient with what that
 * position saw of the input. A convolution with a kernel as large as the image would be the same sum, at a fifth of the speed.
 */
import { NDArray } from "../util/ndarray.ts";
import { sum } from "./broadcast.ts";
import { addDims, type Dim, divideDims, mulDims, shapeSize, subDims } from "./dims.ts";
import { gather } from "./gather.ts";
import { scaledMatmulTransposed } from "./kernels/scaled-matmul.ts";
import { reshape, transpose } from "./movement.ts";
import { concat, padAxes, slice, stack } from "./slice.ts";
import { constant, type Tensor } from "./tensor.ts";
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
  // rows are found by their numbers
  const rowsKnown = c.shape.slice(2, -1).every((n) => typeof n === "number");
  return rowsKnown && attributes.stride.every((n) => n === 1)
    ? byTwoShifts(x, c, kernel, attributes)
    : byPositions(x, c, kernel, attributes);
}

/** Axes before the spatial ones in both arrangements of {@link byTwoShifts}. */
const leading = 3;

/**
 * One product for all kernel positions. A position is a shift of `x` against `c`: the shift along the last axis is made in
 * copies of `x`, the one along the others in copies of `c`, so that 3 × 3 positions need six copies and not nine.
 */
function byTwoShifts(x: Tensor, c: Tensor, kernel: readonly number[], attributes: ConvAttributes): Tensor {
  const { padding, dilation, groups } = attributes;
  const last = kernel.length - 1;
  const [inner, outer] = [kernel[last]!, kernel.slice(0, last).reduce((a, b) => a * b, 1)];
  const [inputs, outputs] = [x, c].map((t) => divideDims(t.shape[1]!, groups)!) as [Dim, Dim];
  const rows = c.shape.slice(2, -1) as readonly number[];
  const seenRows = rows.map((n, i) => n + reachOf(kernel[i]!, dilation[i]!) - 1);
  const positions = mulDims(shapeSize(seenRows), c.shape[2 + last]!);
  const samplesFirst = sumsAreSmall(positions, mulDims(inputs, inner), mulDims(outputs, outer));
  const arrange = (t: Tensor, channels: Dim) => {
    const split = reshape(t, [t.shape[0]!, groups, channels, ...t.shape.slice(2)]);
    return samplesFirst ? split : transpose(split, [1, 2, 0, ...t.shape.slice(2).map((_, i) => leading + i)]);
  };
  // [batch, groups, channels and shifts, positions], or [groups, channels and shifts, batch · positions]
  const flat = (t: Tensor, channels: Dim) =>
    reshape(
      t,
      samplesFirst ? [t.shape[0]!, groups, channels, positions] : [groups, channels, mulDims(c.shape[0]!, positions)],
    );

  const own = arrange(x, inputs);
  const rowPads = padding.slice(0, last).map(([before, after], i) => ({ axis: leading + i, before, after }));
  const columnShifts = Array.from({ length: inner }, (_, at) => {
    const start = at * dilation[last]!;
    const rest = reachOf(inner, dilation[last]!) - 1 - start;
    return shifted(own, rowPads, leading + last, padding[last]!, start, rest);
  });
  const columns = concat(columnShifts, samplesFirst ? 2 : 1);
  const gradient = arrange(c, outputs);
  const rowShifts = outer === 1 ? gradient : shiftRows(gradient, rows, seenRows, kernel, dilation, samplesFirst);
  const product = scaledMatmulTransposed(
    flat(rowShifts, mulDims(outputs, outer)),
    flat(columns, mulDims(inputs, inner)),
    1,
  );
  const total = samplesFirst ? sum(product, [0]) : product;
  // [groups, out, outer, inner, in] → [groups, out, in, outer, inner]
  const ordered = transpose(reshape(total, [groups, outputs, outer, inner, inputs]), [0, 1, 4, 2, 3]);
  return reshape(ordered, [c.shape[1]!, inputs, ...kernel]);
}

/**
 * A copy of the rows `[a, b, c, rows…, columns]` for each place of the kernel but for the last axis, moved by that place and filled up
 * with zeros: `[a, b, c, place, seen rows, columns]`, or with the places behind axis 1. ONNX Runtime gathers rows
 * with all threads, and pads and joins with one.
 */
function shiftRows(
  c: Tensor,
  rows: readonly number[],
  seenRows: readonly number[],
  kernel: readonly number[],
  dilation: readonly number[],
  samplesFirst: boolean,
): Tensor {
  const count = rows.reduce((a, b) => a * b, 1);
  const columns = c.shape[c.rank - 1]!;
  const withZeros = padAxes(reshape(c, [...c.shape.slice(0, leading), count, columns]), [
    { axis: leading, before: 0, after: 1 },
  ]);
  const shifts = places(kernel.slice(0, -1));
  const sources = shifts.flatMap((place) =>
    places(seenRows).map((row) => {
      const source = row.map((at, i) => at - place[i]! * dilation[i]!);
      const inside = source.every((at, i) => at >= 0 && at < rows[i]!);
      return inside ? source.reduce((number, at, i) => number * rows[i]! + at, 0) : count;
    }),
  );
  const moved = gather(withZeros, constant(NDArray.from(sources, [sources.length], "i64")), leading);
  const split = [...c.shape.slice(0, leading), shifts.length, sources.length / shifts.length, columns];
  const shaped = reshape(moved, split);
  return samplesFirst ? shaped : transpose(shaped, [0, 1, 3, 2, 4, 5]);
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

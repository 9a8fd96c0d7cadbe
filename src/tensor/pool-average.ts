/**
 * Means over windows, and repeating elements in blocks: for windows side by side each is the other's gradient. Layout
 * `[batch, channels, space…]`, one to three spatial axes.
 */
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import { addDims, type Dim, mulDims, shapeText, subDims } from "./dims.ts";
import { mul } from "./elementwise.ts";
import { reshape, unsqueeze } from "./movement.ts";
import { mapAxis } from "./separable.ts";
import { padAxes, slice } from "./slice.ts";
import { constant, defineOp, type OpCall, type Tensor, type TensorType } from "./tensor.ts";
import { type PaddingPair, paddingPairs, perAxis, type WindowPadding, windowCount } from "./windows.ts";

/** Options of pooling; a single number counts for every spatial axis. */
export interface PoolOptions {
  /** Size of the window. */
  readonly kernel: number | readonly number[];
  /** Step of the window; its size by default. */
  readonly stride?: number | readonly number[];
  /** Elements around the input: on both sides, or `[before, after]` per spatial axis; 0 by default. */
  readonly padding?: WindowPadding;
  /** Whether a last window may reach beyond the end, as long as it begins before; false by default. */
  readonly ceilMode?: boolean;
}

/** Checks what pooling asks of its input; returns the number of spatial axes. */
export function checkSpatial(op: string, x: TensorType): number {
  const rank = x.shape.length - 2;
  if (x.dtype !== "f32") fail("dtype", `${op}: needs f32, got ${x.dtype}; cast it first`);
  if (rank < 1 || rank > 3)
    fail("shape", `${op}: needs [batch, channels, 1 to 3 spatial axes], got ${shapeText(x.shape)}`);
  return rank;
}

/**
 * Padding that `ceilMode` makes of the given one: enough at the end for a last window that begins inside of the input or its
 * padding in front. @throws `unsupported` for symbolic sizes.
 */
export function ceilPadding(
  op: string,
  size: Dim,
  reach: number,
  stride: number,
  [before, after]: PaddingPair,
): PaddingPair {
  if (typeof size !== "number") return fail("unsupported", `${op}: ceilMode needs known sizes, got ${size}`);
  let count = Math.ceil((size + before + after - reach) / stride) + 1;
  if ((count - 1) * stride >= size + before) count--;
  return [before, Math.max(after, (count - 1) * stride + reach - size - before)];
}

interface MeanAttributes {
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  /** Zeros around the input, which count. */
  readonly padding: readonly PaddingPair[];
}

const area = (kernel: readonly number[]) => kernel.reduce((a, b) => a * b, 1);
const spatialAxes = (kernel: readonly number[]) => kernel.map((_, i) => i + 2);

const averageOp: OpCall<MeanAttributes> = defineOp<MeanAttributes>({
  name: "averagePool",
  infer([x], { kernel, stride, padding }) {
    const space = kernel.map((k, i) => windowCount("averagePool", x!.shape[i + 2]!, k, stride[i]!, padding[i]!));
    return [{ dtype: "f32", shape: [...x!.shape.slice(0, 2), ...space] }];
  },
  lower: (context, [x], { attributes: { kernel, stride, padding } }) => [
    context.node("AveragePool", [x!], {
      kernel_shape: { ints: kernel },
      strides: { ints: stride },
      pads: { ints: [...padding.map(([before]) => before), ...padding.map(([, after]) => after)] },
      count_include_pad: { int: 1 },
    }),
  ],
  vjp({ inputs: [x], attributes }, [c]) {
    if (!c) return [undefined];
    const { kernel, stride, padding } = attributes;
    const axes = spatialAxes(kernel);
    if (kernel.every((k, i) => k === stride[i]) && padding.flat().every((n) => n === 0)) {
      const spread = repeatBlocks(mul(c, 1 / area(kernel)), kernel);
      // what no window saw
      const rest = axes.map((axis) => ({ axis, before: 0, after: subDims(x!.shape[axis]!, spread.shape[axis]!) }));
      return [padAxes(spread, rest)];
    }
    // the windows that saw an element are a window of the gradient, once what strides skipped is filled with zeros
    const filled = axes.reduce((t, axis, i) => insertZeros(t, axis, stride[i]!), c);
    const framed = padAxes(
      filled,
      axes.map((axis, i) => {
        const front = padding[i]![0];
        const after = subDims(addDims(x!.shape[axis]!, front), filled.shape[axis]!);
        return { axis, before: kernel[i]! - 1 - front, after };
      }),
    );
    return [averageOp([framed], { kernel, stride: kernel.map(() => 1), padding: kernel.map(() => [0, 0]) })[0]!];
  },
});

/** Puts `step − 1` zeros between the elements of an axis. */
export function insertZeros(x: Tensor, axis: number, step: number): Tensor {
  if (step === 1) return x;
  const size = x.shape[axis]!;
  const filled = padAxes(unsqueeze(x, axis + 1), [{ axis: axis + 1, before: 0, after: step - 1 }]);
  const joined = reshape(
    filled,
    x.shape.map((n, i) => (i === axis ? mulDims(n, step) : n)),
  );
  return slice(joined, { axis, end: subDims(mulDims(size, step), step - 1) });
}

interface BlockAttributes {
  readonly factors: readonly number[];
}

const repeatOp: OpCall<BlockAttributes> = defineOp<BlockAttributes>({
  name: "repeatBlocks",
  infer: ([x], { factors }) => [
    { dtype: "f32", shape: x!.shape.map((n, i) => (i < 2 ? n : mulDims(n, factors[i - 2]!))) },
  ],
  // Resize takes 0.2 ms for 16×16×32×32 and factor 2, a broadcast between reshapes 6 ms
  lower: (context, [x], { attributes: { factors } }) => [
    context.node("Resize", [x!, "", context.constant(NDArray.from([1, 1, ...factors]))], {
      mode: { string: "nearest" },
      coordinate_transformation_mode: { string: "asymmetric" },
      nearest_mode: { string: "floor" },
    }),
  ],
  vjp: ({ attributes: { factors } }, [c]) => [
    c &&
      mul(averageOp([c], { kernel: factors, stride: factors, padding: factors.map(() => [0, 0]) })[0]!, area(factors)),
  ],
});

/** Repeats every element of the spatial axes by whole factors, so that it fills a block. */
export function repeatBlocks(x: Tensor, factors: readonly number[]): Tensor {
  const rank = checkSpatial("repeatBlocks", x);
  return repeatOp([x], { factors: perAxis("repeatBlocks", "factors", factors, rank, 1) })[0]!;
}

/** Options of {@link averagePool}. */
export interface AveragePoolOptions extends PoolOptions {
  /** Whether padding counts as zeros; true by default. What `ceilMode` adds beyond it never counts. */
  readonly countPadding?: boolean;
}

/**
 * Means over windows of `x` `[batch, channels, space…]`.
 * @throws `shape` when a window does not fit; `unsupported` for symbolic sizes where windows are cut by a border.
 */
export function averagePool(x: Tensor, options: AveragePoolOptions): Tensor {
  const rank = checkSpatial("averagePool", x);
  const kernel = perAxis("averagePool", "kernel", options.kernel, rank, 1);
  const stride = perAxis("averagePool", "stride", options.stride ?? kernel, rank, 1);
  const given = paddingPairs("averagePool", options.padding ?? 0, rank);
  const { ceilMode = false, countPadding = true } = options;
  if (given.some((pair, i) => pair.some((n) => n >= kernel[i]!)))
    fail("shape", `averagePool: padding ${JSON.stringify(given)} must be below the kernel [${kernel}]`);
  const padding = ceilMode
    ? given.map((pair, i) => ceilPadding("averagePool", x.shape[i + 2]!, kernel[i]!, stride[i]!, pair))
    : given;
  const y = averageOp([x], { kernel, stride, padding })[0]!;
  // windows that a border cuts have fewer elements: factors by axis, whose product makes up for it
  return kernel.reduce((sofar, k, i) => {
    const counted = countPadding ? given[i]! : ([0, 0] as const);
    if (String(counted) === String(padding[i])) return sofar;
    const [size, count] = [x.shape[i + 2]!, y.shape[i + 2]!];
    if (typeof size !== "number" || typeof count !== "number")
      return fail("unsupported", `averagePool: windows cut by a border need known sizes, got ${shapeText(x.shape)}`);
    const factors = Array.from({ length: count }, (_, at) => {
      const start = at * stride[i]! - padding[i]![0];
      return k / (Math.min(start + k, size + counted[1]) - Math.max(start, -counted[0]));
    });
    if (factors.every((f) => f === 1)) return sofar;
    const shape = [count, ...new Array<number>(rank - 1 - i).fill(1)];
    return mul(sofar, constant(NDArray.from(factors, shape)));
  }, y);
}

/** Sizes that adaptive pooling is asked for, and those it has. */
export function adaptiveSizes(op: string, x: Tensor, outputSize: number | readonly number[]) {
  const rank = checkSpatial(op, x);
  const wanted = perAxis(op, "outputSize", outputSize, rank, 1);
  const sizes = x.shape.slice(2).map((n) => (typeof n === "number" ? n : unknownSize(op, x)));
  return { wanted, sizes, even: sizes.every((n, i) => n % wanted[i]! === 0) };
}

function unknownSize(op: string, x: Tensor): never {
  return fail("unsupported", `${op}: spatial sizes must be known, got ${shapeText(x.shape)}`);
}

/** Elements `[from, to)` of an axis that make up part `i` of `parts` equal ones, which overlap where they do not divide. */
export function adaptiveRange(size: number, parts: number, i: number): readonly [from: number, to: number] {
  return [Math.floor((i * size) / parts), Math.ceil(((i + 1) * size) / parts)];
}

/** Means over as many windows as the output is large, whatever the size of `x` `[batch, channels, space…]`. */
export function adaptiveAveragePool(x: Tensor, outputSize: number | readonly number[]): Tensor {
  const { wanted, sizes, even } = adaptiveSizes("adaptiveAveragePool", x, outputSize);
  if (even) return averagePool(x, { kernel: sizes.map((n, i) => n / wanted[i]!) });
  return wanted.reduce((y, count, i) => {
    const matrix = new Float32Array(count * sizes[i]!);
    for (let row = 0; row < count; row++) {
      const [from, to] = adaptiveRange(sizes[i]!, count, row);
      matrix.fill(1 / (to - from), row * sizes[i]! + from, row * sizes[i]! + to);
    }
    return mapAxis(y, new NDArray(matrix, [count, sizes[i]!], "f32"), i + 2);
  }, x);
}

/**
 * Reductions beside the sum (which shares `broadcast.ts` with its transpose). Orderings live in `sort.ts`.
 */
import { dtypes } from "../util/dtype.ts";
import { fail } from "../util/errors.ts";
import { dimSize } from "./arrange.ts";
import { broadcastTo, type ReduceAttributes, type ReduceOptions, reducedShape, sum } from "./broadcast.ts";
import { cast } from "./cast.ts";
import { equal, logicalAnd, logicalNot, where } from "./compare.ts";
import { type Dim, mulDims, normalizeAxes, normalizeAxis } from "./dims.ts";
import { div, mul, sub } from "./elementwise.ts";
import { exp, sqrt, square } from "./functions.ts";
import { reshape } from "./movement.ts";
import { defineOp, type Tensor } from "./tensor.ts";

/** Axes to reduce: one, several, or `null` for all. */
export type Axes = number | readonly number[] | null;

/** A reduction over axes. */
export type Reduction = (x: Tensor, axes?: Axes, options?: ReduceOptions) => Tensor;

/** Gradient of a reduction: `c` and `y` have kept their axes and broadcast to `x`. */
type ReduceVjp = (c: Tensor, x: Tensor, y: Tensor, axes: readonly number[]) => Tensor;

function reduction(name: string, onnxOp: string, vjp: ReduceVjp, integers = false): Reduction {
  const op = defineOp<ReduceAttributes>({
    name,
    infer([x], { axes, keepDims }) {
      if (!dtypes[x!.dtype].float && !(integers && x!.dtype !== "bool"))
        fail("dtype", `${name}: needs ${integers ? "numbers" : "floats"}, got ${x!.dtype}; cast it first`);
      return [{ dtype: x!.dtype, shape: reducedShape(x!.shape, axes, keepDims) }];
    },
    lower: (context, [x], { attributes: { axes, keepDims } }) => [
      context.node(onnxOp, [x!, context.int64s(axes)], {
        keepdims: { int: Number(keepDims) },
        noop_with_empty_axes: { int: 1 },
      }),
    ],
    vjp({ inputs: [x], outputs: [y], attributes: { axes } }, [cotangent]) {
      if (!cotangent || !dtypes[x!.dtype].float) return [undefined];
      const kept = reducedShape(x!.shape, axes, true);
      return [vjp(reshape(cotangent, kept), x!, reshape(y!, kept), axes)];
    },
  });
  return (x, axes = null, options = {}) => {
    const list = normalizeAxes(name, axes, x.rank);
    // a reduction over no axis leaves every element alone
    return list.length ? op([x], { axes: list, keepDims: options.keepDims ?? false })[0]! : x;
  };
}

/** Number of elements that one result of a reduction stands for. */
function reducedCount(x: Tensor, axes: readonly number[]): Dim {
  return axes.map((axis) => x.shape[axis]!).reduce(mulDims, 1);
}

/** Mean over axes. */
export const mean: Reduction = reduction("mean", "ReduceMean", (c, x, _, axes) =>
  broadcastTo(div(c, dimSize(reducedCount(x, axes), x.dtype)), x.shape),
);

function extremum(c: Tensor, x: Tensor, y: Tensor, axes: readonly number[]): Tensor {
  const hit = cast(equal(x, y), x.dtype);
  return mul(hit, div(c, sum(hit, axes, { keepDims: true })));
}

/** Largest element along axes; the gradient is shared equally among tied ones. */
export const max: Reduction = reduction("max", "ReduceMax", extremum, true);

/** Smallest element along axes; the gradient is shared equally among tied ones. */
export const min: Reduction = reduction("min", "ReduceMin", extremum, true);

/** Product along axes. */
export const prod: Reduction = reduction(
  "prod",
  "ReduceProd",
  (c, x, y, axes) => {
    // with one zero, only its own gradient is not 0: the product of the others
    const zero = equal(x, 0);
    const zeros = sum(cast(zero, x.dtype), axes, { keepDims: true });
    const filled = where(zero, 1, x);
    const others = prod(filled, axes, { keepDims: true });
    const atZero = where(logicalAnd(zero, equal(zeros, 1)), others, 0);
    return mul(c, where(equal(zeros, 0), div(y, filled), atZero));
  },
  true,
);

/** log Σ eˣ along axes, without overflow. */
export const logSumExp: Reduction = reduction("logSumExp", "ReduceLogSumExp", (c, x, y) => mul(c, exp(sub(x, y))));

/** Euclidean norm along axes; its gradient at 0 is 0. */
export const norm2: Reduction = reduction("norm2", "ReduceL2", (c, x, y) =>
  mul(x, where(equal(y, 0), 0, div(c, where(equal(y, 0), 1, y)))),
);

/** Options of {@link variance}. */
export interface VarianceOptions extends ReduceOptions {
  /** Subtracted from the number of elements that the squares are divided by; 0 by default, 1 for the unbiased estimate. */
  readonly correction?: number;
}

/** Variance along axes. */
export function variance(x: Tensor, axes: Axes = null, options: VarianceOptions = {}): Tensor {
  const { correction = 0, keepDims = false } = options;
  const over = normalizeAxes("variance", axes, x.rank);
  const squares = square(sub(x, mean(x, axes, { keepDims: true })));
  if (correction === 0) return mean(squares, axes, { keepDims });
  const count = dimSize(reducedCount(x, over), x.dtype);
  return div(sum(squares, axes, { keepDims }), sub(count, correction));
}

/** Standard deviation along axes. */
export function standardDeviation(x: Tensor, axes: Axes = null, options: VarianceOptions = {}): Tensor {
  return sqrt(variance(x, axes, options));
}

/** Whether any element along axes is true; false for an empty axis. */
export function any(x: Tensor, axes: Axes = null, options: ReduceOptions = {}): Tensor {
  if (x.dtype !== "bool") fail("dtype", `any: needs bool, got ${x.dtype}`);
  return cast(sum(cast(x, "i32"), axes, options), "bool");
}

/** Whether all elements along axes are true; true for an empty axis. */
export function all(x: Tensor, axes: Axes = null, options: ReduceOptions = {}): Tensor {
  if (x.dtype !== "bool") fail("dtype", `all: needs bool, got ${x.dtype}`);
  return logicalNot(any(logicalNot(x), axes, options));
}

interface ArgAttributes {
  readonly axis: number;
  readonly keepDims: boolean;
}

function argOp(name: string, onnxOp: string): (x: Tensor, axis: number, options?: ReduceOptions) => Tensor {
  const op = defineOp<ArgAttributes>({
    name,
    infer: ([x], { axis, keepDims }) => [{ dtype: "i64", shape: reducedShape(x!.shape, [axis], keepDims) }],
    lower: (context, [x], { attributes: { axis, keepDims } }) => [
      context.node(onnxOp, [x!], { axis: { int: axis }, keepdims: { int: Number(keepDims) } }),
    ],
    vjp: "none",
  });
  return (x, axis, options = {}) =>
    op([x], { axis: normalizeAxis(name, axis, x.rank), keepDims: options.keepDims ?? false })[0]!;
}

/** Index (`i64`) of the largest element along an axis, the first of tied ones. */
export const argmax = argOp("argmax", "ArgMax");

/** Index (`i64`) of the smallest element along an axis, the first of tied ones. */
export const argmin = argOp("argmin", "ArgMin");

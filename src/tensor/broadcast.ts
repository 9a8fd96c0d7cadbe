/**
 * Broadcasting and its transpose, the sum: each is the other's gradient, so they share a file. Other reductions live
 * in `reduce.ts`.
 */
import { dtypes } from "../util/dtype.ts";
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import { broadcastShapes, type Dim, normalizeAxes, normalizeDim, shapeText } from "./dims.ts";
import { reshape } from "./movement.ts";
import { defineOp, type Tensor } from "./tensor.ts";

/** Attributes of reductions: sorted axes counted from the front, and whether they stay as axes of size 1. */
export interface ReduceAttributes {
  readonly axes: readonly number[];
  readonly keepDims: boolean;
}

/** Options of reductions. */
export interface ReduceOptions {
  /** Keep the reduced axes with size 1; false by default. */
  readonly keepDims?: boolean;
}

/** Shape after reducing `axes`. */
export function reducedShape(shape: readonly Dim[], axes: readonly number[], keepDims: boolean): Dim[] {
  return shape.flatMap((n, i) => (axes.includes(i) ? (keepDims ? [1] : []) : [n]));
}

const sumOp = defineOp<ReduceAttributes>({
  name: "sum",
  infer([x], { axes, keepDims }) {
    if (x!.dtype === "bool") fail("dtype", "sum: bool is not a number; cast it first");
    return [{ dtype: x!.dtype, shape: reducedShape(x!.shape, axes, keepDims) }];
  },
  lower: (context, [x], { attributes: { axes, keepDims } }) => [
    context.node("ReduceSum", [x!, context.int64s(axes)], {
      keepdims: { int: Number(keepDims) },
      noop_with_empty_axes: { int: 1 },
    }),
  ],
  vjp({ inputs: [x], attributes: { axes } }, [cotangent]) {
    if (!cotangent || !dtypes[x!.dtype].float) return [undefined];
    return [broadcastTo(reshape(cotangent, reducedShape(x!.shape, axes, true)), x!.shape)];
  },
});

/** Sum over axes (`null`: all of them). */
export function sum(x: Tensor, axes: number | readonly number[] | null = null, options: ReduceOptions = {}): Tensor {
  return sumOp([x], { axes: normalizeAxes("sum", axes, x.rank), keepDims: options.keepDims ?? false })[0]!;
}

/** Adds up the axes that broadcasting from `shape` created: the transpose of {@link broadcastTo}. */
export function sumTo(x: Tensor, shape: readonly Dim[]): Tensor {
  const extra = x.rank - shape.length;
  if (extra < 0) fail("shape", `sumTo: ${shapeText(x.shape)} has fewer axes than ${shapeText(shape)}`);
  const axes = x.shape.map((_, i) => i).filter((i) => i < extra || (shape[i - extra] === 1 && x.shape[i] !== 1));
  if (!axes.length) return x;
  const summed = sum(x, axes, { keepDims: true });
  return extra ? reshape(summed, shape) : summed;
}

const broadcastOp = defineOp<{ readonly shape: readonly Dim[] }>({
  name: "broadcastTo",
  infer([x], { shape }) {
    const out = broadcastShapes("broadcastTo", x!.shape, shape);
    if (out.length !== shape.length || out.some((n, i) => n !== shape[i]))
      fail("shape", `broadcastTo: ${shapeText(x!.shape)} does not broadcast to ${shapeText(shape)}`);
    return [{ dtype: x!.dtype, shape }];
  },
  lower(context, [x], { inputs, attributes: { shape } }) {
    // ONNX Runtime drops an Expand of size 1 to a constant 0 (1.30), so nothing is expanded there
    if (!shape.includes(0)) return [context.node("Expand", [x!, context.shape(shape)])];
    const nothing = context.constant(NDArray.zeros([0], inputs[0]!.dtype));
    return [context.node("Reshape", [nothing, context.shape(shape)], { allowzero: { int: 1 } })];
  },
  vjp: ({ inputs: [x] }, [cotangent]) => [cotangent && sumTo(cotangent, x!.shape)],
});

/** Repeats axes of size 1, and adds leading axes, until the shape is reached. */
export function broadcastTo(x: Tensor, shape: readonly Dim[]): Tensor {
  const target = shape.map(normalizeDim);
  if (target.length === x.rank && target.every((n, i) => n === x.shape[i])) return x;
  return broadcastOp([x], { shape: target })[0]!;
}

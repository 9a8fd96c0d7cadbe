/**
 * Element-wise arithmetic with broadcasting: binary operations and their gradients. Functions of one argument live in
 * `functions.ts`, comparisons and selection in `compare.ts`.
 */
import { dtypes } from "../util/dtype.ts";
import { fail } from "../util/errors.ts";
import { sumTo } from "./broadcast.ts";
import { broadcastShapes } from "./dims.ts";
import { defineOp, type OpCall, scalar, type Tensor } from "./tensor.ts";

/** A tensor, or a plain number that becomes a scalar of the other operand's dtype. */
export type TensorLike = Tensor | number;

/** Brings both operands of a binary op to tensors. */
export function operands(a: TensorLike, b: TensorLike): [Tensor, Tensor] {
  if (typeof a === "number") {
    if (typeof b === "number") return [scalar(a), scalar(b)];
    return [scalar(a, b.dtype), b];
  }
  return [a, typeof b === "number" ? scalar(b, a.dtype) : b];
}

type BinaryVjp = (cotangent: Tensor, a: Tensor, b: Tensor, y: Tensor) => readonly [Tensor, Tensor];

function binary(name: string, onnxOp: string, vjp: BinaryVjp): (a: TensorLike, b: TensorLike) => Tensor {
  const op: OpCall<Record<never, never>> = defineOp({
    name,
    infer([a, b]) {
      if (a!.dtype !== b!.dtype) fail("dtype", `${name}: dtypes differ, ${a!.dtype} and ${b!.dtype}; cast one of them`);
      if (a!.dtype === "bool") fail("dtype", `${name}: bool is not a number; cast it first`);
      return [{ dtype: a!.dtype, shape: broadcastShapes(name, a!.shape, b!.shape) }];
    },
    lower: (context, inputs) => [context.node(onnxOp, inputs)],
    vjp({ inputs: [a, b], outputs: [y] }, [cotangent]) {
      if (!cotangent || !dtypes[a!.dtype].float) return [undefined, undefined];
      const [da, db] = vjp(cotangent, a!, b!, y!);
      return [sumTo(da, a!.shape), sumTo(db, b!.shape)];
    },
  });
  return (a, b) => op(operands(a, b), {})[0]!;
}

/** Sum, with broadcasting. */
export const add = binary("add", "Add", (c) => [c, c]);

/** Difference, with broadcasting. */
export const sub = binary("sub", "Sub", (c) => [c, mul(c, -1)]);

/** Product, with broadcasting. */
export const mul = binary("mul", "Mul", (c, a, b) => [mul(c, b), mul(c, a)]);

/** Quotient, with broadcasting; integers are divided toward zero. */
export const div = binary("div", "Div", (c, _, b, y) => [div(c, b), mul(div(mul(c, y), b), -1)]);

/**
 * What binary operations share: plain numbers become scalars of the other operand's dtype, and both sides broadcast.
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

/** Gradient of a binary operation before broadcasting is undone; `undefined` stands for zero. */
export type BinaryVjp = (
  cotangent: Tensor,
  a: Tensor,
  b: Tensor,
  y: Tensor,
) => readonly [Tensor | undefined, Tensor | undefined];

/** Defines a binary arithmetic op that keeps its operands' dtype and lowers to one ONNX node. */
export function binaryOp(
  name: string,
  onnxOp: string,
  vjp: BinaryVjp | "none",
): (a: TensorLike, b: TensorLike) => Tensor {
  const op: OpCall<Record<never, never>> = defineOp({
    name,
    infer([a, b]) {
      if (a!.dtype !== b!.dtype) fail("dtype", `${name}: dtypes differ, ${a!.dtype} and ${b!.dtype}; cast one of them`);
      if (a!.dtype === "bool") fail("dtype", `${name}: bool is not a number; cast it first`);
      return [{ dtype: a!.dtype, shape: broadcastShapes(name, a!.shape, b!.shape) }];
    },
    lower: (context, inputs) => [context.node(onnxOp, inputs)],
    vjp:
      vjp === "none"
        ? "none"
        : ({ inputs: [a, b], outputs: [y] }, [cotangent]) => {
            if (!cotangent || !dtypes[a!.dtype].float) return [undefined, undefined];
            const [da, db] = vjp(cotangent, a!, b!, y!);
            return [da && sumTo(da, a!.shape), db && sumTo(db, b!.shape)];
          },
  });
  return (a, b) => op(operands(a, b), {})[0]!;
}

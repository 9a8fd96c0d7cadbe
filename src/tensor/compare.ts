/**
 * Comparisons, logic, and selection by a condition.
 */
import { type DType, dtypes } from "../util/dtype.ts";
import { fail } from "../util/errors.ts";
import { sumTo } from "./broadcast.ts";
import { onnxTypeOf } from "./cast.ts";
import { broadcastShapes } from "./dims.ts";
import { operands, type TensorLike } from "./operands.ts";
import { defineOp, type OpCall, scalar, type Tensor } from "./tensor.ts";

function comparison(name: string, onnxOp: string, negate = false): (a: TensorLike, b: TensorLike) => Tensor {
  const op = defineOp({
    name,
    infer([a, b]) {
      if (a!.dtype !== b!.dtype) fail("dtype", `${name}: dtypes differ, ${a!.dtype} and ${b!.dtype}; cast one of them`);
      return [{ dtype: "bool", shape: broadcastShapes(name, a!.shape, b!.shape) }];
    },
    lower(context, inputs) {
      const y = context.node(onnxOp, inputs);
      return [negate ? context.node("Not", [y]) : y];
    },
    vjp: "none",
  });
  return (a, b) => op(operands(a, b), {})[0]!;
}

/** Whether elements are equal; NaN equals nothing, −0 equals 0. */
export const equal = comparison("equal", "Equal");
/** Whether elements differ. */
export const notEqual = comparison("notEqual", "Equal", true);
/** Whether `a < b`. */
export const less = comparison("less", "Less");
/** Whether `a ≤ b`. */
export const lessEqual = comparison("lessEqual", "LessOrEqual");
/** Whether `a > b`. */
export const greater = comparison("greater", "Greater");
/** Whether `a ≥ b`. */
export const greaterEqual = comparison("greaterEqual", "GreaterOrEqual");

function logical(name: string, onnxOp: string): (a: Tensor, b: Tensor) => Tensor {
  const op = defineOp({
    name,
    infer([a, b]) {
      if (a!.dtype !== "bool" || b!.dtype !== "bool")
        fail("dtype", `${name}: needs bool, got ${a!.dtype} and ${b!.dtype}`);
      return [{ dtype: "bool", shape: broadcastShapes(name, a!.shape, b!.shape) }];
    },
    lower: (context, inputs) => [context.node(onnxOp, inputs)],
    vjp: "none",
  });
  return (a, b) => op([a, b], {})[0]!;
}

/** Whether both are true. */
export const logicalAnd = logical("logicalAnd", "And");
/** Whether either is true. */
export const logicalOr = logical("logicalOr", "Or");
/** Whether exactly one is true. */
export const logicalXor = logical("logicalXor", "Xor");

function test(name: string, onnxOp: string, accepts: (dtype: DType) => boolean, wanted: string): (x: Tensor) => Tensor {
  const op = defineOp({
    name,
    infer([x]) {
      if (!accepts(x!.dtype)) fail("dtype", `${name}: needs ${wanted}, got ${x!.dtype}`);
      return [{ dtype: "bool", shape: x!.shape }];
    },
    lower: (context, inputs) => [context.node(onnxOp, inputs)],
    vjp: "none",
  });
  return (x) => op([x], {})[0]!;
}

/** Whether the element is false. */
export const logicalNot = test("logicalNot", "Not", (dtype) => dtype === "bool", "bool");
/** Whether the element is NaN. */
// biome-ignore lint/suspicious/noShadowRestrictedNames: the field's name for it
export const isNaN = test("isNaN", "IsNaN", (dtype) => dtypes[dtype].float, "floats");
/** Whether the element is an infinity of either sign. */
export const isInf = test("isInf", "IsInf", (dtype) => dtypes[dtype].float, "floats");

// element types that ONNX Runtime's Where lacks pass through i64
const widened: readonly DType[] = ["bool", "i8", "u16", "u32"];

const whereOp: OpCall<Record<never, never>> = defineOp({
  name: "where",
  infer([condition, a, b]) {
    if (condition!.dtype !== "bool") fail("dtype", `where: the condition must be bool, got ${condition!.dtype}`);
    if (a!.dtype !== b!.dtype) fail("dtype", `where: dtypes differ, ${a!.dtype} and ${b!.dtype}; cast one of them`);
    const branches = broadcastShapes("where", a!.shape, b!.shape);
    return [{ dtype: a!.dtype, shape: broadcastShapes("where", condition!.shape, branches) }];
  },
  lower(context, [condition, a, b], { outputs: [y] }) {
    if (!widened.includes(y!.dtype)) return [context.node("Where", [condition!, a!, b!])];
    const wide = (x: string) => context.node("Cast", [x], { to: { int: onnxTypeOf("i64") } });
    const chosen = context.node("Where", [condition!, wide(a!), wide(b!)]);
    return [context.node("Cast", [chosen], { to: { int: onnxTypeOf(y!.dtype) } })];
  },
  vjp({ inputs: [condition, a, b] }, [cotangent]) {
    if (!cotangent || !dtypes[a!.dtype].float) return [undefined, undefined, undefined];
    const zero = scalar(0, a!.dtype);
    return [
      undefined,
      sumTo(whereOp([condition!, cotangent, zero], {})[0]!, a!.shape),
      sumTo(whereOp([condition!, zero, cotangent], {})[0]!, b!.shape),
    ];
  },
});

/** `a` where the condition holds, `b` elsewhere; a NaN in the branch not taken reaches neither value nor gradient. */
export function where(condition: Tensor, a: TensorLike, b: TensorLike): Tensor {
  return whereOp([condition, ...operands(a, b)], {})[0]!;
}

/** `value` where the mask is true, `x` elsewhere. */
export function maskedFill(x: Tensor, mask: Tensor, value: number): Tensor {
  return where(mask, value, x);
}

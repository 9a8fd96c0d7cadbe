/**
 * Element-wise mathematical functions of floats, and powers. Activations live in `activations.ts`.
 */
import { dtypes } from "../util/dtype.ts";
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import { equal, greater, where } from "./compare.ts";
import { add, div, mul, sub } from "./elementwise.ts";
import type { LowerContext } from "./lowering.ts";
import { binaryOp, type TensorLike } from "./operands.ts";
import { defineOp, type Tensor } from "./tensor.ts";

/** Options of {@link unaryOp}. */
export interface UnaryOptions {
  /** Accept integers too. */
  readonly integers?: boolean;
}

/**
 * Defines an element-wise function of one argument.
 * @param lowering the ONNX op, or a function that emits several nodes.
 * @param vjp cotangent of `x` given that of `y`; `zero` for functions that are constant almost everywhere.
 */
export function unaryOp(
  name: string,
  lowering: string | ((context: LowerContext, x: string) => string),
  vjp: "zero" | ((cotangent: Tensor, x: Tensor, y: Tensor) => Tensor),
  options: UnaryOptions = {},
): (x: Tensor) => Tensor {
  const op = defineOp({
    name,
    infer([x]) {
      if (!dtypes[x!.dtype].float && !(options.integers && x!.dtype !== "bool"))
        fail("dtype", `${name}: needs ${options.integers ? "numbers" : "floats"}, got ${x!.dtype}; cast it first`);
      return [{ dtype: x!.dtype, shape: x!.shape }];
    },
    lower: (context, [x]) => [typeof lowering === "string" ? context.node(lowering, [x!]) : lowering(context, x!)],
    vjp: ({ inputs: [x], outputs: [y] }, [cotangent]) => [
      cotangent && vjp !== "zero" ? vjp(cotangent, x!, y!) : undefined,
    ],
  });
  return (x) => op([x], {})[0]!;
}

/** eˣ. */
export const exp = unaryOp("exp", "Exp", (c, _, y) => mul(c, y));

/** Natural logarithm. */
export const log = unaryOp("log", "Log", (c, x) => div(c, x));

/** log(1 + x), exact near 0. */
export const log1p = unaryOp(
  "log1p",
  (context, x) => {
    // u = 1 + x is rounded; log(u) · x / (u − 1) undoes the rounding where u is near 1 (Kahan)
    const constant = (value: number) => context.constant(NDArray.scalar(value));
    const u = context.node("Add", [x, constant(1)]);
    const plain = context.node("Log", [u]);
    const ratio = context.node("Div", [x, context.node("Sub", [u, constant(1)])]);
    const near = context.node("Less", [context.node("Abs", [x]), constant(0.5)]);
    const corrected = context.node("Where", [near, context.node("Mul", [plain, ratio]), plain]);
    return context.node("Where", [context.node("Equal", [u, constant(1)]), x, corrected]);
  },
  (c, x) => div(c, add(x, 1)),
);

/** eˣ − 1, exact near 0. */
export const expm1 = unaryOp(
  "expm1",
  (context, x) => {
    // (eˣ − 1) = tanh(x / 2) · (eˣ + 1), which cancels nothing
    const constant = (value: number) => context.constant(NDArray.scalar(value));
    const half = context.node("Tanh", [context.node("Mul", [x, constant(0.5)])]);
    return context.node("Mul", [half, context.node("Add", [context.node("Exp", [x]), constant(1)])]);
  },
  (c, _, y) => mul(c, add(y, 1)),
);

/** Square root. */
export const sqrt = unaryOp("sqrt", "Sqrt", (c, _, y) => div(mul(c, 0.5), y));

/** 1 / x. */
export const reciprocal = unaryOp("reciprocal", "Reciprocal", (c, _, y) => mul(mul(c, -1), mul(y, y)));

/** 1 / √x. */
export const rsqrt = unaryOp(
  "rsqrt",
  (context, x) => context.node("Reciprocal", [context.node("Sqrt", [x])]),
  (c, x, y) => div(mul(mul(c, -0.5), y), x),
);

/** Absolute value; the gradient at 0 is 0. */
export const abs = unaryOp("abs", "Abs", (c, x) => mul(c, sign(x)), { integers: true });

/** −1, 0 or 1. */
export const sign = unaryOp("sign", "Sign", "zero", { integers: true });

/** Negative. */
export const neg = unaryOp("neg", "Neg", (c) => mul(c, -1), { integers: true });

/** x². */
export function square(x: Tensor): Tensor {
  return mul(x, x);
}

/** Sine of radians. */
export const sin = unaryOp("sin", "Sin", (c, x) => mul(c, cos(x)));

/** Cosine of radians. */
export const cos = unaryOp("cos", "Cos", (c, x) => mul(mul(c, -1), sin(x)));

/** Tangent of radians. */
export const tan = unaryOp("tan", "Tan", (c, _, y) => mul(c, add(mul(y, y), 1)));

/** Arc tangent, in (−π/2, π/2). */
export const atan = unaryOp("atan", "Atan", (c, x) => div(c, add(mul(x, x), 1)));

/** Hyperbolic tangent. */
export const tanh = unaryOp("tanh", "Tanh", (c, _, y) => mul(c, sub(1, mul(y, y))));

/** Gauss's error function. */
export const erf = unaryOp("erf", "Erf", (c, x) => mul(mul(c, 2 / Math.sqrt(Math.PI)), exp(mul(mul(x, x), -1))));

/** Largest whole number ≤ x. The gradient is 0. */
export const floor = unaryOp("floor", "Floor", "zero");

/** Smallest whole number ≥ x. The gradient is 0. */
export const ceil = unaryOp("ceil", "Ceil", "zero");

/** Nearest whole number, ties to even. The gradient is 0. */
export const round = unaryOp("round", "Round", "zero");

const powOp = binaryOp("pow", "Pow", (c, a, b, y) => [
  mul(c, mul(b, powOp(a, sub(b, 1)))),
  // the limit of aᵇ log a for a → 0 is 0
  mul(c, where(equal(a, 0), 0, mul(y, log(where(equal(a, 0), 1, a))))),
]) as (a: TensorLike, b: TensorLike) => Tensor;

/** `a` to the power `b`, with broadcasting. A number as exponent takes the cheapest way: products, roots, reciprocals. */
export function pow(a: TensorLike, b: TensorLike): Tensor {
  if (typeof b !== "number" || typeof a === "number") return powOp(a, b);
  switch (b) {
    case 1:
      return a;
    case 2:
      return mul(a, a);
    case 3:
      return mul(mul(a, a), a);
    case 0.5:
      return sqrt(a);
    case -0.5:
      return rsqrt(a);
    case -1:
      return reciprocal(a);
    case -2:
      return reciprocal(mul(a, a));
    default:
      return powOp(a, b);
  }
}

/** Angle of the point (`x`, `y`) in (−π, π]; a zero `x` counts as positive whatever its sign. */
export function atan2(y: Tensor, x: Tensor): Tensor {
  // the quotient's size stays ≤ 1, so that neither it nor its gradient overflows
  const steep = greater(abs(y), abs(x));
  const nonzero = (t: Tensor) => where(equal(t, 0), 1, t);
  const flat = atan(div(y, nonzero(where(steep, 1, x))));
  const upright = sub(mul(sign(y), Math.PI / 2), atan(div(x, nonzero(where(steep, y, 1)))));
  const turn = where(greater(0, x), where(greater(0, y), -Math.PI, Math.PI), mul(y, 0));
  return where(steep, upright, add(flat, turn));
}

/**
 * Element-wise arithmetic with broadcasting. Extrema live in `elementwise-extrema.ts`, functions of one argument (and
 * powers) in `functions.ts`, comparisons and selection in `compare.ts`.
 */
import { binaryOp } from "./operands.ts";

export { operands, type TensorLike } from "./operands.ts";

/** Sum, with broadcasting. */
export const add = binaryOp("add", "Add", (c) => [c, c]);

/** Difference, with broadcasting. */
export const sub = binaryOp("sub", "Sub", (c) => [c, mul(c, -1)]);

/** Product, with broadcasting. */
export const mul = binaryOp("mul", "Mul", (c, a, b) => [mul(c, b), mul(c, a)]);

/** Quotient, with broadcasting; integers are divided toward zero. */
export const div = binaryOp("div", "Div", (c, _, b, y) => [div(c, b), mul(div(mul(c, y), b), -1)]);

/**
 * Element-wise minimum, maximum and clipping. On ties both sides get half of the gradient.
 */
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import { equal, greater, less, logicalAnd, where } from "./compare.ts";
import { mul } from "./elementwise.ts";
import { binaryOp } from "./operands.ts";
import { defineOp, type Tensor } from "./tensor.ts";

function shared(cotangent: Tensor, chosen: Tensor, tie: Tensor): Tensor {
  return where(tie, mul(cotangent, 0.5), where(chosen, cotangent, 0));
}

/** The smaller of two elements, with broadcasting. */
export const minimum = binaryOp("minimum", "Min", (c, a, b) => [
  shared(c, less(a, b), equal(a, b)),
  shared(c, less(b, a), equal(a, b)),
]);

/** The larger of two elements, with broadcasting. */
export const maximum = binaryOp("maximum", "Max", (c, a, b) => [
  shared(c, less(b, a), equal(a, b)),
  shared(c, less(a, b), equal(a, b)),
]);

interface ClipBounds {
  readonly min: number | null;
  readonly max: number | null;
}

const clipOp = defineOp<ClipBounds>({
  name: "clip",
  infer([x], { min, max }) {
    if (x!.dtype === "bool") fail("dtype", "clip: bool is not a number; cast it first");
    if (min !== null && max !== null && min > max) fail("argument", `clip: min ${min} is larger than max ${max}`);
    return [x!];
  },
  lower(context, [x], { inputs, attributes: { min, max } }) {
    const { dtype } = inputs[0]!;
    const bound = (value: number | null) => (value === null ? "" : context.constant(NDArray.scalar(value, dtype)));
    return [context.node("Clip", max === null ? [x!, bound(min)] : [x!, bound(min), bound(max)])];
  },
  vjp({ inputs: [x], attributes: { min, max } }, [cotangent]) {
    if (!cotangent) return [undefined];
    const inside = [min === null ? [] : [greater(x!, min)], max === null ? [] : [less(x!, max)]].flat();
    return [where(inside.reduce(logicalAnd), cotangent, 0)];
  },
});

/** Limits elements to `[min, max]`; `null` leaves a side open. At a bound the gradient is 0, as outside. */
export function clip(x: Tensor, min: number | null, max: number | null): Tensor {
  return min === null && max === null ? x : clipOp([x], { min, max })[0]!;
}

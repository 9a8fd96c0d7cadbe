/**
 * Where gradients go without a change of values: stopped, or led past a step that has none.
 */
import { fail } from "../util/errors.ts";
import { defineOp, type Tensor } from "./tensor.ts";

const stopOp = defineOp({
  name: "stopGradient",
  infer: ([x]) => [x!],
  lower: (_, [x]) => [x!],
  vjp: () => [undefined],
});

/** The same values, seen as constants by gradients. */
export function stopGradient(x: Tensor): Tensor {
  return stopOp([x], {})[0]!;
}

const straightOp = defineOp({
  name: "straightThrough",
  infer([x, y]) {
    if (x!.dtype !== y!.dtype || String(x!.shape) !== String(y!.shape))
      fail("shape", `straightThrough: ${x} and ${y} must have one type and shape`);
    return [y!];
  },
  lower: (_, [, y]) => [y!],
  vjp: (_, [c]) => [c, undefined],
});

/**
 * The values of `y` with a gradient that goes to `x` unchanged, as if `y` were `x`: how to train through rounding, signs and
 * choices. @example straightThrough(x, round(x))
 */
export function straightThrough(x: Tensor, y: Tensor): Tensor {
  return straightOp([x, y], {})[0]!;
}

/**
 * Softmax and its logarithm.
 */
import { dtypes } from "../util/dtype.ts";
import { fail } from "../util/errors.ts";
import { sum } from "./broadcast.ts";
import { normalizeAxis } from "./dims.ts";
import { mul, sub } from "./elementwise.ts";
import { exp } from "./functions.ts";
import { defineOp, type Tensor, type TensorType } from "./tensor.ts";

interface AxisAttributes {
  readonly axis: number;
}

function inferFloat(name: string, x: TensorType): readonly TensorType[] {
  if (!dtypes[x.dtype].float) fail("dtype", `${name}: needs floats, got ${x.dtype}; cast it first`);
  return [x];
}

const softmaxOp = defineOp<AxisAttributes>({
  name: "softmax",
  infer: ([x]) => inferFloat("softmax", x!),
  lower: (context, [x], { attributes: { axis } }) => [context.node("Softmax", [x!], { axis: { int: axis } })],
  vjp({ outputs: [y], attributes: { axis } }, [c]) {
    if (!c) return [undefined];
    const weighted = mul(c, y!);
    return [sub(weighted, mul(y!, sum(weighted, axis, { keepDims: true })))];
  },
});

/** eˣ / Σ eˣ along an axis, without overflow. A slice of nothing but −∞ gives NaN. */
export function softmax(x: Tensor, axis = -1): Tensor {
  return softmaxOp([x], { axis: normalizeAxis("softmax", axis, x.rank) })[0]!;
}

const logSoftmaxOp = defineOp<AxisAttributes>({
  name: "logSoftmax",
  infer: ([x]) => inferFloat("logSoftmax", x!),
  lower: (context, [x], { attributes: { axis } }) => [context.node("LogSoftmax", [x!], { axis: { int: axis } })],
  vjp({ outputs: [y], attributes: { axis } }, [c]) {
    if (!c) return [undefined];
    return [sub(c, mul(exp(y!), sum(c, axis, { keepDims: true })))];
  },
});

/** Logarithm of {@link softmax}, exact where the probability is tiny. */
export function logSoftmax(x: Tensor, axis = -1): Tensor {
  return logSoftmaxOp([x], { axis: normalizeAxis("logSoftmax", axis, x.rank) })[0]!;
}

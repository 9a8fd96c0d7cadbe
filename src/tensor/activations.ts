/**
 * Activation functions.
 */
import { dtypes } from "../util/dtype.ts";
import { fail } from "../util/errors.ts";
import { greater, where } from "./compare.ts";
import { add, mul, sub } from "./elementwise.ts";
import { clip } from "./elementwise-extrema.ts";
import { exp, neg, tanh, unaryOp } from "./functions.ts";
import { split } from "./slice.ts";
import { defineOp, type Tensor } from "./tensor.ts";

/** max(x, 0); the gradient at 0 is 0. */
export const relu = unaryOp("relu", "Relu", (c, x) => where(greater(x, 0), c, 0));

/** 1 / (1 + e⁻ˣ). */
export const sigmoid = unaryOp("sigmoid", "Sigmoid", (c, _, y) => mul(c, mul(y, sub(1, y))));

/** x · sigmoid(x), also known as swish (Elfwing et al. 2017). */
export const silu = unaryOp(
  "silu",
  (context, x) => context.node("QuickGelu", [x], { alpha: { float: 1 } }, { domain: "com.microsoft" }),
  (c, x, y) => {
    const s = sigmoid(x);
    return mul(c, add(s, mul(y, sub(1, s))));
  },
);

const unitSoftplus = unaryOp("softplus", "Softplus", (c, x) => mul(c, sigmoid(x)));

/** log(1 + e^(βx)) / β, without overflow. */
export function softplus(x: Tensor, beta = 1): Tensor {
  return beta === 1 ? unitSoftplus(x) : mul(unitSoftplus(mul(x, beta)), 1 / beta);
}

/** log(sigmoid(x)), without overflow. */
export function logSigmoid(x: Tensor): Tensor {
  return neg(unitSoftplus(neg(x)));
}

/** x · tanh(softplus(x)) (Misra 2019). */
export function mish(x: Tensor): Tensor {
  return mul(x, tanh(unitSoftplus(x)));
}

// erf / 2 + 1/2 in one pass after it: HardSigmoid's bounds are those of erf
const shiftedErf = unaryOp(
  "shiftedErf",
  (context, x) =>
    context.node("HardSigmoid", [context.node("Erf", [x])], { alpha: { float: 0.5 }, beta: { float: 0.5 } }),
  (c, x) => mul(c, gaussian(x, 1 / Math.sqrt(Math.PI))),
);

/** `height · exp(−x²)`. */
const gaussian = (x: Tensor, height: number) => exp(sub(Math.log(height), mul(x, x)));

/** How {@link gelu} is computed: by the error function, or by Hendrycks and Gimpel's tanh formula. */
export type GeluApproximation = "exact" | "tanh";

const geluOp = defineOp<{ readonly approximation: GeluApproximation }>({
  name: "gelu",
  infer([x], { approximation }) {
    if (approximation !== "exact" && approximation !== "tanh")
      fail("argument", `gelu: unknown approximation "${approximation}"; use "exact" or "tanh"`);
    if (!dtypes[x!.dtype].float) fail("dtype", `gelu: needs a float tensor, got ${x!.dtype}; cast it first`);
    return [x!];
  },
  lower: (context, [x], { attributes: { approximation } }) => [
    context.node("Gelu", [x!], { approximate: { string: approximation === "tanh" ? "tanh" : "none" } }),
  ],
  vjp({ inputs: [x], attributes: { approximation } }, [c]) {
    if (!c) return [undefined];
    if (approximation === "exact") {
      const scaled = mul(x!, Math.SQRT1_2);
      const density = gaussian(scaled, 1 / Math.sqrt(2 * Math.PI));
      return [mul(c, add(shiftedErf(scaled), mul(x!, density)))];
    }
    const squared = mul(x!, x!);
    const k = Math.sqrt(2 / Math.PI);
    const t = tanh(mul(x!, add(mul(squared, 0.044715 * k), k)));
    const slope = add(mul(squared, 3 * 0.044715 * k), k);
    return [mul(c, add(mul(add(t, 1), 0.5), mul(mul(x!, 0.5), mul(sub(1, mul(t, t)), slope))))];
  },
});

/** x · Φ(x), Φ being the normal distribution function (Hendrycks and Gimpel 2016). */
export function gelu(x: Tensor, approximation: GeluApproximation = "exact"): Tensor {
  return geluOp([x], { approximation })[0]!;
}

/** x where positive, `slope` · x elsewhere, the slope being a tensor that broadcasts to x (He et al. 2015). */
export function prelu(x: Tensor, slope: Tensor): Tensor {
  return where(greater(x, 0), x, mul(x, slope));
}

/** x where positive, `negativeSlope` · x elsewhere. */
export function leakyRelu(x: Tensor, negativeSlope = 0.01): Tensor {
  return where(greater(x, 0), x, mul(x, negativeSlope));
}

const eluOp = defineOp<{ readonly alpha: number }>({
  name: "elu",
  infer: ([x]) => [x!],
  lower: (context, [x], { attributes: { alpha } }) => [context.node("Elu", [x!], { alpha: { float: alpha } })],
  vjp: ({ inputs: [x], outputs: [y], attributes: { alpha } }, [c]) => [
    c && where(greater(x!, 0), c, mul(c, add(y!, alpha))),
  ],
});

/** x where positive, `alpha` · (eˣ − 1) elsewhere (Clevert et al. 2015). */
export function elu(x: Tensor, alpha = 1): Tensor {
  return eluOp([x], { alpha })[0]!;
}

/** x / 6 + 1/2, limited to [0, 1]. */
export function hardSigmoid(x: Tensor): Tensor {
  return clip(add(mul(x, 1 / 6), 0.5), 0, 1);
}

/** x · hardSigmoid(x) (Howard et al. 2019). */
export function hardSwish(x: Tensor): Tensor {
  return mul(x, hardSigmoid(x));
}

/**
 * silu(first half) · second half of an axis (Shazeer 2020).
 * @throws `shape` when the axis is odd.
 */
export function swiglu(x: Tensor, axis = -1): Tensor {
  const size = x.shape[axis < 0 ? axis + x.rank : axis];
  if (typeof size !== "number" || size % 2) fail("shape", `swiglu: axis ${axis} of size ${size} has no halves`);
  const [gate, up] = split(x, [size / 2, size / 2], axis);
  return mul(silu(gate!), up!);
}

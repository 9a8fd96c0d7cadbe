/**
 * Normalisation over features: layer norm, RMS norm (alone and fused with the residual sum before it), and unit length.
 * What normalises over channels or batches lives in `normalize-channels.ts`.
 */
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import { sumTo } from "./broadcast.ts";
import { type Dim, normalizeAxes, shapeText } from "./dims.ts";
import { add, div, mul, sub } from "./elementwise.ts";
import { maximum } from "./elementwise-extrema.ts";
import { rsqrt, square } from "./functions.ts";
import type { LowerContext } from "./lowering.ts";
import { type Axes, mean, norm2 } from "./reduce.ts";
import { constant, defineOp, type OpCall, type Tensor, type TensorType } from "./tensor.ts";

/** Options of norms. */
export interface NormOptions {
  /** Added to the variance before its root is taken; 1e-5 by default. */
  readonly epsilon?: number;
}

const defaultEpsilon = 1e-5;

interface StandardizeAttributes {
  readonly axes: readonly number[];
  readonly epsilon: number;
}

const standardizeOp = defineOp<StandardizeAttributes>({
  name: "standardize",
  infer([x]) {
    if (x!.dtype !== "f32") fail("dtype", `standardize: needs f32, got ${x!.dtype}; cast it first`);
    return [x!];
  },
  lower(context, [x], { attributes: { axes, epsilon } }) {
    const list = context.int64s(axes);
    const average = (t: string) => context.node("ReduceMean", [t, list], { keepdims: { int: 1 } });
    const centred = context.node("Sub", [x!, average(x!)]);
    const spread = context.node("Add", [
      average(context.node("Mul", [centred, centred])),
      context.constant(NDArray.scalar(epsilon)),
    ]);
    return [context.node("Div", [centred, context.node("Sqrt", [spread])])];
  },
  vjp: ({ inputs: [x], outputs: [y], attributes }, [c]) => [c && standardizeGradient(c, x!, y!, attributes)],
});

function standardizeGradient(c: Tensor, x: Tensor, y: Tensor, { axes, epsilon }: StandardizeAttributes): Tensor {
  const keep = { keepDims: true };
  const centred = sub(x, mean(x, axes, keep));
  const scale = rsqrt(add(mean(square(centred), axes, keep), epsilon));
  return mul(scale, sub(sub(c, mean(c, axes, keep)), mul(y, mean(mul(c, y), axes, keep))));
}

/** `(x − mean) / √(variance + epsilon)` over axes. */
export function standardize(x: Tensor, axes: Axes, options: NormOptions = {}): Tensor {
  const { epsilon = defaultEpsilon } = options;
  return standardizeOp([x], { axes: normalizeAxes("standardize", axes, x.rank), epsilon })[0]!;
}

function checkTrailing(op: string, x: TensorType, weight: TensorType): void {
  const tail = x.shape.slice(x.shape.length - weight.shape.length);
  if (x.dtype !== "f32") fail("dtype", `${op}: needs f32, got ${x.dtype}; cast it first`);
  if (String(tail) !== String(weight.shape))
    fail(
      "shape",
      `${op}: the weight is ${shapeText(weight.shape)}, x ${shapeText(x.shape)} ends in ${shapeText(tail)}`,
    );
}

function trailingAxes(rank: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => rank - count + i);
}

const layerNormOp = defineOp<{ readonly epsilon: number }>({
  name: "layerNorm",
  infer([x, weight, bias]) {
    checkTrailing("layerNorm", x!, weight!);
    if (bias) checkTrailing("layerNorm", x!, bias);
    return [x!];
  },
  lower: (context, inputs, { inputs: [, weight], attributes: { epsilon } }) => [
    context.node("LayerNormalization", inputs, {
      axis: { int: -weight!.shape.length },
      epsilon: { float: epsilon },
    }),
  ],
  vjp({ inputs: [x, weight, bias], attributes: { epsilon } }, [c]) {
    if (!c) return [undefined, undefined, undefined];
    const axes = trailingAxes(x!.rank, weight!.rank);
    const y = standardize(x!, axes, { epsilon });
    return [
      standardizeGradient(mul(c, weight!), x!, y, { axes, epsilon }),
      sumTo(mul(c, y), weight!.shape),
      bias && sumTo(c, bias.shape),
    ];
  },
});

/**
 * Layer normalisation (Ba et al. 2016) over the trailing axes, as many as `weight` has.
 * @param options `axes` is the number of trailing axes when there is no weight; 1 by default.
 */
export function layerNorm(
  x: Tensor,
  weight?: Tensor,
  bias?: Tensor,
  options: NormOptions & { readonly axes?: number } = {},
): Tensor {
  const { epsilon = defaultEpsilon } = options;
  if (weight) return layerNormOp(bias ? [x, weight, bias] : [x, weight], { epsilon })[0]!;
  const y = standardize(x, trailingAxes(x.rank, bias?.rank ?? options.axes ?? 1), { epsilon });
  return bias ? add(y, bias) : y;
}

/** Gradients of RMS norm for `x` and its weight. */
function rmsNormGradients(c: Tensor, x: Tensor, weight: Tensor, epsilon: number): [dx: Tensor, dWeight: Tensor] {
  const keep = { keepDims: true };
  const scale = rsqrt(add(mean(square(x), -1, keep), epsilon));
  const y = mul(x, scale);
  const weighted = mul(c, weight);
  const dx = mul(scale, sub(weighted, mul(y, mean(mul(weighted, y), -1, keep))));
  return [dx, sumTo(mul(c, y), weight.shape)];
}

const rmsNormOp = defineOp<{ readonly epsilon: number }>({
  name: "rmsNorm",
  infer([x, weight]) {
    if (weight!.shape.length !== 1)
      fail("shape", `rmsNorm: the weight must be a vector, got ${shapeText(weight!.shape)}`);
    checkTrailing("rmsNorm", x!, weight!);
    return [x!];
  },
  lower: (context, inputs, { attributes: { epsilon } }) => [
    context.node("SimplifiedLayerNormalization", inputs, { axis: { int: -1 }, epsilon: { float: epsilon } }),
  ],
  vjp: ({ inputs: [x, weight], attributes: { epsilon } }, [c]) =>
    c ? rmsNormGradients(c, x!, weight!, epsilon) : [undefined, undefined],
});

function unitWeight(op: string, size: Dim): Tensor {
  if (typeof size !== "number") return fail("unsupported", `${op}: the last axis must have a known size, not ${size}`);
  return constant(NDArray.from(new Array<number>(size).fill(1)));
}

/**
 * Root-mean-square normalisation (Zhang and Sennrich 2019) of the last axis: `x / √(mean(x²) + epsilon) · weight`.
 * @param weight `[features]`; ones when left out.
 */
export function rmsNorm(x: Tensor, weight?: Tensor, options: NormOptions = {}): Tensor {
  const { epsilon = defaultEpsilon } = options;
  return rmsNormOp([x, weight ?? unitWeight("rmsNorm", x.shape[x.rank - 1]!)], { epsilon })[0]!;
}

const skipRmsNormOp: OpCall<{ readonly epsilon: number }> = defineOp<{ readonly epsilon: number }>({
  name: "skipRmsNorm",
  infer([x, delta, weight]) {
    checkTrailing("skipRmsNorm", x!, weight!);
    if (String(x!.shape) !== String(delta!.shape))
      fail("shape", `skipRmsNorm: shapes differ, ${shapeText(x!.shape)} and ${shapeText(delta!.shape)}`);
    return [x!, x!];
  },
  lower(context: LowerContext, [x, delta, weight], { inputs, attributes: { epsilon } }) {
    const attributes = { epsilon: { float: epsilon } };
    const { rank } = inputs[0]!;
    if (rank !== 2 && rank !== 3) {
      const total = context.node("Add", [x!, delta!]);
      const norm = { axis: { int: -1 }, ...attributes };
      return [context.node("SimplifiedLayerNormalization", [total, weight!], norm), total];
    }
    const options = { domain: "com.microsoft", outputs: 4 };
    const [y, , , total] = context.nodes(
      "SkipSimplifiedLayerNormalization",
      [x!, delta!, weight!],
      attributes,
      options,
    );
    return [y!, total!];
  },
  vjp({ inputs: [, , weight], outputs: [, total], attributes: { epsilon } }, [cy, cTotal]) {
    if (!cy) return [cTotal, cTotal, undefined];
    const [dx, dWeight] = rmsNormGradients(cy, total!, weight!, epsilon);
    const both = cTotal ? add(dx, cTotal) : dx;
    return [both, both, dWeight];
  },
});

/** Adds `delta` to a residual stream and normalises the sum, in one node: `[normalised, sum]`. @see rmsNorm */
export function skipRmsNorm(
  residual: Tensor,
  delta: Tensor,
  weight: Tensor,
  options: NormOptions = {},
): [normalized: Tensor, sum: Tensor] {
  const [y, total] = skipRmsNormOp([residual, delta, weight], { epsilon: options.epsilon ?? defaultEpsilon });
  return [y!, total!];
}

/** Scales to Euclidean length 1 along axes: `x / max(norm, epsilon)`. */
export function l2Normalize(x: Tensor, axes: Axes = -1, epsilon = 1e-12): Tensor {
  return div(x, maximum(norm2(x, axes, { keepDims: true }), epsilon));
}

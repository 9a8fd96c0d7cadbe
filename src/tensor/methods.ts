/**
 * Element-wise operations, changes of shape and plain reductions as methods of {@link Tensor}. Everything with
 * structure stays a function.
 */
import type { DType } from "../util/dtype.ts";
import * as activations from "./activations.ts";
import { type PadOptions, pad, repeatInterleave, tile } from "./arrange.ts";
import { broadcastTo, type ReduceOptions, sum } from "./broadcast.ts";
import { cast } from "./cast.ts";
import * as compare from "./compare.ts";
import type { Dim } from "./dims.ts";
import * as elementwise from "./elementwise.ts";
import * as extrema from "./elementwise-extrema.ts";
import * as functions from "./functions.ts";
import { reshape, squeeze, transpose, unsqueeze } from "./movement.ts";
import type { TensorLike } from "./operands.ts";
import * as reductions from "./reduce.ts";
import { flip, type SliceRange, slice } from "./slice.ts";
import { Tensor, type TensorType } from "./tensor.ts";

type GeluApproximation = activations.GeluApproximation;
type Axes = reductions.Axes;

declare module "./tensor.ts" {
  interface Tensor {
    /** Sum, with broadcasting. */
    add(other: TensorLike): Tensor;
    /** Difference, with broadcasting. */
    sub(other: TensorLike): Tensor;
    /** Product, with broadcasting. */
    mul(other: TensorLike): Tensor;
    /** Quotient, with broadcasting. */
    div(other: TensorLike): Tensor;
    /** Power, with broadcasting. */
    pow(other: TensorLike): Tensor;
    /** The smaller of two elements, with broadcasting. */
    minimum(other: TensorLike): Tensor;
    /** The larger of two elements, with broadcasting. */
    maximum(other: TensorLike): Tensor;
    /** Limits elements to `[min, max]`; `null` leaves a side open. */
    clip(min: number | null, max: number | null): Tensor;
    /** Negative. */
    neg(): Tensor;
    /** Absolute value. */
    abs(): Tensor;
    /** −1, 0 or 1. */
    sign(): Tensor;
    /** x². */
    square(): Tensor;
    /** Square root. */
    sqrt(): Tensor;
    /** 1 / √x. */
    rsqrt(): Tensor;
    /** 1 / x. */
    reciprocal(): Tensor;
    /** eˣ. */
    exp(): Tensor;
    /** eˣ − 1, exact near 0. */
    expm1(): Tensor;
    /** Natural logarithm. */
    log(): Tensor;
    /** log(1 + x), exact near 0. */
    log1p(): Tensor;
    /** Sine of radians. */
    sin(): Tensor;
    /** Cosine of radians. */
    cos(): Tensor;
    /** Tangent of radians. */
    tan(): Tensor;
    /** Arc tangent. */
    atan(): Tensor;
    /** Hyperbolic tangent. */
    tanh(): Tensor;
    /** Gauss's error function. */
    erf(): Tensor;
    /** Largest whole number ≤ x. */
    floor(): Tensor;
    /** Smallest whole number ≥ x. */
    ceil(): Tensor;
    /** Nearest whole number, ties to even. */
    round(): Tensor;
    /** max(x, 0). */
    relu(): Tensor;
    /** 1 / (1 + e⁻ˣ). */
    sigmoid(): Tensor;
    /** log(sigmoid(x)), without overflow. */
    logSigmoid(): Tensor;
    /** x · sigmoid(x). */
    silu(): Tensor;
    /** x · tanh(softplus(x)). */
    mish(): Tensor;
    /** x / 6 + 1/2, limited to [0, 1]. */
    hardSigmoid(): Tensor;
    /** x · hardSigmoid(x). */
    hardSwish(): Tensor;
    /** log(1 + e^(βx)) / β, without overflow. */
    softplus(beta?: number): Tensor;
    /** x · Φ(x). */
    gelu(approximation?: GeluApproximation): Tensor;
    /** x where positive, `negativeSlope` · x elsewhere. */
    leakyRelu(negativeSlope?: number): Tensor;
    /** x where positive, `alpha` · (eˣ − 1) elsewhere. */
    elu(alpha?: number): Tensor;
    /** Whether elements are equal. */
    equal(other: TensorLike): Tensor;
    /** Whether elements differ. */
    notEqual(other: TensorLike): Tensor;
    /** Whether this is less. */
    less(other: TensorLike): Tensor;
    /** Whether this is less or equal. */
    lessEqual(other: TensorLike): Tensor;
    /** Whether this is greater. */
    greater(other: TensorLike): Tensor;
    /** Whether this is greater or equal. */
    greaterEqual(other: TensorLike): Tensor;
    /** Whether both are true. */
    logicalAnd(other: Tensor): Tensor;
    /** Whether either is true. */
    logicalOr(other: Tensor): Tensor;
    /** Whether exactly one is true. */
    logicalXor(other: Tensor): Tensor;
    /** Whether the element is false. */
    logicalNot(): Tensor;
    /** Whether the element is NaN. */
    isNaN(): Tensor;
    /** Whether the element is an infinity. */
    isInf(): Tensor;
    /** `value` where the mask is true. */
    maskedFill(mask: Tensor, value: number): Tensor;
    /** The same values in another element type. */
    cast(dtype: DType): Tensor;
    /** Sum over axes. */
    sum(axes?: Axes, options?: ReduceOptions): Tensor;
    /** Mean over axes. */
    mean(axes?: Axes, options?: ReduceOptions): Tensor;
    /** Largest element along axes. */
    max(axes?: Axes, options?: ReduceOptions): Tensor;
    /** Smallest element along axes. */
    min(axes?: Axes, options?: ReduceOptions): Tensor;
    /** The same elements under another shape; one size may be −1. */
    reshape(shape: readonly Dim[]): Tensor;
    /** Permutes the axes; reverses them when no permutation is given. */
    transpose(permutation?: readonly number[]): Tensor;
    /** Drops axes of size 1. */
    squeeze(axes?: number | readonly number[] | null): Tensor;
    /** Adds axes of size 1. */
    unsqueeze(axes: number | readonly number[]): Tensor;
    /** Repeats axes of size 1 until the shape is reached. */
    broadcastTo(shape: readonly Dim[]): Tensor;
    /** A part, by start, end and step along axes. */
    slice(ranges: SliceRange | readonly SliceRange[]): Tensor;
    /** Reverses the order along axes. */
    flip(axes: number | readonly number[]): Tensor;
    /** Extends axes. */
    pad(pads: readonly (readonly [before: Dim, after: Dim])[], options?: PadOptions): Tensor;
    /** Repeats the whole tensor along each axis. */
    tile(repeats: readonly Dim[]): Tensor;
    /** Repeats every element along an axis. */
    repeatInterleave(repeats: number, axis: number): Tensor;
  }
}

type MethodName = Exclude<keyof Tensor, keyof TensorType | "node" | "index" | "rank" | "toString">;

/** The functions that are methods too; the tensor they are called on is their first argument. */
const methods = {
  add: elementwise.add,
  sub: elementwise.sub,
  mul: elementwise.mul,
  div: elementwise.div,
  pow: functions.pow,
  minimum: extrema.minimum,
  maximum: extrema.maximum,
  clip: extrema.clip,
  neg: functions.neg,
  abs: functions.abs,
  sign: functions.sign,
  square: functions.square,
  sqrt: functions.sqrt,
  rsqrt: functions.rsqrt,
  reciprocal: functions.reciprocal,
  exp: functions.exp,
  expm1: functions.expm1,
  log: functions.log,
  log1p: functions.log1p,
  sin: functions.sin,
  cos: functions.cos,
  tan: functions.tan,
  atan: functions.atan,
  tanh: functions.tanh,
  erf: functions.erf,
  floor: functions.floor,
  ceil: functions.ceil,
  round: functions.round,
  relu: activations.relu,
  sigmoid: activations.sigmoid,
  logSigmoid: activations.logSigmoid,
  silu: activations.silu,
  mish: activations.mish,
  hardSigmoid: activations.hardSigmoid,
  hardSwish: activations.hardSwish,
  softplus: activations.softplus,
  gelu: activations.gelu,
  leakyRelu: activations.leakyRelu,
  elu: activations.elu,
  equal: compare.equal,
  notEqual: compare.notEqual,
  less: compare.less,
  lessEqual: compare.lessEqual,
  greater: compare.greater,
  greaterEqual: compare.greaterEqual,
  logicalAnd: compare.logicalAnd,
  logicalOr: compare.logicalOr,
  logicalXor: compare.logicalXor,
  logicalNot: compare.logicalNot,
  isNaN: compare.isNaN,
  isInf: compare.isInf,
  maskedFill: compare.maskedFill,
  cast,
  sum,
  mean: reductions.mean,
  max: reductions.max,
  min: reductions.min,
  reshape,
  transpose,
  squeeze,
  unsqueeze,
  broadcastTo,
  slice,
  flip,
  pad,
  tile,
  repeatInterleave,
} satisfies { [K in MethodName]: (x: Tensor, ...rest: Parameters<Tensor[K]>) => Tensor };

for (const [name, f] of Object.entries(methods))
  Object.defineProperty(Tensor.prototype, name, {
    value(this: Tensor, ...rest: unknown[]) {
      return (f as (x: Tensor, ...rest: unknown[]) => Tensor)(this, ...rest);
    },
  });

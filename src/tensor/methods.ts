/**
 * Element-wise and shape operations as methods of {@link Tensor}. Everything with structure stays a function.
 */

import { broadcastTo, type ReduceOptions, sum } from "./broadcast.ts";
import type { Dim } from "./dims.ts";
import { add, div, mul, sub, type TensorLike } from "./elementwise.ts";
import { reshape, transpose } from "./movement.ts";
import { Tensor } from "./tensor.ts";

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
    /** Negative. */
    neg(): Tensor;
    /** Sum over axes. */
    sum(axes?: number | readonly number[] | null, options?: ReduceOptions): Tensor;
    /** The same elements under another shape. */
    reshape(shape: readonly Dim[]): Tensor;
    /** Permutes the axes. */
    transpose(permutation?: readonly number[]): Tensor;
    /** Repeats axes of size 1 until the shape is reached. */
    broadcastTo(shape: readonly Dim[]): Tensor;
  }
}

Object.assign(Tensor.prototype, {
  add(this: Tensor, other: TensorLike) {
    return add(this, other);
  },
  sub(this: Tensor, other: TensorLike) {
    return sub(this, other);
  },
  mul(this: Tensor, other: TensorLike) {
    return mul(this, other);
  },
  div(this: Tensor, other: TensorLike) {
    return div(this, other);
  },
  neg(this: Tensor) {
    return mul(this, -1);
  },
  sum(this: Tensor, axes?: number | readonly number[] | null, options?: ReduceOptions) {
    return sum(this, axes, options);
  },
  reshape(this: Tensor, shape: readonly Dim[]) {
    return reshape(this, shape);
  },
  transpose(this: Tensor, permutation?: readonly number[]) {
    return transpose(this, permutation);
  },
  broadcastTo(this: Tensor, shape: readonly Dim[]) {
    return broadcastTo(this, shape);
  },
});

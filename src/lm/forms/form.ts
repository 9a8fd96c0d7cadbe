/**
 * Forms in which a model's linear layers can be stored and computed. A form says what is stored for a layer, how to get
 * that from float weights, and how the product is written; nothing else in the project knows how weights are stored.
 */

import type { LinearKernel } from "../../nn/linear.ts";
import type { Parameter } from "../../tensor/index.ts";
import type { DType } from "../../util/dtype.ts";
import type { NDArray } from "../../util/ndarray.ts";

/** What a linear layer does in a decoder; forms may treat roles differently. */
export type LinearRole = "attention.qkv" | "attention.output" | "mlp.in" | "mlp.out" | "head";

/** Size and role of one linear layer, or of a group that is computed as one. */
export interface LinearSpec {
  readonly role: LinearRole;
  readonly inFeatures: number;
  readonly outFeatures: number;
}

/** Element type and shape of a stored array. */
export interface StoredArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** A way to store and compute one linear layer. */
export interface LinearScheme {
  /** What is stored for a layer. */
  stored(spec: LinearSpec): Readonly<Record<string, StoredArray>>;
  /** Converts float weights `[out, in]`, row by row. */
  convert(spec: LinearSpec, weights: Float32Array): Readonly<Record<string, NDArray>>;
  /** The product `[1, n, in] → [1, n, out]` (or without the leading axis), computed from stored arrays. */
  kernel(spec: LinearSpec, parameters: Readonly<Record<string, Parameter>>): LinearKernel;
}

/** A way to store and compute all linear layers of a model. */
export interface LinearForm extends LinearScheme {
  /** Name, as in `--form int8`. */
  readonly name: string;
  /** One line on what it is. */
  readonly description: string;
  /** Increased whenever stored arrays change, so that old caches are not used. */
  readonly version: number;
  /** Whether it counts on exact sums of products of bytes, which some CPUs do not give. */
  readonly needsExactProducts?: boolean;
}

/** A form that takes a scheme for each role. */
export function formOf(
  head: Omit<LinearForm, keyof LinearScheme>,
  schemeFor: (role: LinearRole) => LinearScheme,
): LinearForm {
  return {
    ...head,
    stored: (spec) => schemeFor(spec.role).stored(spec),
    convert: (spec, weights) => schemeFor(spec.role).convert(spec, weights),
    kernel: (spec, parameters) => schemeFor(spec.role).kernel(spec, parameters),
  };
}

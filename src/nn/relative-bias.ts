/**
 * Learned attention biases by distance, in buckets that widen with it (Raffel et al. 2020).
 */
import { constant, type Dim, gather, type Parameter, reshape, type Tensor, transpose } from "../tensor/index.ts";
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import { newParameter } from "./initialize.ts";
import { normal } from "./initializers.ts";
import { Module } from "./module.ts";

/** Options of {@link RelativeBias}. */
export interface RelativeBiasOptions {
  /** 32 by default. */
  readonly buckets?: number;
  /** Distance from which all keys share the last bucket; 128 by default. */
  readonly maxDistance?: number;
  /** Whether keys before and after have buckets of their own; true by default. Otherwise later keys count as distance 0. */
  readonly bidirectional?: boolean;
}

/** Bucket of the distance `key − query`. */
export function relativeBucket(distance: number, options: RelativeBiasOptions = {}): number {
  const { buckets = 32, maxDistance = 128, bidirectional = true } = options;
  const count = bidirectional ? buckets / 2 : buckets;
  const first = bidirectional && distance > 0 ? count : 0;
  const away = bidirectional ? Math.abs(distance) : Math.max(0, -distance);
  const exact = Math.floor(count / 2);
  if (away < exact) return first + away;
  // in single precision, as the published models count
  const share = Math.fround(Math.log(Math.fround(away / exact))) / Math.log(maxDistance / exact);
  return first + Math.min(count - 1, exact + Math.floor(share * (count - exact)));
}

/** A bias per head and bucket of distance. */
export class RelativeBias extends Module {
  /** `[buckets, heads]`. */
  readonly weight: Parameter;
  readonly _options: RelativeBiasOptions;

  constructor(heads: number, options: RelativeBiasOptions = {}) {
    super();
    this.weight = newParameter("weight", [options.buckets ?? 32, heads], normal(0.02));
    this._options = options;
  }

  /** Biases `[heads, queries, keys]`; the last query stands at the last key. @throws `unsupported` for symbolic sizes. */
  forward(queries: Dim, keys: Dim): Tensor {
    if (typeof queries !== "number" || typeof keys !== "number")
      return fail("unsupported", `RelativeBias: needs known numbers of queries and keys, not ${queries} and ${keys}`);
    const buckets = Array.from({ length: queries * keys }, (_, i) => {
      const query = Math.floor(i / keys) + keys - queries;
      return relativeBucket((i % keys) - query, this._options);
    });
    const rows = gather(this.weight.tensor, constant(NDArray.from(buckets, [queries * keys], "i64")), 0);
    return transpose(reshape(rows, [queries, keys, this.weight.shape[1]!]), [2, 0, 1]);
  }
}

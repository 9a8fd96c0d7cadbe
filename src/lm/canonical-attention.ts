/**
 * Attention whose result for a token depends, bit for bit, only on the tokens before it. Keys are split at a boundary
 * that depends on the token's position alone; each part is summed in token order by a matrix product with a column of
 * ones beside the values, and masked columns contribute exact zeros. Row counts and arrival order cannot matter.
 */
import { concat, exp, matmul, max, maximum, mulDims, split, type Tensor, tanh } from "../tensor/index.ts";
import { rotary, scaledMatmulTransposed } from "../tensor/kernels/index.ts";
import type { AttentionRequest } from "./context.ts";

/** Largest inner dimension that is summed in one order whatever the number of rows. */
export const maxInnerDim = 128;

/** Pieces that a head's dimension is cut into so that no product sums more than {@link maxInnerDim} at once. */
export function headPieces(headDim: number): number[] {
  const count = Math.ceil(headDim / maxInnerDim);
  return Array.from(
    { length: count },
    (_, i) => Math.floor(((i + 1) * headDim) / count) - Math.floor((i * headDim) / count),
  );
}

/** Cosines and sines of a step's rows. */
export interface Angles {
  /** `[n, rotaryDim / 2]`. */
  readonly cos: Tensor;
  readonly sin: Tensor;
}

/** Cached keys and values of one layer, and the masks of a step. */
export interface LayerPast {
  /** Keys before the boundary, one tensor per head piece, `[1, kvHeads, P, piece]`. */
  readonly longKeys: readonly Tensor[];
  /** Values before the boundary with a column of ones, `[1, kvHeads, P, headDim + 1]`; rows that stand for no token are all zero. */
  readonly longValues: Tensor;
  /** Keys since the boundary, `[1, kvHeads, T, piece]`. */
  readonly tailKeys: readonly Tensor[];
  /** Values since the boundary with a column of ones, `[1, kvHeads, T, headDim + 1]`. */
  readonly tailValues: Tensor;
  /** Added to scores of the long part, `[groups · n, P]`, for layers with a sliding window. */
  readonly longMask?: Tensor;
  /** 0, or 1e30 if the long part holds no token; `[1]`. */
  readonly longOff: Tensor;
  /** Added to scores of tail and new rows, `[groups · n, T + n]`: 0 where visible, else −1e30. */
  readonly recentMask: Tensor;
}

/** Result of {@link canonicalAttention}. */
export interface AttentionResult {
  /** `[1, n, heads · headDim]`. */
  readonly output: Tensor;
  /** This step's keys by head piece, `[1, kvHeads, n, piece]`. */
  readonly newKeys: readonly Tensor[];
  /** This step's values with a column of ones, `[1, kvHeads, n, headDim + 1]`. */
  readonly newValues: Tensor;
}

/**
 * Attention of `n` new rows over cached and new keys.
 * @param ones `f32[1, kvHeads, n, 1]` of ones. @param rows row numbers `i64[1, n]`.
 */
export function canonicalAttention(
  request: AttentionRequest,
  past: LayerPast,
  angles: Angles | undefined,
  ones: Tensor,
  rows: Tensor,
): AttentionResult {
  const { qkv, headCount, kvHeadCount, headDim, scale, softcap } = request;
  const n = qkv.shape[1]!;
  const groups = headCount / kvHeadCount;
  const heads = qkv.reshape([1, n, headCount + 2 * kvHeadCount, headDim]).transpose([0, 2, 1, 3]);
  const rotate = (x: Tensor) => (angles ? rotary(x, angles.cos, angles.sin, rows) : x);
  let q: Tensor;
  let k: Tensor;
  let v: Tensor;
  if (request.normalizeQueries || request.normalizeKeys) {
    [q, k, v] = split(heads, [headCount, kvHeadCount, kvHeadCount], 1) as [Tensor, Tensor, Tensor];
    q = rotate(request.normalizeQueries?.(q) ?? q);
    k = rotate(request.normalizeKeys?.(k) ?? k);
  } else {
    const [both, values] = split(heads, [headCount + kvHeadCount, kvHeadCount], 1) as [Tensor, Tensor];
    [q, k] = split(rotate(both), [headCount, kvHeadCount], 1) as [Tensor, Tensor];
    v = values;
  }
  const pieces = headPieces(headDim);
  const cut = (x: Tensor) => (pieces.length === 1 ? [x] : split(x, pieces, -1));
  // query heads that share a key head lie one after the other, so grouping them is only a change of shape
  const queries = cut(q.reshape([1, kvHeadCount, mulDims(groups, n), headDim]));
  const newKeys = cut(k);
  const newValues = concat([v, ones], -1);

  const scores = (keys: readonly Tensor[]): Tensor => {
    const parts = keys.map((key, i) => scaledMatmulTransposed(queries[i]!, key, scale));
    const total = parts.reduce((a, b) => a.add(b));
    return softcap ? tanh(total.div(softcap)).mul(softcap) : total;
  };
  let longScores = scores(past.longKeys);
  if (past.longMask) longScores = longScores.add(past.longMask);
  const recentScores = scores(past.tailKeys.map((tail, i) => concat([tail, newKeys[i]!], 2))).add(past.recentMask);
  const longMax = max(longScores, -1, { keepDims: true }).sub(past.longOff);
  const highest = maximum(longMax, max(recentScores, -1, { keepDims: true }));
  const longWeights = exp(longScores.sub(highest.add(past.longOff)));
  const recentWeights = exp(recentScores.sub(highest));
  const sums = matmul(longWeights, past.longValues).add(matmul(recentWeights, concat([past.tailValues, newValues], 2)));
  const [numerator, denominator] = split(sums, [headDim, 1], -1) as [Tensor, Tensor];
  const output = numerator
    .div(denominator)
    .reshape([1, headCount, n, headDim])
    .transpose([0, 2, 1, 3])
    .reshape([1, n, headCount * headDim]);
  return { output, newKeys, newValues };
}

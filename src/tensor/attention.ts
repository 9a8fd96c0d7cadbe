/**
 * Attention and rotary positions, composed of other ops so that every kind of mask has its gradient. The fused kernels
 * of the language-model runtime are elsewhere.
 */
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import { range } from "./arrange.ts";
import { cast } from "./cast.ts";
import { greater, lessEqual, logicalAnd, where } from "./compare.ts";
import { addDims, type Dim, mulDims, shapeText, subDims, termsOf } from "./dims.ts";
import { add, div, mul, sub } from "./elementwise.ts";
import { cos, sin, tanh } from "./functions.ts";
import { linear, matmul, swapLast } from "./matmul.ts";
import { reshape, transpose, unsqueeze } from "./movement.ts";
import { concat, slice, split } from "./slice.ts";
import { softmax } from "./softmax.ts";
import { constant, type Tensor } from "./tensor.ts";

/** Options of {@link rope}. */
export interface RopeOptions {
  /** Which dims form a pair: j and j + rotaryDim / 2, or 2j and 2j + 1. */
  readonly layout?: "half" | "interleaved";
  /** Number of leading dims that are rotated; all by default. */
  readonly rotaryDim?: number;
  /** 10 000 by default. */
  readonly base?: number;
  /** Factor on positions; 1 by default. */
  readonly positionScale?: number;
}

/**
 * Rotary position embedding (Su et al. 2021): pair j at position p turns by `p · positionScale · base^(−2j / rotaryDim)`.
 * @param x `[batch, heads, n, dim]`. @param positions integers, `[n]` or `[batch, n]`.
 */
export function rope(x: Tensor, positions: Tensor, options: RopeOptions = {}): Tensor {
  const dim = x.shape[x.rank - 1];
  const { layout = "half", rotaryDim = dim, base = 10_000, positionScale = 1 } = options;
  if (typeof dim !== "number" || typeof rotaryDim !== "number" || rotaryDim % 2 || rotaryDim > dim)
    return fail("shape", `rope: cannot rotate ${rotaryDim} dims of ${shapeText(x.shape)}`);
  const pairs = rotaryDim / 2;
  const frequencies = Array.from({ length: pairs }, (_, j) => positionScale * base ** ((-2 * j) / rotaryDim));
  const columns = unsqueeze(cast(positions, "f32"), -1);
  // positions of a batch get an axis for the heads
  const angles = mul(positions.rank === 2 ? unsqueeze(columns, 1) : columns, constant(NDArray.from(frequencies)));
  const [c, s] = [cos(angles), sin(angles)];
  const [turned, rest] = rotaryDim < dim ? split(x, [rotaryDim, dim - rotaryDim], -1) : [x];
  const lead = x.shape.slice(0, -1);
  const interleaved = layout === "interleaved";
  const [u, v] = interleaved
    ? split(reshape(turned!, [...lead, pairs, 2]), [1, 1], -1).map((half) => reshape(half, [...lead, pairs]))
    : split(turned!, [pairs, pairs], -1);
  const first = sub(mul(u!, c), mul(v!, s));
  const second = add(mul(v!, c), mul(u!, s));
  const joined = interleaved
    ? reshape(concat([unsqueeze(first, -1), unsqueeze(second, -1)], -1), [...lead, rotaryDim])
    : concat([first, second], -1);
  return rest ? concat([joined, rest], -1) : joined;
}

/** Where a causal mask's diagonal starts: query i sees keys up to i, or up to i + keys − queries. */
export type CausalKind = "topLeft" | "bottomRight";

/** Options of {@link scaledDotProductAttention}. */
export interface AttentionOptions {
  /** Factor on scores; 1 / √dim by default. */
  readonly scale?: number;
  /** Hide later keys from queries. */
  readonly causal?: CausalKind;
  /** `bool`, broadcast to `[batch, heads, queries, keys]`; true where the query may look at the key. */
  readonly mask?: Tensor;
  /** Added to scores, broadcast to `[batch, heads, queries, keys]`. */
  readonly bias?: Tensor;
  /** Scores become `softcap · tanh(score / softcap)` before bias and masks. */
  readonly softcap?: number;
  /** With `causal`: each query sees only itself and the `window − 1` keys before it. */
  readonly window?: number;
}

/** Whether a size is certainly not negative. */
function neverNegative(dim: Dim): boolean {
  return typeof dim === "number" ? dim >= 0 : termsOf(dim).every(({ coefficient }) => coefficient >= 0);
}

/** What is visible, `[queries, keys]`, and whether some query may see nothing. */
function causalMask(kind: CausalKind, queries: Dim, keys: Dim, window?: number): { visible: Tensor; blind: boolean } {
  const shift = subDims(keys, queries);
  const offset = kind === "bottomRight" ? shift : 0;
  const row = unsqueeze(range(offset, addDims(queries, offset)), 1);
  const column = unsqueeze(range(0, keys), 0);
  const past = lessEqual(column, row);
  const visible = window ? logicalAnd(past, greater(column, sub(row, window))) : past;
  // at the top left, late queries see keys unless a window ends before them
  const blind = kind === "bottomRight" ? !neverNegative(shift) : window !== undefined && shift !== 0;
  return { visible, blind };
}

/** Finite, so that a query that sees nothing has no NaN in value or gradient. */
const hidden = -1e30;

function attentionWeights(q: Tensor, k: Tensor, options: AttentionOptions): Tensor {
  const { causal, mask, bias, softcap, window } = options;
  const dim = q.shape[3];
  if (q.rank !== 4 || k.rank !== 4 || typeof dim !== "number" || dim !== k.shape[3])
    return fail("shape", `attention: queries ${shapeText(q.shape)} and keys ${shapeText(k.shape)} do not fit`);
  const [batch, heads, queries] = q.shape as [Dim, Dim, Dim];
  const [, keyHeads, keys] = k.shape as [Dim, Dim, Dim];
  let scores = matmul(groupHeads(q, heads, keyHeads), swapLast(k));
  scores = mul(scores, options.scale ?? 1 / Math.sqrt(dim));
  if (softcap) scores = mul(tanh(div(scores, softcap)), softcap);
  scores = reshape(scores, [batch, heads, queries, keys]);
  if (bias) scores = add(scores, bias);
  const order = causal && causalMask(causal, queries, keys, window);
  if (window !== undefined && !causal) fail("argument", "attention: a window needs causal order");
  const visible = order && mask ? logicalAnd(mask, order.visible) : (mask ?? order?.visible);
  if (!visible) return softmax(scores);
  const weights = softmax(where(visible, scores, hidden));
  // a row that sees nothing weighs nothing
  return mask || order?.blind ? where(visible, weights, 0) : weights;
}

/** Query heads that share a key head lie one after the other, so grouping them is only a change of shape. */
function groupHeads(x: Tensor, heads: Dim, keyHeads: Dim): Tensor {
  if (heads === keyHeads) return x;
  if (typeof heads !== "number" || typeof keyHeads !== "number" || heads % keyHeads)
    return fail("shape", `attention: ${heads} query heads do not share ${keyHeads} key heads evenly`);
  const [batch, , rows, columns] = x.shape;
  return reshape(x, [batch!, keyHeads, mulDims(heads / keyHeads, rows!), columns!]);
}

function weightedValues(weights: Tensor, v: Tensor): Tensor {
  const [batch, heads, queries] = weights.shape;
  const y = matmul(groupHeads(weights, heads!, v.shape[1]!), v);
  return reshape(y, [batch!, heads!, queries!, v.shape[3]!]);
}

/**
 * Attention (Vaswani et al. 2017). A query that may look at no key gives zeros and no gradient.
 * @param q `[batch, heads, queries, dim]`. @param k `[batch, keyHeads, keys, dim]`; query head h uses key head
 * ⌊h · keyHeads / heads⌋. @param v `[batch, keyHeads, keys, valueDim]`. @returns `[batch, heads, queries, valueDim]`
 */
export function scaledDotProductAttention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions = {}): Tensor {
  return weightedValues(attentionWeights(q, k, options), v);
}

/** Weights of {@link multiHeadAttention}. */
export interface MultiHeadWeights {
  /** Projections of query, key and value stacked, `[3 · dim, dim]`. */
  readonly inWeight: Tensor;
  /** `[3 · dim]`. */
  readonly inBias?: Tensor;
  /** `[dim, dim]`. */
  readonly outWeight: Tensor;
  /** `[dim]`. */
  readonly outBias?: Tensor;
}

/**
 * Multi-head attention with its projections (Vaswani et al. 2017).
 * @param query `[queries, batch, dim]`; key and value `[keys, batch, dim]`.
 * @returns the result `[queries, batch, dim]` and the weights `[batch, heads, queries, keys]`.
 */
export function multiHeadAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  heads: number,
  { inWeight, inBias, outWeight, outBias }: MultiHeadWeights,
  options: AttentionOptions = {},
): { readonly y: Tensor; readonly weights: Tensor } {
  const dim = query.shape[2];
  if (typeof dim !== "number" || dim % heads)
    return fail("shape", `multiHeadAttention: ${shapeText(query.shape)} does not divide into ${heads} heads`);
  const [q, k, v] = [query, key, value].map((x, i) => {
    const part = { axis: 0, start: i * dim, end: (i + 1) * dim };
    const projected = linear(x, slice(inWeight, part), inBias && slice(inBias, part));
    return transpose(reshape(projected, [...x.shape.slice(0, 2), heads, dim / heads]), [1, 2, 0, 3]);
  });
  const weights = attentionWeights(q!, k!, options);
  const joined = reshape(transpose(weightedValues(weights, v!), [2, 0, 1, 3]), query.shape);
  return { y: linear(joined, outWeight, outBias), weights };
}

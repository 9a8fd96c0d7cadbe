/**
 * The arithmetic of attention between projected queries, keys and values, in few nodes: queries are scaled instead of scores,
 * and order is an additive constant, which needs no node in the gradient.
 */
import {
  add,
  constant,
  type Dim,
  greater,
  lessEqual,
  logicalAnd,
  matmul,
  mul,
  range,
  reshape,
  shapeText,
  softmax,
  sub,
  subDims,
  swapLast,
  type Tensor,
  tanh,
  unsqueeze,
  where,
} from "../tensor/index.ts";
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";

/** Options of {@link attend}. */
export interface AttendOptions {
  /** Factor on scores; 1 / √dim by default. */
  readonly scale?: number;
  /** Whether a query sees no later keys; the last query sees all. */
  readonly causal?: boolean;
  /** With `causal`: a query sees itself and the `window − 1` keys before it. */
  readonly window?: number;
  /** `bool`, broadcast to `[batch, heads, queries, keys]`; true where a query may look at a key. */
  readonly mask?: Tensor;
  /** Added to scores, broadcast to `[batch, heads, queries, keys]`. */
  readonly bias?: Tensor;
  /** Scores become `softcap · tanh(score / softcap)` before bias and masks. */
  readonly softcap?: number;
  /** Applied to the weights, such as dropout. */
  readonly onWeights?: (weights: Tensor) => Tensor;
}

/** Finite, so that a query that sees nothing has no NaN in value or gradient. */
const hidden = -1e30;

function visibleByOrder(queries: Dim, keys: Dim, window?: number): Tensor {
  const column = unsqueeze(range(0, keys), 0);
  const row = add(unsqueeze(range(0, queries), 1), offsetOf(queries, keys));
  const past = lessEqual(column, row);
  return window ? logicalAnd(past, greater(column, sub(row, window))) : past;
}

function offsetOf(queries: Dim, keys: Dim): number {
  const offset = subDims(keys, queries);
  return typeof offset === "number"
    ? offset
    : fail(
        "unsupported",
        `attend: causal order needs to know how many more keys (${keys}) than queries (${queries}) there are`,
      );
}

function causalBias(queries: Dim, keys: Dim, window = Number.POSITIVE_INFINITY): Tensor {
  if (typeof queries !== "number" || typeof keys !== "number")
    return where(visibleByOrder(queries, keys, Number.isFinite(window) ? window : undefined), 0, hidden);
  const values = new Float32Array(queries * keys);
  for (let q = 0; q < queries; q++)
    for (let k = 0; k < keys; k++) {
      const distance = q + keys - queries - k;
      if (distance < 0 || distance >= window) values[q * keys + k] = hidden;
    }
  return constant(new NDArray(values, [queries, keys], "f32"));
}

/**
 * Attention (Vaswani et al. 2017) with any number of query heads per key head (Ainslie et al. 2023). A query that may look at
 * no key gives zeros.
 * @param q `[batch, heads, queries, dim]`. @param k `[batch, keyHeads, keys, dim]`. @param v `[batch, keyHeads, keys, valueDim]`.
 * @returns `[batch, heads, queries, valueDim]`. @throws `shape` when they do not fit.
 */
export function attend(q: Tensor, k: Tensor, v: Tensor, options: AttendOptions = {}): Tensor {
  const { causal = false, window, mask, bias, softcap, onWeights } = options;
  const dim = q.shape[3];
  if (q.rank !== 4 || k.rank !== 4 || v.rank !== 4 || typeof dim !== "number" || dim !== k.shape[3])
    return fail(
      "shape",
      `attend: queries ${shapeText(q.shape)}, keys ${shapeText(k.shape)} and values ${shapeText(v.shape)} do not fit; they need [batch, heads, n, dim]`,
    );
  if (window !== undefined && !causal) fail("argument", "attend: a window needs causal order");
  const [batch, heads, queries] = q.shape as readonly [Dim, number, Dim, Dim];
  const [keyHeads, keys] = [k.shape[1] as number, k.shape[2]!];
  if (keyHeads !== v.shape[1] || keys !== v.shape[2])
    fail("shape", `attend: keys ${shapeText(k.shape)} and values ${shapeText(v.shape)} do not fit`);
  if (heads % keyHeads) fail("shape", `attend: ${heads} query heads do not share ${keyHeads} key heads evenly`);
  const shared = heads / keyHeads;
  // heads that share keys lie one after the other, so they are one product with more rows
  const rows = shared === 1 ? queries : typeof queries === "number" ? shared * queries : `${shared}*${queries}`;
  const scaled = mul(q, options.scale ?? 1 / Math.sqrt(dim));
  let scores = matmul(shared === 1 ? scaled : reshape(scaled, [batch, keyHeads, rows, dim]), swapLast(k));
  if (softcap) scores = mul(tanh(mul(scores, 1 / softcap)), softcap);
  if (shared !== 1) scores = reshape(scores, [batch, heads, queries, keys]);
  if (bias) scores = add(scores, bias);
  if (causal) scores = add(scores, causalBias(queries, keys, window));
  if (mask) scores = where(mask, scores, hidden);
  let weights = softmax(scores);
  const blind = causal && offsetOf(queries, keys) < 0;
  if (blind) weights = where(visibleByOrder(queries, keys, window), weights, 0);
  if (mask) {
    // order and mask together may leave nothing, then what is hidden by either weighs nothing
    const visible = causal ? logicalAnd(mask, visibleByOrder(queries, keys, window)) : mask;
    weights = where(visible, weights, 0);
  }
  if (onWeights) weights = onWeights(weights);
  if (shared !== 1) weights = reshape(weights, [batch, keyHeads, rows, keys]);
  const y = matmul(weights, v);
  return shared === 1 ? y : reshape(y, [batch, heads, queries, v.shape[3]!]);
}

/**
 * Layer-wise unmasking (Dukić and Šnajder 2024, arXiv 2401.14556): of each layer, whether its tokens see what follows. Makes the
 * orders that whole sequences are run in; what they are labelled with is not known here.
 */
import {
  add,
  cast,
  constant,
  type Dim,
  greater,
  lessEqual,
  logicalAnd,
  mul,
  range,
  reshape,
  shapeText,
  slice,
  sub,
  type Tensor,
  unsqueeze,
  where,
} from "../tensor/index.ts";
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import type { SequenceLayout } from "./whole-sequences.ts";

/** Finite, so that a token that sees nothing has no NaN; its exponential is exactly 0 beside any other score. */
const hidden = -1e30;

/** All configurations of some groups of layers, in binary order from `0…0` (causal) to `1…1` (everything unmasked). */
export function unmaskingConfigurations(groups: number): readonly string[] {
  if (!Number.isSafeInteger(groups) || groups < 1 || groups > 16)
    fail("argument", `unmasking: ${groups} groups; it must be a whole number from 1 to 16`);
  return Array.from({ length: 2 ** groups }, (_, i) => i.toString(2).padStart(groups, "0"));
}

/**
 * Of each layer, whether a configuration unmasks it.
 * @param configuration a bit for each group of consecutive layers, that nearest to the embeddings first. @throws `argument` for other
 * characters, and for layers that do not divide into as many groups.
 */
export function unmaskedLayers(configuration: string, layerCount: number): readonly boolean[] {
  if (!/^[01]+$/.test(configuration))
    fail("argument", `unmasking: "${configuration}" is no configuration; it has a 0 or a 1 for each group of layers`);
  const groups = configuration.length;
  if (layerCount % groups)
    fail("argument", `unmasking: ${layerCount} layers do not divide into ${groups} groups as "${configuration}" wants`);
  return Array.from({ length: layerCount }, (_, l) => configuration[Math.floor((l * groups) / layerCount)] === "1");
}

/** Options of {@link unmaskedLayout}. */
export interface UnmaskedLayoutOptions {
  /** Of each layer, whether its tokens see what follows; or `bool[layers]`, to choose when the graph runs. */
  readonly unmask: readonly boolean[] | Tensor;
  /** Tokens of each sequence. */
  readonly length: Dim;
  /** `i64[batch, length]`: 1 for tokens, 0 for padding, which no layer sees. */
  readonly attentionMask?: Tensor;
}

/** Whether a key is near enough, and not later unless `both` ways count: `[n, n]`, true where it is seen. */
function seen(n: Dim, window: number | undefined, both: boolean): Tensor | undefined {
  const row = unsqueeze(range(0, n), 1);
  const column = unsqueeze(range(0, n), 0);
  const before = both ? undefined : lessEqual(column, row);
  if (window === undefined) return before;
  const near = greater(column, sub(row, window));
  const sides = both ? logicalAnd(near, greater(row, sub(column, window))) : near;
  return before ? logicalAnd(before, sides) : sides;
}

const biasOf = (n: Dim, window: number | undefined, both: boolean): Tensor | undefined => {
  const visible = seen(n, window, both);
  return visible && where(visible, 0, hidden);
};

/** One for every size, computed when the graph is built where that is known. */
function orderBias(n: Dim, window: number | undefined, both: boolean): Tensor | undefined {
  if (typeof n !== "number") return biasOf(n, window, both);
  if (both && window === undefined) return undefined;
  const reach = window ?? Number.POSITIVE_INFINITY;
  const values = new Float32Array(n * n);
  for (let q = 0; q < n; q++)
    for (let k = 0; k < n; k++) if ((!both && k > q) || Math.abs(q - k) >= reach) values[q * n + k] = hidden;
  return constant(new NDArray(values, [n, n], "f32"));
}

/**
 * The layout of sequences in which some layers are unmasked: positions as usual, and in each layer either causal order or none. Where a layer has a
 * sliding window, an unmasked one sees as far to the right as to the left.
 * @throws `shape` for masks that do not fit.
 */
export function unmaskedLayout({ unmask, length, attentionMask }: UnmaskedLayoutOptions): SequenceLayout {
  if (attentionMask && (attentionMask.rank !== 2 || attentionMask.shape[1] !== length))
    fail("shape", `unmasking: the attention mask is ${shapeText(attentionMask.shape)}, it needs [batch, ${length}]`);
  const given = Array.isArray(unmask) ? (unmask as readonly boolean[]) : undefined;
  const chosen = given ? undefined : (unmask as Tensor);
  if (chosen && (chosen.dtype !== "bool" || chosen.rank !== 1))
    fail("shape", `unmasking: which layers is ${chosen.dtype}${shapeText(chosen.shape)}; it needs bool[layers]`);
  const count = given?.length ?? chosen?.shape[0];
  // 0 for tokens, far below for padding: in both orders
  const padding =
    attentionMask && mul(sub(1, reshape(cast(attentionMask, "f32"), [attentionMask.shape[0]!, 1, 1, length])), hidden);
  const known = new Map<string, Tensor>();
  const orderOf = (layer: number, window: number | undefined): Tensor => {
    const [causal, full] = [orderBias(length, window, false)!, orderBias(length, window, true)];
    if (given) return given[layer] ? (full ?? constant(NDArray.zeros([1, 1]))) : causal;
    const bit = slice(chosen!, [{ axis: 0, start: layer, end: layer + 1 }]);
    return where(bit, full ?? 0, causal);
  };
  return {
    bias(layer, window) {
      if (typeof count === "number" && layer >= count)
        fail("shape", `unmasking: there is no bit for layer ${layer}; ${count} layers are described`);
      const key = `${given ? given[layer] : layer} ${window}`;
      const bias = known.get(key) ?? (padding ? add(padding, orderOf(layer, window)) : orderOf(layer, window));
      known.set(key, bias);
      return bias;
    },
  };
}

/**
 * The graphs that `bar:graph` compares, as functions of tensors: sizes of SmolLM2's layers, random weights. The same graphs
 * written by hand are in `by-hand.ts`.
 */
import { traceFunction } from "../../src/runtime/index.ts";
import {
  add,
  matmul,
  mul,
  Parameter,
  rmsNorm,
  scaledDotProductAttention,
  silu,
  skipRmsNorm,
  split,
  type Tensor,
} from "../../src/tensor/index.ts";
import { rotary } from "../../src/tensor/kernels/index.ts";
import { NDArray } from "../../src/util/ndarray.ts";
import { Random } from "../../src/util/random.ts";

/** Sizes of a layer. */
export const sizes = { hidden: 576, intermediate: 1536, heads: 9, kvHeads: 3, headDim: 64, epsilon: 1e-5 } as const;

const random = new Random(7);

/** Normally distributed values with a given spread. */
export function randomArray(shape: readonly number[], spread = 1): NDArray {
  const out = NDArray.zeros(shape);
  for (let i = 0; i < out.size; i++) out.set(i, spread * random.normal());
  return out;
}

const { hidden, intermediate, heads, kvHeads, headDim, epsilon } = sizes;
const qkvWidths = [heads * headDim, kvHeads * headDim, kvHeads * headDim];

/** Weights by name; products read them `[in, out]`. */
export const weights = {
  inputNorm: randomArray([hidden]),
  qkv: randomArray([hidden, (heads + 2 * kvHeads) * headDim], 0.04),
  output: randomArray([heads * headDim, hidden], 0.04),
  mlpNorm: randomArray([hidden]),
  gate: randomArray([hidden, intermediate], 0.04),
  up: randomArray([hidden, intermediate], 0.04),
  down: randomArray([intermediate, hidden], 0.03),
} as const;

/** Name of a weight. */
export type WeightName = keyof typeof weights;

const w = Object.fromEntries(
  Object.entries(weights).map(([name, value]) => [
    name,
    new Parameter(name, "f32", value.shape as number[], value).tensor,
  ]),
) as Record<WeightName, Tensor>;

function feedForward(x: Tensor): Tensor {
  return matmul(mul(silu(matmul(x, w.gate)), matmul(x, w.up)), w.down);
}

function attend(x: Tensor, mask: Tensor, rotate: (x: Tensor) => Tensor): Tensor {
  const [q, k, v] = split(matmul(x, w.qkv), qkvWidths, -1).map((part, i) =>
    part.reshape([1, "n", i ? kvHeads : heads, headDim]).transpose([0, 2, 1, 3]),
  );
  const y = scaledDotProductAttention(rotate(q!), rotate(k!), v!, { bias: mask });
  return matmul(y.transpose([0, 2, 1, 3]).reshape([1, "n", heads * headDim]), w.output);
}

const x = { dtype: "f32", shape: [1, "n", hidden] } as const;
const mask = { dtype: "f32", shape: ["n", "n"] } as const;
const angle = { dtype: "f32", shape: ["n", headDim / 2] } as const;

/** Feed-forward with gates. */
export const mlp = () => traceFunction(({ x }) => ({ y: feedForward(x) }), { inputs: { x }, name: "mlp" });

/** Causal self-attention with grouped key heads. */
export const attention = () =>
  traceFunction(({ x, mask }) => ({ y: attend(x, mask, (part) => part) }), { inputs: { x, mask }, name: "attention" });

/** A whole layer: norms, attention with rotary positions, feed-forward, residual stream. */
export const layer = () =>
  traceFunction(
    ({ x, mask, cos, sin, rows }) => {
      const attended = attend(rmsNorm(x, w.inputNorm, { epsilon }), mask, (part) => rotary(part, cos, sin, rows));
      const [normalized, sum] = skipRmsNorm(x, attended, w.mlpNorm, { epsilon });
      return { y: add(sum, feedForward(normalized)) };
    },
    { inputs: { x, mask, cos: angle, sin: angle, rows: { dtype: "i64", shape: [1, "n"] } }, name: "layer" },
  );

/** Feeds for `n` rows. */
export function feedsFor(names: readonly string[], n: number): Record<string, NDArray> {
  const angles = Array.from({ length: n * (headDim / 2) }, (_, i) => {
    const [row, pair] = [Math.floor(i / (headDim / 2)), i % (headDim / 2)];
    return row * 10_000 ** ((-2 * pair) / headDim);
  });
  const all: Record<string, NDArray> = {
    x: randomArray([1, n, hidden]),
    mask: NDArray.from(
      Array.from({ length: n * n }, (_, i) => (i % n <= Math.floor(i / n) ? 0 : -1e30)),
      [n, n],
    ),
    cos: NDArray.from(angles.map(Math.cos), [n, headDim / 2]),
    sin: NDArray.from(angles.map(Math.sin), [n, headDim / 2]),
    rows: NDArray.from([...Array(n).keys()], [1, n], "i64"),
  };
  return Object.fromEntries(names.map((name) => [name, all[name]!]));
}

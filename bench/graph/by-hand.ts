/**
 * The graphs of `layers.ts` as somebody would write them for ONNX Runtime: node by node, with the fewest nodes that do it.
 */
import { encodeOnnxModel, type OnnxNode, type OnnxValue } from "../../src/runtime/index.ts";
import { NDArray } from "../../src/util/ndarray.ts";
import { sizes, type WeightName, weights } from "./layers.ts";

const { hidden, heads, kvHeads, headDim, epsilon } = sizes;

type Attributes = OnnxNode["attributes"];

/** A graph in the making: values have the names that they are given. */
class HandGraph {
  readonly #nodes: OnnxNode[] = [];
  readonly #constants = new Map<string, NDArray>();

  /** A node; `outputs` are names, split by blanks. */
  node(opType: string, inputs: string, outputs: string, attributes: Attributes = {}, domain = ""): this {
    const names = outputs.split(" ").map((name) => (name === "_" ? "" : name));
    this.#nodes.push({ name: names[0]!, opType, domain, inputs: inputs.split(" "), outputs: names, attributes });
    for (const input of inputs.split(" "))
      if (input in weights) this.#constants.set(input, weights[input as WeightName]);
    return this;
  }

  integers(name: string, ...values: number[]): this {
    this.#constants.set(name, NDArray.from(values, [values.length], "i64"));
    return this;
  }

  /** The model's bytes; its output is `y`. */
  encode(inputs: readonly OnnxValue[]): Uint8Array {
    return encodeOnnxModel({
      name: "by hand",
      nodes: this.#nodes,
      initializers: [...this.#constants].map(([name, data]) => ({ name, dtype: data.dtype, shape: data.shape, data })),
      inputs,
      outputs: [{ name: "y", dtype: "f32", shape: [1, "n", hidden] }],
    });
  }

  /** `y` from `x`. */
  feedForward(x: string, y: string): this {
    return this.node("MatMul", `${x} gate`, "gated")
      .node("Sigmoid", "gated", "open")
      .node("Mul", "gated open", "activated")
      .node("MatMul", `${x} up`, "upper")
      .node("Mul", "activated upper", "neurons")
      .node("MatMul", "neurons down", y);
  }

  /** Heads `q`, `k`, `v` of `x`, `[1, heads, n, headDim]`. */
  project(x: string, q: string, k: string): this {
    this.integers("widths", heads * headDim, kvHeads * headDim, kvHeads * headDim)
      .integers("queryShape", 1, -1, heads, headDim)
      .integers("keyShape", 1, -1, kvHeads, headDim)
      .node("MatMul", `${x} qkv`, "packed")
      .node("Split", "packed widths", "q0 k0 v0", { axis: { int: -1 } });
    const order = { perm: { ints: [0, 2, 1, 3] } };
    return this.node("Reshape", "q0 queryShape", "q1")
      .node("Reshape", "k0 keyShape", "k1")
      .node("Reshape", "v0 keyShape", "v1")
      .node("Transpose", "q1", q, order)
      .node("Transpose", "k1", k, order)
      .node("Transpose", "v1", "v", order);
  }

  /** `y` from heads; query heads that share a key head lie one below the other. */
  attend(q: string, k: string, y: string): this {
    return this.integers("grouped", 1, kvHeads, -1, headDim)
      .integers("single", 1, heads, -1, headDim)
      .integers("flat", 1, -1, heads * headDim)
      .integers("byHead", 1, heads, -1, 0)
      .integers("byGroup", 1, kvHeads, -1, 0)
      .node("Reshape", `${q} grouped`, "qg")
      .node(
        "FusedMatMul",
        `qg ${k}`,
        "scores",
        { transB: { int: 1 }, alpha: { float: 1 / Math.sqrt(headDim) } },
        "com.microsoft",
      )
      .node("Reshape", "scores byHead", "scoresByHead")
      .node("Add", "scoresByHead mask", "masked")
      .node("Softmax", "masked", "shares", { axis: { int: -1 } })
      .node("Reshape", "shares byGroup", "sharesByGroup")
      .node("MatMul", "sharesByGroup v", "mixed")
      .node("Reshape", "mixed single", "mixedByHead")
      .node("Transpose", "mixedByHead", "rowsFirst", { perm: { ints: [0, 2, 1, 3] } })
      .node("Reshape", "rowsFirst flat", "joined")
      .node("MatMul", "joined output", y);
  }
}

const x: OnnxValue = { name: "x", dtype: "f32", shape: [1, "n", hidden] };
const mask: OnnxValue = { name: "mask", dtype: "f32", shape: ["n", "n"] };
const angle = (name: string): OnnxValue => ({ name, dtype: "f32", shape: ["n", headDim / 2] });

/** Feed-forward with gates. */
export const mlpByHand = () => new HandGraph().feedForward("x", "y").encode([x]);

/** Causal self-attention with grouped key heads. */
export const attentionByHand = () => new HandGraph().project("x", "q", "k").attend("q", "k", "y").encode([x, mask]);

/** A whole layer. */
export const layerByHand = () => {
  const norm = { epsilon: { float: epsilon } };
  return new HandGraph()
    .node("SimplifiedLayerNormalization", "x inputNorm", "x1", { axis: { int: -1 }, ...norm })
    .project("x1", "q", "k")
    .node("RotaryEmbedding", "q rows cos sin", "qr", {}, "com.microsoft")
    .node("RotaryEmbedding", "k rows cos sin", "kr", {}, "com.microsoft")
    .attend("qr", "kr", "attended")
    .node("SkipSimplifiedLayerNormalization", "x attended mlpNorm", "x2 _ _ sum", norm, "com.microsoft")
    .feedForward("x2", "fed")
    .node("Add", "sum fed", "y")
    .encode([x, mask, angle("cos"), angle("sin"), { name: "rows", dtype: "i64", shape: [1, "n"] }]);
};

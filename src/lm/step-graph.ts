/**
 * The graph of one step: a pure function from embedded rows and a cache to logits and the rows' own keys and values.
 * Nothing here knows what a token is or who owns the cache.
 */

import { enter, type SiteEdit, site, trace } from "../nn/index.ts";
import { type LoweredGraph, lowerGraph } from "../runtime/index.ts";
import { concat, type Dim, gather, input, mulDims, type Tensor } from "../tensor/index.ts";
import { type Angles, canonicalAttention, headPieces } from "./canonical-attention.ts";
import type { DecoderConfig } from "./config.ts";
import type { AttentionRequest, ForwardContext } from "./context.ts";
import type { Decoder } from "./decoder.ts";

/** Positions per canonical block: the boundary between long and recent keys is a multiple of it, and so is a prompt's chunk. */
export const blockLength = 64;

/** Options of a step's graph. */
export interface StepGraphOptions {
  /** Sites whose values become outputs `tap:NAME`: those that families name, and every module's result by its path. */
  readonly taps?: readonly string[];
  /** Edits by site. */
  readonly edits?: Readonly<Record<string, SiteEdit>>;
}

class StepContext implements ForwardContext {
  readonly inputs: Tensor[] = [];
  readonly keys: Tensor[] = [];
  readonly values: Tensor[] = [];
  readonly #shared: {
    rows: Tensor;
    ones: Tensor;
    recentMask: Tensor;
    recentMaskLocal?: Tensor;
    longMask?: Tensor;
    longOff: Tensor;
    global?: Angles;
    local?: Angles;
  };

  constructor(config: DecoderConfig) {
    const { headCount, kvHeadCount, headDim } = config;
    const groupRows = mulDims(headCount / kvHeadCount, "n");
    const angles = (name: string): Angles => ({
      cos: this.input(`cos.${name}`, ["n", headDim / 2]),
      sin: this.input(`sin.${name}`, ["n", headDim / 2]),
    });
    const hasLocal = config.localLayers.some(Boolean);
    this.#shared = {
      rows: this.input("rows", [1, "n"], "i64"),
      ones: this.input("ones", [1, kvHeadCount, "n", 1]),
      recentMask: this.input("recentMask", [groupRows, `n+${blockLength}`]),
      // a wider window never ends inside of the recent part
      recentMaskLocal:
        hasLocal && (config.slidingWindow ?? blockLength) < blockLength
          ? this.input("recentMaskLocal", [groupRows, `n+${blockLength}`])
          : undefined,
      longMask: hasLocal ? this.input("longMask", [groupRows, "pastLocal"]) : undefined,
      longOff: this.input("longOff", [1]),
      global: config.family === "gpt2" ? undefined : angles("global"),
      local: hasLocal && config.localRope ? angles("local") : undefined,
    };
  }

  input(name: string, shape: readonly Dim[], dtype: "f32" | "i64" = "f32"): Tensor {
    const tensor = input(name, dtype, shape);
    this.inputs.push(tensor);
    return tensor;
  }

  attend(request: AttentionRequest): Tensor {
    const { layer, kvHeadCount, headDim, local } = request;
    const past = local ? "pastLocal" : "past";
    const pieces = headPieces(headDim);
    const { rows, ones, recentMask, recentMaskLocal, longMask, longOff, global, local: localAngles } = this.#shared;
    const angles = request.rope === "none" ? undefined : request.rope === "local" ? (localAngles ?? global) : global;
    const { output, newKeys, newValues } = canonicalAttention(
      request,
      {
        longKeys: pieces.map((piece, i) => this.input(`long.${layer}.k${i}`, [1, kvHeadCount, past, piece])),
        longValues: this.input(`long.${layer}.v`, [1, kvHeadCount, past, headDim + 1]),
        tailKeys: pieces.map((piece, i) => this.input(`tail.${layer}.k${i}`, [1, kvHeadCount, blockLength, piece])),
        tailValues: this.input(`tail.${layer}.v`, [1, kvHeadCount, blockLength, headDim + 1]),
        longMask: local ? longMask : undefined,
        longOff,
        recentMask: local ? (recentMaskLocal ?? recentMask) : recentMask,
      },
      angles,
      ones,
      rows,
    );
    this.keys.push(...newKeys);
    this.values.push(newValues);
    return output;
  }

  site(name: string, x: Tensor): Tensor {
    return site(name, x, "model");
  }
}

/**
 * Traces and lowers a decoder's step.
 *
 * Inputs: `embeddings [1, n, hidden]`, `rows i64[1, n]`, `wanted i64[r]` (rows whose logits are needed), cosines and sines,
 * masks, and per layer the long and tail parts of the cache. Outputs: `logits [1, r, vocabulary]`, `hidden [1, n, hidden]`,
 * `keys [layers · pieces, kvHeads, n, piece]`, `values [layers, kvHeads, n, headDim + 1]`, and `tap:NAME`s. The leading
 * axis of 1 is what ONNX Runtime's fused kernels want of activations.
 */
export function buildStepGraph(decoder: Decoder, options: StepGraphOptions = {}): LoweredGraph {
  const context = new StepContext(decoder._config);
  const embeddings = context.input("embeddings", [1, "n", decoder._config.hiddenSize]);
  const wanted = context.input("wanted", ["r"], "i64");
  const { result, taps } = trace(options, () =>
    enter(decoder, () => {
      const hidden = decoder.hidden(embeddings, context);
      return { logits: decoder.logits(gather(hidden, wanted, 1)), hidden };
    }),
  );
  const tapped = Object.fromEntries(Object.entries(taps).map(([path, x]) => [`tap:${path}`, x]));
  return lowerGraph(
    context.inputs,
    { ...result, keys: concat(context.keys, 0), values: concat(context.values, 0), ...tapped },
    { name: `${decoder._config.family} step` },
  );
}

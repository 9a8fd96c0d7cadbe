/**
 * The shape of small decoders that are trained from nothing: Llama's, with the sizes that follow from a few.
 */
import { fail } from "../util/errors.ts";
import type { DecoderConfig } from "./config.ts";

/** Sizes of a small decoder. */
export interface SmallLlamaShape {
  readonly vocabSize: number;
  readonly layers: number;
  /** Width of the residual stream. */
  readonly width: number;
  /** Query heads; heads of 32 dimensions when absent. */
  readonly heads?: number;
  /** Key and value heads; as many as query heads when absent. */
  readonly kvHeads?: number;
  readonly contextLength: number;
}

/** Configuration of a Llama whose feed-forward parts are three times as wide as its stream, with tied embeddings. @throws `argument`. */
export function smallLlama(shape: SmallLlamaShape): DecoderConfig {
  const { vocabSize, layers, width, contextLength } = shape;
  if (shape.heads === undefined && width % 32)
    fail("argument", `a model's width is ${width}; it must be a multiple of 32, or the number of heads be given`);
  const headCount = shape.heads ?? width / 32;
  const headDim = width / headCount;
  if (!Number.isInteger(headDim) || headDim % 2)
    fail("argument", `a width of ${width} does not make ${headCount} heads of an even number of dimensions`);
  return {
    family: "llama",
    vocabSize,
    hiddenSize: width,
    layerCount: layers,
    headCount,
    kvHeadCount: shape.kvHeads ?? headCount,
    headDim,
    intermediateSize: 3 * width,
    contextLength,
    normEpsilon: 1e-5,
    rope: { base: 10_000, scale: 1 },
    localLayers: Array.from({ length: layers }, () => false),
    attentionScale: 1 / Math.sqrt(headDim),
    embeddingScale: 1,
    tiedEmbeddings: true,
    attentionBias: false,
  };
}

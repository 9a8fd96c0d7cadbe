/**
 * Refuses architectures that cannot be built, and weights that do not fit their architecture: from headers alone, before
 * any memory is taken for the values.
 */
import type { Module } from "../../nn/index.ts";
import { fail } from "../../util/errors.ts";
import type { DecoderConfig, EncoderConfig } from "../config.ts";
import type { Checkpoint } from "./checkpoint.ts";

function checkSizes(sizes: Readonly<Record<string, number>>): void {
  for (const [name, size] of Object.entries(sizes))
    if (!Number.isSafeInteger(size) || size < 1 || size > 2 ** 24)
      fail("format", `the checkpoint says that ${name} is ${size}, which makes no sense`);
  const { layerCount } = sizes;
  if (layerCount! > 1024) fail("format", `the checkpoint says that it has ${layerCount} layers, which makes no sense`);
}

/** Refuses decoders that cannot be built. @throws `format` naming the size that is wrong. */
export function checkConfig(config: DecoderConfig): void {
  const { headCount, kvHeadCount, headDim, hiddenSize, layerCount, vocabSize, intermediateSize, contextLength } =
    config;
  checkSizes({ hiddenSize, headCount, kvHeadCount, headDim, layerCount, vocabSize, intermediateSize, contextLength });
  if (config.slidingWindow !== undefined) checkSizes({ slidingWindow: config.slidingWindow });
  if (headCount % kvHeadCount) fail("format", `${headCount} query heads cannot share ${kvHeadCount} key heads`);
  if (config.family !== "gpt2" && headDim % 2)
    fail("format", `the checkpoint says that headDim is ${headDim}, but rotary positions need pairs`);
  for (const rope of [config.rope, config.localRope])
    if (rope && !(rope.base > 0 && rope.scale > 0))
      fail("format", `rotary positions of base ${rope.base} and scale ${rope.scale} make no sense`);
}

/** Refuses encoders that cannot be built. @throws `format` naming the size that is wrong. */
export function checkEncoderConfig(config: EncoderConfig): void {
  const { hiddenSize, headCount, layerCount, vocabSize, intermediateSize, contextLength, typeCount } = config;
  checkSizes({ hiddenSize, headCount, layerCount, vocabSize, intermediateSize, contextLength, typeCount });
  if (hiddenSize % headCount) fail("format", `${headCount} heads do not divide a hidden size of ${hiddenSize}`);
}

/**
 * Compares the shapes that a configuration asks for with those of the checkpoint.
 * @param wanted further tensors that are read, by name.
 * @throws `format` naming a tensor that is missing, or one of another shape with both shapes.
 */
export function checkShapes(
  model: Module,
  checkpoint: Checkpoint,
  wanted: Readonly<Record<string, readonly number[]>> = {},
): void {
  const compare = (name: string, shape: readonly number[]) => {
    const found = checkpoint.shape(name);
    if (String(found) !== String(shape))
      fail("format", `tensor ${name} is [${found.join(", ")}], but the configuration makes it [${shape.join(", ")}]`);
  };
  for (const [name, shape] of Object.entries(wanted)) compare(name, shape);
  const { config } = checkpoint;
  const tied = config.family !== "bert" && config.tiedEmbeddings;
  for (const [name, { shape }] of model.parameters()) if (name !== "lm_head.weight" || !tied) compare(name, shape);
}

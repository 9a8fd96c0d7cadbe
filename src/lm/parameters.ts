/**
 * Float values for a decoder's parameters, straight from a checkpoint: what training and adapters need, where generation maps converted
 * weights from a file.
 */

import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import type { ProgressListener } from "../util/progress.ts";
import { checkShapes } from "./checkpoint/check-config.ts";
import type { Checkpoint } from "./checkpoint/checkpoint.ts";
import type { Decoder } from "./decoder.ts";
import { buildDecoder } from "./families/index.ts";

/**
 * A checkpoint's decoder with all weights as floats in memory, whatever they are in the file; a head that the file lacks is the embedding.
 * @throws `format` naming a tensor that is missing or of another shape, `unsupported` for an encoder.
 */
export async function decoderInMemory(checkpoint: Checkpoint, onProgress?: ProgressListener): Promise<Decoder> {
  const { config } = checkpoint;
  if (config.family === "bert") return fail("unsupported", "a BERT encoder is no decoder; use loadEncoder");
  const decoder = buildDecoder(config);
  checkShapes(decoder, checkpoint, { [decoder._embeddingPath]: [config.vocabSize, config.hiddenSize] });
  const parameters = [...decoder.parameters()];
  for (const [i, [path, parameter]] of parameters.entries()) {
    const name = path === "lm_head.weight" && !checkpoint.has(path) ? decoder._embeddingPath : path;
    parameter.value = new NDArray(await checkpoint.read(name), parameter.shape, "f32");
    onProgress?.({ task: "read weights", done: i + 1, total: parameters.length, unit: "tensors" });
  }
  return decoder;
}

/**
 * An encoder that is ready to run: batches of token ids to one vector of length 1 per text. Knows no text and no files.
 */
import { nameParameters } from "../../nn/index.ts";
import { type Engine, type Executable, loadGraph, traceFunction } from "../../runtime/index.ts";
import { l2Normalize } from "../../tensor/index.ts";
import { fail } from "../../util/errors.ts";
import { NDArray } from "../../util/ndarray.ts";
import { checkShapes } from "../checkpoint/check-config.ts";
import type { SafetensorsCheckpoint } from "../checkpoint/safetensors.ts";
import type { EncoderConfig } from "../config.ts";
import { Bert } from "./bert.ts";
import { type PoolingMode, pool } from "./pooling.ts";

/** How an encoder is loaded. */
export interface LoadEncoderOptions {
  /** How tokens become one vector; the mean when absent. */
  readonly pooling?: readonly PoolingMode[];
  readonly threads?: number;
  readonly engine?: Engine;
}

/** A loaded encoder. */
export class EncoderModel {
  readonly config: EncoderConfig;
  /** Length of a text's vector. */
  readonly dimensions: number;
  readonly #executable: Executable;

  /** @internal Use {@link loadEncoder}. */
  constructor(config: EncoderConfig, dimensions: number, executable: Executable) {
    this.config = config;
    this.dimensions = dimensions;
    this.#executable = executable;
  }

  /**
   * Vectors of length 1 of a batch of texts, `[texts, dimensions]`. Shorter texts are padded to the longest.
   * @param batch token ids of each text, special tokens included.
   * @throws `argument` for an empty batch or text, an id outside of the vocabulary, or more tokens than the model takes.
   */
  async embed(batch: readonly (readonly number[])[]): Promise<NDArray> {
    const { vocabSize, contextLength } = this.config;
    const length = batch.reduce((most, ids) => Math.max(most, ids.length), 0);
    if (batch.some((ids) => ids.length === 0) || length === 0)
      fail("argument", "embed: there is a text without tokens; add the model's special tokens");
    if (length > contextLength)
      fail("argument", `embed: a text has ${length} tokens, the model takes ${contextLength}; cut it`);
    const ids = NDArray.zeros([batch.length, length], "i64");
    const mask = NDArray.zeros([batch.length, length]);
    batch.forEach((text, row) => {
      text.forEach((id, column) => {
        if (!Number.isInteger(id) || id < 0 || id >= vocabSize)
          fail("argument", `embed: token ${id} is outside of the vocabulary of ${vocabSize}`);
        (ids.data as BigInt64Array)[row * length + column] = BigInt(id);
      });
      (mask.data as Float32Array).fill(1, row * length, row * length + text.length);
    });
    const { embedding } = await this.#executable.run({ ids, mask });
    return embedding!;
  }

  /** Frees the engine's memory. */
  dispose(): Promise<void> {
    return this.#executable.dispose();
  }
}

/**
 * Loads an encoder. Float weights that lie in the file as they are used are mapped from it, not copied.
 * @throws `unsupported` when the checkpoint holds a decoder, `format` when tensors are missing or of other shapes than the
 * configuration says.
 */
export async function loadEncoder(
  checkpoint: SafetensorsCheckpoint,
  options: LoadEncoderOptions = {},
): Promise<EncoderModel> {
  const { config } = checkpoint;
  if (config.family !== "bert")
    return fail("unsupported", `a ${config.family} decoder gives no embeddings; use a BERT model such as minilm`);
  const bert = new Bert(config);
  nameParameters(bert);
  checkShapes(bert, checkpoint);
  for (const [name, parameter] of bert.parameters())
    parameter.value = checkpoint.slice(name) ?? new NDArray(await checkpoint.read(name), parameter.shape, "f32");
  const pooling = options.pooling ?? ["mean"];
  const lowered = traceFunction(
    ({ ids, mask }) => ({ embedding: l2Normalize(pool(bert.hidden(ids, mask), mask, pooling)) }),
    {
      name: "bert encoder",
      inputs: { ids: { dtype: "i64", shape: ["b", "l"] }, mask: { dtype: "f32", shape: ["b", "l"] } },
    },
  );
  return new EncoderModel(config, pooling.length * config.hiddenSize, await loadGraph(lowered, options));
}

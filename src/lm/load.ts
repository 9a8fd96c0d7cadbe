/**
 * From a model file to a decoder that can run: open, convert once, cache, build the step's graph, load it into an engine.
 */
import { readGguf, readTensorF32 } from "../formats/index.ts";
import { type Engine, loadGraph } from "../runtime/index.ts";
import type { ByteSource } from "../util/bytes.ts";
import { fail } from "../util/errors.ts";
import { sizeOf } from "../util/ndarray.ts";
import type { ProgressListener } from "../util/progress.ts";
import { checkShapes } from "./checkpoint/check-config.ts";
import type { Checkpoint } from "./checkpoint/checkpoint.ts";
import { GgufCheckpoint } from "./checkpoint/gguf.ts";
import type { Decoder } from "./decoder.ts";
import { buildDecoder } from "./families/index.ts";
import { productsAreExact } from "./forms/exact-products.ts";
import { chooseForm, type LinearForm } from "./forms/index.ts";
import { buildStepGraph, type StepGraphOptions } from "./step-graph.ts";
import { StepModel } from "./step-model.ts";
import { convertWeights, installWeights } from "./weights.ts";

/** Increased whenever stored weights change their meaning. */
const converterVersion = 1;

/** How a decoder is loaded. */
export interface LoadDecoderOptions extends StepGraphOptions {
  /** Name of the weight form; the best one for this CPU when absent. */
  readonly form?: string;
  /** Folder for converted weights. */
  readonly cacheFolder: string;
  /** SHA-256 of the model file: the converted weights belong to it. */
  readonly sha256: string;
  readonly threads?: number;
  readonly engine?: Engine;
  /** Collect milliseconds per node. */
  readonly profile?: boolean;
  readonly onProgress?: ProgressListener;
}

/** A decoder ready to run, and where its parts came from. */
export interface LoadedDecoder {
  readonly model: StepModel;
  readonly checkpoint: Checkpoint;
  readonly form: string;
  /** Frees everything. */
  dispose(): Promise<void>;
}

/** A decoder whose layers know where their weights lie. */
export interface PreparedDecoder {
  readonly decoder: Decoder;
  /** The form of its weights. */
  readonly form: LinearForm;
}

/**
 * Builds a checkpoint's decoder and points it at its converted weights, which are made first if there are none.
 * @throws `format` naming a tensor that is missing, or whose shape is not what the configuration says: before memory is
 * taken for it.
 */
export async function prepareDecoder(
  checkpoint: Checkpoint,
  options: Pick<LoadDecoderOptions, "form" | "cacheFolder" | "sha256" | "engine" | "onProgress">,
): Promise<PreparedDecoder> {
  const { config } = checkpoint;
  if (config.family === "bert") fail("unsupported", "a BERT encoder cannot generate; use it for embeddings");
  const form = await chooseForm(options.form, () => productsAreExact(options.engine));
  const decoder = buildDecoder(config);
  checkShapes(decoder, checkpoint, {
    [decoder._embeddingPath]: [config.vocabSize, config.hiddenSize],
    ...(decoder._positionPath ? { [decoder._positionPath]: [config.contextLength, config.hiddenSize] } : {}),
  });
  const { openWeights, WeightWriter } = await import("../runtime/node/weight-file.ts");
  const key = `${options.sha256} ${form.name} v${form.version} c${converterVersion}`;
  const folder = `${options.cacheFolder}/${options.sha256.slice(0, 16)}-${form.name}`;
  let stored = await openWeights(folder, key);
  if (!stored) {
    const writer = new WeightWriter(folder, key);
    try {
      await convertWeights(decoder, checkpoint, form, decoder._embeddingPath, writer, options.onProgress);
    } catch (thrown) {
      await writer.abort();
      throw thrown;
    }
    stored = await writer.finish();
  }
  installWeights(decoder, form, stored);
  return { decoder, form };
}

/** Loads a decoder from a checkpoint. @throws what {@link prepareDecoder} throws, and `engine`. */
export async function loadDecoder(checkpoint: Checkpoint, options: LoadDecoderOptions): Promise<LoadedDecoder> {
  const { decoder, form } = await prepareDecoder(checkpoint, options);
  const { RowFile } = await import("../runtime/node/row-file.ts");
  const executable = await loadGraph(buildStepGraph(decoder, options), options);
  const embeddings = new RowFile(checkpoint.table(decoder._embeddingPath));
  const positions =
    decoder._positionPath === undefined ? undefined : new RowFile(checkpoint.table(decoder._positionPath));
  const model = new StepModel(decoder._config, executable, embeddings, positions);
  return {
    model,
    checkpoint,
    form: form.name,
    async dispose() {
      await model.dispose();
      embeddings.close();
      positions?.close();
    },
  };
}

/** Opens a GGUF file as a checkpoint. @throws `unsupported` or `format` from its metadata. */
export async function openGguf(source: ByteSource, path: string): Promise<GgufCheckpoint> {
  // the tokenizer is read elsewhere, and the vocabulary would be held twice
  const file = await readGguf(source, { wanted: (key) => !key.startsWith("tokenizer.") });
  const divisors = file.tensors.get("rope_freqs.weight");
  // a divisor for each pair of a head; heads have at most a few hundred dimensions
  if (divisors && sizeOf(divisors.shape) > 4096)
    fail("format", `${path}: rope_freqs.weight is [${divisors.shape}], more than one number for each pair of a head`);
  return new GgufCheckpoint(file, path, divisors && (await readTensorF32(file, divisors.name)));
}

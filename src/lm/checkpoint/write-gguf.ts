/**
 * A decoder of the Llama family with its values, and a vocabulary, as the contents of a GGUF file: the way back of `gguf.ts`.
 * Knows no disk.
 */
import type { BpeVocabulary, GgufToWrite, GgufType, GgufValue, TypedGgufValue } from "../../formats/index.ts";
import { fail } from "../../util/errors.ts";
import { NDArray } from "../../util/ndarray.ts";
import type { Decoder } from "../decoder.ts";
import { ggufName } from "./gguf.ts";

/** Options of {@link decoderAsGguf}. */
export interface DecoderAsGgufOptions {
  /** Name of the model. */
  readonly name: string;
  readonly vocabulary: BpeVocabulary;
  /** Control token that ends a text; it must be in the vocabulary. */
  readonly endOfText: string;
  /** Jinja template of chats; none by default. */
  readonly chatTemplate?: string;
  /** How matrices are stored; `Q8_0` by default. Vectors stay `F32`. */
  readonly type?: GgufType;
  /** SPDX identifier of the weights' licence. */
  readonly licence?: string;
}

/** Reorders rows `[heads, 2, dim / 2, …]` to `[heads, dim / 2, 2, …]`, as llama.cpp wants pairs that turn together. */
function interleavePairs(values: Float32Array, heads: number, rows: number): Float32Array {
  const width = values.length / rows;
  const dim = rows / heads;
  const out = new Float32Array(values.length);
  for (let h = 0; h < heads; h++)
    for (let side = 0; side < 2; side++)
      for (let j = 0; j < dim / 2; j++) {
        const from = (h * dim + side * (dim / 2) + j) * width;
        out.set(values.subarray(from, from + width), (h * dim + 2 * j + side) * width);
      }
  return out;
}

function metadataOf(decoder: Decoder, options: DecoderAsGgufOptions): Map<string, GgufValue | TypedGgufValue> {
  const { family, rope, ...config } = decoder._config;
  const { tokens, merges, controlCount, pre } = options.vocabulary;
  const end = tokens.indexOf(options.endOfText);
  if (end < 0) fail("argument", `the vocabulary has no token ${options.endOfText} to end a text with`);
  const entries: [string, GgufValue | TypedGgufValue | undefined][] = [
    ["general.architecture", family],
    ["general.name", options.name],
    ["general.license", options.licence],
    [`${family}.block_count`, config.layerCount],
    [`${family}.context_length`, config.contextLength],
    [`${family}.embedding_length`, config.hiddenSize],
    [`${family}.feed_forward_length`, config.intermediateSize],
    [`${family}.attention.head_count`, config.headCount],
    [`${family}.attention.head_count_kv`, config.kvHeadCount],
    [`${family}.attention.key_length`, config.headDim],
    [`${family}.attention.value_length`, config.headDim],
    [`${family}.attention.layer_norm_rms_epsilon`, { type: "f32", value: config.normEpsilon }],
    [`${family}.rope.freq_base`, { type: "f32", value: rope.base }],
    [`${family}.rope.dimension_count`, config.headDim],
    [`${family}.vocab_size`, config.vocabSize],
    ["tokenizer.ggml.model", "gpt2"],
    ["tokenizer.ggml.pre", pre],
    ["tokenizer.ggml.tokens", tokens],
    ["tokenizer.ggml.merges", merges],
    ["tokenizer.ggml.token_type", Int32Array.from(tokens, (_, id) => (id < controlCount ? 3 : 1))],
    ["tokenizer.ggml.eos_token_id", end],
    ["tokenizer.ggml.bos_token_id", end],
    ["tokenizer.ggml.add_bos_token", false],
    ["tokenizer.chat_template", options.chatTemplate],
  ];
  return new Map(entries.filter((entry): entry is [string, GgufValue | TypedGgufValue] => entry[1] !== undefined));
}

/**
 * What `writeGguf` is to write. Weights are packed one after the other when their turn comes.
 * @throws `unsupported` for another family than `llama` or for scaled rotary positions, `name` for a parameter without a
 * value, `argument` when the vocabulary does not fit.
 */
export function decoderAsGguf(decoder: Decoder, options: DecoderAsGgufOptions): GgufToWrite {
  const { family, rope, headCount, kvHeadCount, vocabSize, tiedEmbeddings } = decoder._config;
  if (family !== "llama") fail("unsupported", `decoders of the family ${family} cannot be written as GGUF; llama can`);
  if (rope.scale !== 1 || rope.llama3 || rope.frequencyDivisors)
    fail("unsupported", "scaled rotary positions cannot be written as GGUF yet");
  if (!tiedEmbeddings) fail("unsupported", "a decoder whose embedding is not its head cannot be written as GGUF");
  const { tokens } = options.vocabulary;
  if (tokens.length !== vocabSize)
    fail("argument", `the vocabulary has ${tokens.length} tokens, the decoder ${vocabSize}`);
  const tensors = [...decoder.parameters()].map(([path, { value, shape }]) => {
    const values =
      value instanceof NDArray
        ? (value.data as Float32Array)
        : fail("name", `parameter "${path}" has no value that could be written`);
    const heads = /\.([qk])_proj\./.exec(path)?.[1];
    return {
      // the head of tied embeddings is the embedding
      name:
        path === "lm_head.weight"
          ? "token_embd.weight"
          : (ggufName(family, path) ?? fail("internal", `GGUF has no name for ${path}`)),
      shape,
      type: shape.length === 1 ? "F32" : (options.type ?? "Q8_0"),
      data: async () => (heads ? interleavePairs(values, heads === "q" ? headCount : kvHeadCount, shape[0]!) : values),
    } as const;
  });
  return { metadata: metadataOf(decoder, options), tensors };
}

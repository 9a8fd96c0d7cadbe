/**
 * Small GGUF files that between them hold everything the reader knows: every element type, every kind of metadata, the
 * three kinds of tokenizer. And where in them the counts, lengths and offsets stand.
 */
import {
  canDequantize,
  type GgufTensorToWrite,
  type GgufType,
  type GgufValue,
  ggufTypes,
  type TypedGgufValue,
  writeGguf,
} from "../../src/formats/index.ts";
import { charOfByte } from "../../src/formats/tokenizer/bytes.ts";
import { ggufName } from "../../src/lm/checkpoint/gguf.ts";
import { buildDecoder, openGguf } from "../../src/lm/index.ts";
import { memorySource } from "../../src/util/bytes.ts";
import { sizeOf } from "../../src/util/ndarray.ts";
import { Random } from "../../src/util/random.ts";
import type { Field } from "./mutate-bytes.ts";

/** Metadata to be written. */
export type Metadata = Record<string, GgufValue | TypedGgufValue>;

/** A file and the places in it that a reader trusts. */
export interface FieldedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly fields: readonly Field[];
  /** What it was written from, if it was written here. */
  readonly parts?: { readonly metadata: Metadata; readonly tensors: readonly GgufTensorToWrite[] };
}

function architecture(name: string): Metadata {
  return {
    "general.architecture": name,
    "general.name": "hostile",
    "general.license": "apache-2.0",
    [`${name}.embedding_length`]: 64,
    [`${name}.block_count`]: 2,
    [`${name}.attention.head_count`]: 4,
    [`${name}.attention.head_count_kv`]: 2,
    [`${name}.feed_forward_length`]: 128,
    [`${name}.context_length`]: 256,
    [`${name}.attention.layer_norm_rms_epsilon`]: { type: "f32", value: 1e-5 },
    [`${name}.rope.freq_base`]: { type: "f32", value: 10_000 },
    [`${name}.vocab_size`]: 300,
  };
}

/** One value of every type, arrays of arrays included. */
const oddMetadata: Metadata = {
  "odd.u8": { type: "u8", value: 200 },
  "odd.i8": { type: "i8", value: -3 },
  "odd.u16": { type: "u16", value: 60_000 },
  "odd.i16": { type: "i16", value: -300 },
  "odd.u64": { type: "u64", value: 2n ** 60n },
  "odd.i64": { type: "i64", value: -5 },
  "odd.f64": { type: "f64", value: 0.1 },
  "odd.bool": true,
  "odd.floats": Float32Array.of(1, Number.NaN, Number.POSITIVE_INFINITY),
  "odd.nested": [Int32Array.of(1, 2), Int32Array.of(3)],
  "odd.empty": [],
  "tokenizer.chat_template": "{% for m in messages %}{{ m['content'] }}{% endfor %}",
};

function byteLevelTokenizer(): Metadata {
  const tokens = Array.from(charOfByte, (char) => String.fromCharCode(char));
  const merges: string[] = [];
  for (const [a, b] of ["t h", "th e", "Ġ the", "Ġ a", "a b", "ab ab", "i n", "1 2", "Ġ Ġ", "ĠĠ ĠĠ"].map((m) =>
    m.split(" "),
  )) {
    merges.push(`${a} ${b}`);
    tokens.push(`${a}${b}`);
  }
  const types = new Int32Array(tokens.length + 3).fill(1);
  tokens.push("<|endoftext|>", "<|im_start|>", "<|im_end|>");
  types.fill(3, tokens.length - 3);
  return {
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "smollm",
    "tokenizer.ggml.tokens": tokens,
    "tokenizer.ggml.token_type": types,
    "tokenizer.ggml.merges": merges,
    "tokenizer.ggml.bos_token_id": tokens.length - 2,
    "tokenizer.ggml.eos_token_id": tokens.length - 1,
    "tokenizer.ggml.add_space_prefix": false,
  };
}

function sentencePieceTokenizer(): Metadata {
  const tokens = ["<unk>", "<s>", "</s>"];
  for (let byte = 0; byte < 256; byte++) tokens.push(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
  tokens.push(
    ..."▁abcdefghijklmnopqrstuvwxyz0123456789.,",
    "th",
    "the",
    "▁the",
    "ab",
    "aa",
    "aaaa",
    "▁▁",
    "<end_of_turn>",
  );
  const types = tokens.map((token, id) => (id === 0 ? 2 : id < 3 || token.startsWith("<end") ? 3 : id < 259 ? 6 : 1));
  return {
    "tokenizer.ggml.model": "llama",
    "tokenizer.ggml.tokens": tokens,
    "tokenizer.ggml.scores": Float32Array.from(tokens, (_, id) => -id),
    "tokenizer.ggml.token_type": Int32Array.from(types),
    "tokenizer.ggml.bos_token_id": 1,
    "tokenizer.ggml.eos_token_id": 2,
    "tokenizer.ggml.unknown_token_id": 0,
    "tokenizer.ggml.add_bos_token": true,
  };
}

function wordPieceTokenizer(): Metadata {
  const tokens = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    ..."abcdefghijklmnopqrstuvwxyz",
    "▁the",
    "▁fox",
    "▁a",
    "▁ab",
    "ing",
  ];
  return {
    "tokenizer.ggml.model": "bert",
    "tokenizer.ggml.tokens": tokens,
    "tokenizer.ggml.token_type": new Int32Array(tokens.length).fill(1),
    "tokenizer.ggml.cls_token_id": 2,
    "tokenizer.ggml.seperator_token_id": 3,
    "tokenizer.ggml.unknown_token_id": 1,
  };
}

function embedding(): GgufTensorToWrite[] {
  return [{ name: "token_embd.weight", shape: [300, 64], type: "Q8_0", data: new Random(4).normals(300 * 64) }];
}

/** Tensors of every type, or only of those that can be unpacked. */
function everyType(listed: boolean): GgufTensorToWrite[] {
  const random = new Random(5);
  const types = Object.values(ggufTypes).filter(({ name }) => listed || canDequantize(name));
  const every = types.map(
    ({ name, blockSize, bytesPerBlock }): GgufTensorToWrite => ({
      name: `every.${name}`,
      shape: [3, 2 * blockSize],
      type: name as GgufType,
      data: Uint8Array.from({ length: 6 * bytesPerBlock }, () => random.integer(256)),
    }),
  );
  return [
    { name: "scalar", shape: [], type: "F32", data: random.normals(1) },
    { name: "empty", shape: [0, 32], type: "F16", data: new Uint8Array(0) },
    ...every,
  ];
}

const sizes: Readonly<Record<number, number>> = { 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8 };

/** Walks a well-formed file and notes its fields: an independent and trusting reader. */
export function fieldsOfGguf(bytes: Uint8Array): Field[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const fields: Field[] = [];
  let at = 4;
  const take = (size: 4 | 8, what: string): number => {
    fields.push({ at, bytes: size, what });
    at += size;
    return size === 8 ? Number(view.getBigUint64(at - 8, true)) : view.getUint32(at - 4, true);
  };
  const text = (what: string) => {
    const length = take(8, `length of ${what}`);
    at += length;
  };
  const value = (type: number): void => {
    if (type === 8) text("string");
    else if (type === 9) {
      const inner = take(4, "type of elements");
      const count = take(8, "number of elements");
      // the first few stand for all: a vocabulary would crowd out everything else
      const before = fields.length;
      for (let i = 0; i < count; i++) {
        value(inner);
        if (i >= 3) fields.length = Math.min(fields.length, before + 6);
      }
    } else at += sizes[type]!;
  };
  take(4, "version");
  const tensorCount = take(8, "number of tensors");
  const entryCount = take(8, "number of entries");
  for (let i = 0; i < entryCount; i++) {
    text("key");
    value(take(4, "type of value"));
  }
  for (let i = 0; i < tensorCount; i++) {
    text("tensor name");
    const rank = take(4, "rank");
    for (let d = 0; d < rank; d++) take(8, "dimension");
    take(4, "element type");
    take(8, "offset");
  }
  return fields;
}

/** Writes a file. */
export async function ggufBytes(
  metadata: Metadata,
  tensors: readonly GgufTensorToWrite[],
  alignment?: number,
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of writeGguf({ metadata: new Map(Object.entries(metadata)), tensors, alignment }))
    pieces.push(piece.slice());
  return new Uint8Array(Buffer.concat(pieces));
}

/** The weights that a decoder of this architecture asks for, all zero. */
async function decoderTensors(metadata: Metadata): Promise<GgufTensorToWrite[]> {
  const { config } = await openGguf(memorySource(await ggufBytes(metadata, embedding())), "hostile.gguf");
  return [...buildDecoder(config).parameters()].flatMap(([path, { shape }]): GgufTensorToWrite[] => {
    const name = ggufName(config.family, path);
    const type = shape.at(-1)! % 32 ? "F32" : "Q4_0";
    return name && name !== "output.weight"
      ? [{ name, shape: [...shape], type, data: new Float32Array(sizeOf(shape)) }]
      : [];
  });
}

async function build(name: string, metadata: Metadata, alignment?: number): Promise<FieldedFile> {
  const weights = [...embedding(), ...(await decoderTensors(metadata))];
  const tensors = [...weights, ...everyType(name === "gemma3, SentencePiece")];
  const bytes = await ggufBytes(metadata, tensors, alignment);
  return { name, bytes, fields: fieldsOfGguf(bytes), parts: { metadata, tensors } };
}

/** The files that are mutated. */
export async function ggufFiles(): Promise<FieldedFile[]> {
  return [
    await build("llama, byte-level BPE", { ...architecture("llama"), ...byteLevelTokenizer(), ...oddMetadata }),
    await build(
      "gemma3, SentencePiece",
      { ...architecture("gemma3"), ...sentencePieceTokenizer(), ...oddMetadata },
      64,
    ),
    await build("qwen2, WordPiece", { ...architecture("qwen2"), ...wordPieceTokenizer(), ...oddMetadata }),
  ];
}

/**
 * Mutations of what a GGUF file says, in a file that is sound as such: metadata of the wrong type, absurd or
 * contradictory, and tensors of other shapes and types than the architecture asks for.
 */
import { type GgufTensorToWrite, type GgufType, type GgufValue, ggufTypes } from "../../src/formats/index.ts";
import { sizeOf } from "../../src/util/ndarray.ts";
import type { Random } from "../../src/util/random.ts";
import type { Metadata } from "./gguf-files.ts";
import { type Mutation, pick } from "./mutate-bytes.ts";

interface Parts {
  readonly metadata: Metadata;
  readonly tensors: readonly GgufTensorToWrite[];
}

const architectures = ["llama", "qwen2", "qwen3", "gemma2", "gemma3", "gpt2", "bert", "constructor", ""];
const kinds = ["gpt2", "llama", "bert", "t5", "rwkv", "none", "__proto__"];
const pres = ["smollm", "llama-bpe", "qwen2", "deepseek-v3", "falcon", "tekken", "gpt-4o", "default", "no-such", ""];
const strings = ["", " ", "\0", "a", "▁", "##", "<0x41>", "<0xZZ>", "aa", "a b", "Ġ", "\ud800", "toString"];

function hostileValue(random: Random): Metadata[string] {
  switch (random.integer(9)) {
    case 0:
      return pick(random, [0, 1, -1, 2 ** 31, 2 ** 32 - 1, 0.5, 1e30, 3, 5, 7]);
    case 1:
      return { type: "f32", value: pick(random, [Number.NaN, Number.POSITIVE_INFINITY, -0, 1e-40, -1e38]) };
    case 2:
      return pick(random, strings);
    case 3:
      return "ab".repeat(pick(random, [10, 1000, 300_000]));
    case 4:
      return Array.from({ length: pick(random, [0, 1, 50, 3000]) }, () => pick(random, strings));
    case 5:
      return Int32Array.from({ length: pick(random, [0, 1, 269, 300]) }, () => random.integer(8) - 1);
    case 6:
      return Float32Array.from({ length: pick(random, [0, 1, 300]) }, () => pick(random, [Number.NaN, 1, -1e38]));
    case 7:
      return pick(random, [true, false]);
    default:
      return [["a"], ["b", "c"]];
  }
}

/** Changes some entries of a list and keeps its type. */
function changedList(random: Random, list: GgufValue): GgufValue {
  if (Array.isArray(list)) {
    const texts = [...(list as string[])];
    const changes = pick(random, [1, 10, texts.length]);
    for (let i = 0; i < changes && texts.length; i++) {
      const at = random.integer(texts.length);
      if (typeof texts[at] !== "string") return texts;
      const repeated = texts[at]!.repeat(random.integer(5));
      texts[at] = pick(random, [pick(random, texts), pick(random, strings), repeated]);
    }
    if (random.integer(4) === 0) texts.length = random.integer(texts.length + 1);
    return texts;
  }
  const numbers = (list as Int32Array).slice();
  const changes = pick(random, [1, 10, numbers.length]);
  for (let i = 0; i < changes; i++)
    numbers[random.integer(numbers.length)] = pick(random, [0, 1, 2, 3, 4, 5, 6, 7, -1, 1e9]);
  return random.integer(4) ? numbers : numbers.slice(0, random.integer(numbers.length + 1));
}

function mutateMetadata(random: Random, metadata: Metadata): string {
  const keys = Object.keys(metadata);
  const key = pick(random, keys);
  const old = metadata[key]!;
  switch (random.integer(7)) {
    case 0:
      delete metadata[key];
      return `${key} removed`;
    case 1:
      metadata[key] = metadata[pick(random, keys)]!;
      return `${key} has another's value`;
    case 2:
      metadata["general.architecture"] = pick(random, architectures);
      return `architecture ${metadata["general.architecture"]}`;
    case 3:
      metadata["tokenizer.ggml.model"] = pick(random, kinds);
      return `tokenizer ${metadata["tokenizer.ggml.model"]}`;
    case 4:
      metadata["tokenizer.ggml.pre"] = pick(random, pres);
      return `pre-tokenizer ${metadata["tokenizer.ggml.pre"]}`;
    case 5: {
      const lists = keys.filter((name) => Array.isArray(metadata[name]) || ArrayBuffer.isView(metadata[name]));
      const list = pick(random, lists);
      metadata[list] = changedList(random, metadata[list] as GgufValue);
      return `${list} changed`;
    }
    default:
      metadata[key] =
        typeof old === "number" && random.integer(2)
          ? pick(random, [0, old + 1, old * 1000, 2 ** 31])
          : hostileValue(random);
      return `${key} → ${JSON.stringify(metadata[key])?.slice(0, 60)}`;
  }
}

function mutateTensor(random: Random, tensors: GgufTensorToWrite[]): string {
  const at = random.integer(tensors.length);
  const { name, shape, type } = tensors[at]!;
  const kind = random.integer(4);
  if (kind === 0) {
    tensors.splice(at, 1);
    return `${name} removed`;
  }
  if (kind === 1) {
    tensors[at] = {
      ...tensors[at]!,
      name: pick(random, [...tensors.map((other) => other.name), "rope_freqs.weight", ""]),
    };
    return `${name} called ${tensors[at]!.name}`;
  }
  const chosen = kind === 2 ? type : pick(random, Object.keys(ggufTypes) as GgufType[]);
  const { blockSize, bytesPerBlock } = ggufTypes[chosen];
  const other =
    kind === 2
      ? pick(random, [[], [0], [1, ...shape].slice(0, 4), shape.toReversed(), [shape[0] ?? 1], [7, 3, 256]])
      : shape;
  const whole = other.length
    ? [...other.slice(0, -1), Math.ceil(other.at(-1)! / blockSize) * blockSize]
    : blockSize > 1
      ? [blockSize]
      : [];
  tensors[at] = {
    name,
    shape: whole,
    type: chosen,
    data: new Uint8Array((sizeOf(whole) / blockSize) * bytesPerBlock).fill(random.integer(256)),
  };
  return `${name} is ${chosen} [${whole}]`;
}

/** One to three changes of what a file says. */
export function mutateMeaning(random: Random, { metadata, tensors }: Parts): Mutation<Parts> {
  const changed = { metadata: { ...metadata }, tensors: [...tensors] };
  const done: string[] = [];
  for (let count = 1 + random.integer(3); count > 0; count--)
    done.push(random.integer(4) ? mutateMetadata(random, changed.metadata) : mutateTensor(random, changed.tensors));
  return { what: done.join("; "), value: changed };
}

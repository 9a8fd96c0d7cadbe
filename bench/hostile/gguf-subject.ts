/**
 * Hostile GGUF files: read whole, as loading a model does, tokenizer, configuration and every tensor included.
 */
import { readFile } from "node:fs/promises";
import { type GgufFile, readGguf, readTensorF32, tokenizerFromGguf } from "../../src/formats/index.ts";
import { checkShapes } from "../../src/lm/checkpoint/check-config.ts";
import { buildDecoder, openGguf } from "../../src/lm/index.ts";
import { type ByteSource, memorySource } from "../../src/util/bytes.ts";
import type { Random } from "../../src/util/random.ts";
import { type FieldedFile, fieldsOfGguf, ggufBytes, ggufFiles } from "./gguf-files.ts";
import { mutateMeaning } from "./gguf-meaning.ts";
import { mutateBytes, pick } from "./mutate-bytes.ts";
import { type HostileCase, type Outcome, readParts, type Subject } from "./subject.ts";
import { useTokenizer } from "./texts.ts";

async function readWhole(source: ByteSource): Promise<Outcome> {
  let file: GgufFile | undefined;
  const opened = await readParts(async () => {
    file = await readGguf(source);
  });
  if (!file) return opened;
  const { metadata, tensors } = file;
  const whole = file;
  const parts = await readParts(
    () => useTokenizer(tokenizerFromGguf(metadata)),
    async () => {
      const checkpoint = await openGguf(source, source.name);
      checkShapes(buildDecoder(checkpoint.config), checkpoint);
    },
    ...[...tensors.keys()].map((name) => () => readTensorF32(whole, name)),
  );
  return { codes: [...opened.codes, ...parts.codes] };
}

/** A source of any size that costs nothing: `head`, then one byte over and over. */
function endlessSource(head: Uint8Array, size: number, filler = 0): ByteSource {
  return {
    name: `${size} bytes`,
    size,
    async read(offset, length) {
      if (length > 2 ** 31) throw new Error(`the reader asked for ${length} bytes at once`);
      const bytes = new Uint8Array(length).fill(filler);
      if (offset < head.length) bytes.set(head.subarray(offset, Math.min(head.length, offset + length)));
      return bytes;
    },
  };
}

/** The start of a file with little-endian numbers and texts one after another. */
function head(...items: readonly (number | bigint | string | Uint8Array)[]): Uint8Array {
  const pieces = items.map((item) => {
    if (item instanceof Uint8Array) return item;
    if (typeof item === "string") {
      const text = new TextEncoder().encode(item);
      return Buffer.concat([head(BigInt(text.length)), text]);
    }
    const bytes = new Uint8Array(typeof item === "bigint" ? 8 : 4);
    const view = new DataView(bytes.buffer);
    if (typeof item === "bigint") view.setBigUint64(0, item, true);
    else view.setUint32(0, item, true);
    return bytes;
  });
  return new Uint8Array(Buffer.concat(pieces));
}

const magic = 0x46554747;

function handmade(what: string, source: () => ByteSource): HostileCase {
  return { what, run: () => readWhole(source()) };
}

/** As many metadata entries with keys of four bytes as fit, each of one byte. */
function manyEntries(count: number): Uint8Array {
  const bytes = new Uint8Array(24 + 17 * count);
  const view = new DataView(bytes.buffer);
  bytes.set(head(magic, 3, 0n, BigInt(count)));
  for (let i = 0, at = 24; i < count; i++, at += 17) {
    view.setUint32(at, 4, true);
    for (let c = 0; c < 4; c++) bytes[at + 8 + c] = 48 + ((i >> (6 * c)) & 63);
  }
  return bytes;
}

/** A list of as many two-byte strings as the file claims. */
function manyStrings(count: number): Uint8Array {
  const start = head(magic, 3, 0n, 1n, "tokenizer.ggml.tokens", 9, 8, BigInt(count));
  const bytes = new Uint8Array(start.length + 10 * count);
  bytes.set(start);
  for (let i = 0, at = start.length; i < count; i++, at += 10) {
    bytes[at] = 2;
    bytes[at + 8] = 48 + (i & 63);
    bytes[at + 9] = 48 + ((i >> 6) & 63);
  }
  return bytes;
}

const TiB = 2 ** 40;

const handmadeFiles: readonly HostileCase[] = [
  handmade("an empty file", () => memorySource(new Uint8Array(0))),
  handmade("a header and nothing else", () => memorySource(head(magic, 3, 1n, 1n))),
  handmade("a tebibyte of empty strings", () =>
    endlessSource(head(magic, 3, 0n, 1n, "tokenizer.ggml.tokens", 9, 8, 1n << 36n), TiB),
  ),
  handmade("an array of a tebibyte", () => endlessSource(head(magic, 3, 0n, 1n, "k", 9, 0, 1n << 39n), TiB)),
  handmade("2^36 metadata entries", () => endlessSource(head(magic, 3, 0n, 1n << 36n), TiB)),
  handmade("2^35 tensors", () => endlessSource(head(magic, 3, 1n << 35n, 0n), TiB)),
  handmade("a string of a tebibyte", () => endlessSource(head(magic, 3, 0n, 1n, "k", 8, 1n << 39n), TiB, 65)),
  handmade("arrays within arrays", () =>
    endlessSource(head(magic, 3, 0n, 1n, "k", 9, 9, 1n, 9, 1n, 9, 1n, 9, 1n, 9, 1n, 9, 1n, 0, 1n), TiB),
  ),
  handmade("65,000 empty arrays of arrays", () => endlessSource(head(magic, 3, 0n, 1n, "k", 9, 9, 65_000n), TiB)),
  handmade("a quarter of a gibibyte in one array", () =>
    endlessSource(head(magic, 3, 0n, 1n, "k", 9, 0, 1n << 28n), TiB),
  ),
  handmade("a tensor of 2^52 elements", () =>
    endlessSource(head(magic, 3, 1n, 0n, "t", 2, 1n << 26n, 1n << 26n, 0, 0n), TiB),
  ),
  handmade("two tensors at one place", () =>
    endlessSource(head(magic, 3, 2n, 0n, "a", 1, 256n, 0, 0n, "b", 1, 256n, 0, 0n), TiB),
  ),
  handmade("10 million metadata entries", () => memorySource(manyEntries(10_000_000))),
  handmade("20 million strings", () => memorySource(manyStrings(20_000_000))),
];

/** GGUF files. */
export function ggufSubject(): Subject {
  let files: FieldedFile[] = [];
  return {
    name: "gguf",
    handmade: handmadeFiles,
    async prepare(inputs) {
      files = await ggufFiles();
      for (const path of inputs) {
        const bytes = new Uint8Array(await readFile(path));
        files.push({ name: path, bytes, fields: fieldsOfGguf(bytes) });
      }
      // a base that is refused as it is would test nothing
      for (const { name, bytes } of files) {
        const { codes } = await readWhole(memorySource(bytes, name));
        if (codes.some((code) => code !== "unsupported")) throw new Error(`${name} is not sound: ${codes}`);
      }
    },
    mutate(random: Random): HostileCase {
      const file = pick(random, files);
      if (file.parts && random.integer(2)) {
        const { what, value } = mutateMeaning(random, file.parts);
        return {
          what: `${file.name}: ${what}`,
          run: async () => readWhole(memorySource(await ggufBytes(value.metadata, value.tensors), "hostile.gguf")),
        };
      }
      const { what, value } = mutateBytes(random, file.bytes, file.fields);
      return { what: `${file.name}: ${what}`, run: () => readWhole(memorySource(value, "hostile.gguf")) };
    },
  };
}

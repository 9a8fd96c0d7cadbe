/**
 * Hostile safetensors: header, tensors, shard index and the `config.json` beside them, read as loading a model does.
 */
import { readFile } from "node:fs/promises";
import {
  readSafetensor,
  readSafetensors,
  readShardedSafetensors,
  type SafetensorsFile,
  writeSafetensors,
} from "../../src/formats/index.ts";
import { checkShapes } from "../../src/lm/checkpoint/check-config.ts";
import { buildDecoder, SafetensorsCheckpoint } from "../../src/lm/index.ts";
import { type ByteSource, memorySource } from "../../src/util/bytes.ts";
import { dtypes } from "../../src/util/dtype.ts";
import { NDArray } from "../../src/util/ndarray.ts";
import { Random } from "../../src/util/random.ts";
import { mutateBytes, pick } from "./mutate-bytes.ts";
import { mutateJson } from "./mutate-text.ts";
import { type HostileCase, type Outcome, readParts, type Subject } from "./subject.ts";

interface Files {
  readonly name: string;
  readonly weights: Uint8Array;
  readonly config: string;
  /** Index of shards, each of which is `weights` again. */
  readonly index: string;
  /** Whether the weights are all that `config` asks for. */
  readonly whole: boolean;
}

const utf8 = new TextEncoder();

/** A file of its header's text and `data` bytes. */
function fileOf(header: string, data: Uint8Array): Uint8Array {
  const text = utf8.encode(header);
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}

function headerOf(file: Uint8Array): { header: string; data: Uint8Array } {
  const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  return { header: new TextDecoder().decode(file.subarray(8, 8 + length)), data: file.subarray(8 + length) };
}

function everyType(): Uint8Array {
  const random = new Random(7);
  const tensors = new Map<string, NDArray>();
  for (const name of ["f32", "f16", "bf16", "i64", "i32", "u32", "u16", "i8", "u8", "bool"] as const) {
    const data = new dtypes[name].array(12);
    for (let i = 0; i < 12; i++) data[i] = (name === "i64" ? BigInt(i) : random.integer(2)) as never;
    tensors.set(`every.${name}`, new NDArray(data, [3, 4], name));
  }
  tensors.set("model.embed_tokens.weight", new NDArray(random.normals(64 * 16), [64, 16], "f32"));
  tensors.set("scalar", new NDArray(random.normals(1), [], "f32"));
  tensors.set("empty", new NDArray(new Float32Array(0), [0, 5], "f32"));
  return new Uint8Array(Buffer.concat([...writeSafetensors(tensors, new Map([["format", "pt"]]))]));
}

const everyConfig = JSON.stringify({
  model_type: "llama",
  vocab_size: 64,
  hidden_size: 16,
  intermediate_size: 32,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 128,
  rms_norm_eps: 1e-5,
  rope_theta: 10_000,
  rope_scaling: null,
  tie_word_embeddings: true,
  hidden_act: "silu",
});

function indexOf(weights: Uint8Array): string {
  const names = Object.keys(JSON.parse(headerOf(weights).header) as object).filter((name) => name !== "__metadata__");
  const shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
  const map = Object.fromEntries(names.map((name, i) => [name, shards[i % 2]]));
  return JSON.stringify({ metadata: { total_size: 1 }, weight_map: map });
}

async function readFiles({ weights, config, index }: Omit<Files, "name" | "whole">): Promise<Outcome> {
  const source: ByteSource = memorySource(weights, "hostile.safetensors");
  const opened: SafetensorsFile[] = [];
  const first = await readParts(
    async () => opened.push(await readSafetensors(source)),
    async () => opened.push(await readShardedSafetensors(index, async () => source)),
  );
  const parts = opened.flatMap((file) => [
    () => {
      const checkpoint = new SafetensorsCheckpoint(file, config);
      if (checkpoint.config.family !== "bert") checkShapes(buildDecoder(checkpoint.config), checkpoint);
    },
    ...[...file.tensors.keys()].map((name) => () => readSafetensor(file, name)),
  ]);
  return { codes: [...first.codes, ...(await readParts(...parts)).codes] };
}

function handmade(what: string, header: () => string, dataBytes = 64): HostileCase {
  return {
    what,
    run() {
      const weights = fileOf(header(), new Uint8Array(dataBytes));
      return readFiles({ weights, config: everyConfig, index: '{"weight_map":{}}' });
    },
  };
}

function handmadeIndex(what: string, index: () => string): HostileCase {
  return {
    what,
    run: () => readFiles({ weights: fileOf("{}", new Uint8Array(0)), config: everyConfig, index: index() }),
  };
}

const handmadeFiles: readonly HostileCase[] = [
  handmade("a header nested a million deep", () => "[".repeat(1_000_000)),
  handmade(
    "a header of 30 MB of zeros in one shape",
    () => `{"a":{"dtype":"F32","shape":[${"0,".repeat(15_000_000)}0],"data_offsets":[0,0]}}`,
  ),
  handmade(
    "three million keys",
    () => `{${Array.from({ length: 3_000_000 }, (_, i) => `"${i.toString(36)}":0`).join(",")}}`,
  ),
  handmade("a name of 30 MB", () => `{"${"a".repeat(30_000_000)}":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`),
  handmade(
    "sizes that multiply to infinity",
    () => `{"a":{"dtype":"F32","shape":[${Array(16).fill(2 ** 53 - 1)}],"data_offsets":[0,64]}}`,
  ),
  handmade(
    "sizes that multiply to not-a-number",
    () => `{"a":{"dtype":"F32","shape":[${Array(15).fill(2 ** 53 - 1)},0],"data_offsets":[0,0]}}`,
  ),
  handmade(
    "names of the prototype",
    () =>
      `{"__proto__":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"constructor":{"dtype":"toString","shape":[],"data_offsets":[4,8]}}`,
  ),
  handmade(
    "tensors that overlap",
    () =>
      `{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"b":{"dtype":"F32","shape":[4],"data_offsets":[8,24]}}`,
  ),
  handmade(
    "a tensor that is not aligned",
    () =>
      `{"a":{"dtype":"I64","shape":[2],"data_offsets":[3,19]},"b":{"dtype":"F16","shape":[1],"data_offsets":[1,3]}}`,
  ),
  handmade("a header that is not UTF-8", () => `{"\ud800":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`),
  handmadeIndex("an index that leads out of its folder", () => '{"weight_map":{"a":"../../etc/passwd"}}'),
  handmadeIndex("an index of 5,000 files", () =>
    JSON.stringify({
      weight_map: Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`t${i}`, `f${i}.safetensors`])),
    }),
  ),
  handmadeIndex("an index nested 100,000 deep", () => '{"a":'.repeat(100_000)),
];

/** safetensors files. */
export function safetensorsSubject(): Subject {
  let files: Files[] = [];
  return {
    name: "safetensors",
    handmade: handmadeFiles,
    async prepare(inputs) {
      const weights = everyType();
      files = [{ name: "every type", weights, config: everyConfig, index: indexOf(weights), whole: false }];
      const fixtures = new URL("../../test/fixtures/lm/", import.meta.url);
      for (const family of ["gemma3", "gpt2", "bert", "qwen3"]) {
        const own = new Uint8Array(await readFile(new URL(`${family}/model.safetensors`, fixtures)));
        const config = await readFile(new URL(`${family}/config.json`, fixtures), "utf8");
        files.push({ name: family, weights: own, config, index: indexOf(own), whole: true });
      }
      for (const path of inputs) {
        const own = new Uint8Array(await readFile(path));
        files.push({ name: path, weights: own, config: everyConfig, index: indexOf(own), whole: false });
      }
      for (const file of files) {
        const { codes } = await readFiles(file);
        if (file.whole && codes.some((code) => code !== "unsupported"))
          throw new Error(`${file.name} is not sound: ${codes}`);
      }
    },
    mutate(random) {
      const file = pick(random, files);
      const { name } = file;
      const kind = random.integer(6);
      if (kind === 0) {
        const { what, value } = mutateJson(random, file.config);
        return { what: `${name}: config: ${what}`, run: () => readFiles({ ...file, config: value }) };
      }
      if (kind === 1) {
        const { what, value } = mutateJson(random, file.index);
        return { what: `${name}: index: ${what}`, run: () => readFiles({ ...file, index: value }) };
      }
      if (kind < 5) {
        const { header, data } = headerOf(file.weights);
        const { what, value } = mutateJson(random, header);
        return { what: `${name}: header: ${what}`, run: () => readFiles({ ...file, weights: fileOf(value, data) }) };
      }
      const { what, value } = mutateBytes(random, file.weights, [{ at: 0, bytes: 8, what: "header length" }]);
      return { what: `${name}: ${what}`, run: () => readFiles({ ...file, weights: value }) };
    },
  };
}

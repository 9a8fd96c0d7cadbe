/**
 * The tiny random checkpoints of test/fixtures/lm: opening them, writing them as GGUF files with llama.cpp's conventions,
 * and running a sequence through a decoder in different ways.
 */
import { readFileSync } from "node:fs";
import { readdir, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { type GgufTensorToWrite, type GgufValue, type TypedGgufValue, writeGguf } from "../../src/formats/index.ts";
import { type DecoderConfig, KvCache, type SafetensorsCheckpoint, type StepModel } from "../../src/lm/index.ts";
import { type OpenedCheckpoint, openEncoderCheckpoint } from "../../src/serve/engine/open-checkpoint.ts";

/** What the reference computed with a decoder. */
export interface Expected {
  readonly tokens: readonly number[];
  /** Positions whose logits follow. */
  readonly rows: readonly number[];
  readonly logits: readonly (readonly number[])[];
  /** llama.cpp's name of each tensor, from its own table. */
  readonly ggufNames: Readonly<Record<string, string>>;
}

/** Names of the decoders. */
export const tinyDecoders = ["llama", "llama-linear", "qwen2", "qwen3", "gemma2", "gemma3", "gpt2"] as const;

/** Folder of a checkpoint. */
export function tinyFolder(name: string): string {
  return fileURLToPath(new URL(`../fixtures/lm/${name}`, import.meta.url));
}

/** A JSON file of a checkpoint. */
export function tinyJson<T>(name: string, file: string): T {
  return JSON.parse(readFileSync(`${tinyFolder(name)}/${file}`, "utf8")) as T;
}

/** Opens the safetensors files of a folder. */
export async function openFolder(folder: string): Promise<OpenedCheckpoint<SafetensorsCheckpoint>> {
  const names = await readdir(folder);
  const index = names.find((file) => file.endsWith(".index.json"));
  return openEncoderCheckpoint({
    kind: "safetensors",
    weights: names
      .filter((file) => file.endsWith(".safetensors"))
      .sort()
      .map((file) => `${folder}/${file}`),
    files: { config: `${folder}/config.json`, index: index && `${folder}/${index}` },
  });
}

type HfConfig = Readonly<Record<string, unknown>> & {
  readonly rope_parameters?: Readonly<Record<string, unknown>> & {
    readonly full_attention?: Readonly<Record<string, unknown>>;
  };
};

/** `rope_freqs.weight` as llama.cpp's converter computes it for Llama 3's scaling. */
function llama3Divisors(rope: Readonly<Record<string, number>>, headDim: number): Float32Array {
  const { rope_theta, factor, low_freq_factor, high_freq_factor, original_max_position_embeddings: context } = rope;
  const [longest, shortest] = [context! / low_freq_factor!, context! / high_freq_factor!];
  return Float32Array.from({ length: headDim / 2 }, (_, i) => {
    const wavelength = 2 * Math.PI * rope_theta! ** ((2 * i) / headDim);
    if (wavelength < shortest) return 1;
    if (wavelength > longest) return factor!;
    const smooth = (context! / wavelength - low_freq_factor!) / (high_freq_factor! - low_freq_factor!);
    return 1 / ((1 - smooth) / factor! + smooth);
  });
}

function metadataOf(architecture: string, config: HfConfig): Map<string, GgufValue | TypedGgufValue> {
  const metadata = new Map<string, GgufValue | TypedGgufValue>([["general.architecture", architecture]]);
  const float = (key: string, value: unknown) =>
    value !== undefined &&
    value !== null &&
    metadata.set(`${architecture}.${key}`, { type: "f32", value: value as number });
  const count = (key: string, value: unknown) =>
    value !== undefined && value !== null && metadata.set(`${architecture}.${key}`, value as number);
  count("context_length", config.max_position_embeddings ?? config.n_positions);
  count("embedding_length", config.hidden_size ?? config.n_embd);
  count("block_count", config.num_hidden_layers ?? config.n_layer);
  count("feed_forward_length", config.intermediate_size ?? 4 * (config.n_embd as number));
  count("attention.head_count", config.num_attention_heads ?? config.n_head);
  count("attention.head_count_kv", config.num_key_value_heads);
  count("attention.key_length", config.head_dim);
  float("attention.layer_norm_rms_epsilon", config.rms_norm_eps);
  float("attention.layer_norm_epsilon", config.layer_norm_epsilon);
  const rope = config.rope_parameters?.full_attention ?? config.rope_parameters;
  float("rope.freq_base", rope?.rope_theta);
  if (rope?.rope_type === "linear") {
    metadata.set(`${architecture}.rope.scaling.type`, "linear");
    float("rope.scaling.factor", rope.factor);
  }
  if (architecture.startsWith("gemma")) {
    count("attention.sliding_window", config.sliding_window);
    float("attn_logit_softcapping", config.attn_logit_softcapping);
    float("final_logit_softcapping", config.final_logit_softcapping);
    // Gemma's own sizes let llama.cpp guess the scale; this one does not follow its rule
    if (config.query_pre_attn_scalar !== config.head_dim)
      float("attention.scale", 1 / Math.sqrt(config.query_pre_attn_scalar as number));
  }
  return metadata;
}

/** llama.cpp's order of the rows of Llama's queries and keys: the two halves of each head take turns. */
function interleaveHalves(values: Float32Array, rows: number, heads: number): Float32Array {
  const width = values.length / rows;
  const dim = rows / heads;
  const out = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    const [head, within] = [Math.floor(row / dim), row % dim];
    const [half, pair] = [Math.floor(within / (dim / 2)), within % (dim / 2)];
    const to = head * dim + 2 * pair + half;
    out.set(values.subarray(row * width, (row + 1) * width), to * width);
  }
  return out;
}

/** Writes a checkpoint's weights, unchanged, as a GGUF file that follows llama.cpp's conventions. */
export async function writeTinyGguf(name: string, path: string): Promise<void> {
  await using opened = await openFolder(tinyFolder(name));
  const { checkpoint } = opened;
  const config = tinyJson<HfConfig>(name, "config.json");
  const { ggufNames } = tinyJson<Expected>(name, "expected.json");
  const { family, headDim, headCount, kvHeadCount } = checkpoint.config as DecoderConfig;
  const tensors: GgufTensorToWrite[] = [];
  for (const [own, gguf] of Object.entries(ggufNames)) {
    const shape = checkpoint.shape(own);
    let data = await checkpoint.read(own);
    if (family === "llama" && own.includes("q_proj")) data = interleaveHalves(data, shape[0]!, headCount);
    if (family === "llama" && own.includes("k_proj")) data = interleaveHalves(data, shape[0]!, kvHeadCount);
    if (family.startsWith("gemma") && own.endsWith("norm.weight")) data = data.map((x) => x + 1);
    tensors.push({ name: gguf, shape, type: "F32", data });
  }
  const rope = config.rope_parameters;
  if (rope?.rope_type === "llama3") {
    const data = llama3Divisors(rope as Readonly<Record<string, number>>, headDim);
    tensors.push({ name: "rope_freqs.weight", shape: [data.length], type: "F32", data });
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of writeGguf({ metadata: metadataOf(family, config), tensors })) chunks.push(chunk);
  await writeFile(path, Buffer.concat(chunks));
}

/**
 * Logits of every row of a sequence.
 * @param rowsOf how many rows the next step takes, given how many are left before the next boundary.
 */
export async function logitsOf(
  model: StepModel,
  tokens: readonly number[],
  rowsOf: (room: number) => number,
): Promise<Float32Array[]> {
  const cache = new KvCache(model.config);
  const out: Float32Array[] = [];
  while (out.length < tokens.length) {
    const at = out.length;
    const count = Math.min(rowsOf(cache.room), cache.room, tokens.length - at);
    const { logits, keys, values } = await model.step(cache, { tokens: tokens.slice(at, at + count) });
    cache.commit(
      keys,
      values,
      Array.from({ length: count }, (_, i) => i),
    );
    const width = logits.shape[1]!;
    for (let i = 0; i < count; i++) out.push((logits.data as Float32Array).slice(i * width, (i + 1) * width));
  }
  return out;
}

/** Largest difference between computed logits and those of the reference. */
export function largestDifference(logits: readonly Float32Array[], expected: Expected): number {
  return Math.max(
    ...expected.rows.flatMap((row, i) => expected.logits[i]!.map((x, token) => Math.abs(x - logits[row]![token]!))),
  );
}

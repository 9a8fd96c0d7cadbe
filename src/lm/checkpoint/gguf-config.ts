/**
 * Architecture from GGUF metadata.
 */
import type { GgufFile } from "../../formats/index.ts";
import { fail } from "../../util/errors.ts";
import type { DecoderConfig, DecoderFamily, RopeConfig } from "../config.ts";
import { checkConfig } from "./check-config.ts";

const families: Readonly<Record<string, DecoderFamily>> = {
  llama: "llama",
  qwen2: "qwen2",
  qwen3: "qwen3",
  gemma2: "gemma2",
  gemma3: "gemma3",
  gpt2: "gpt2",
};

/** Reads scalar metadata with clear errors. */
export class GgufFields {
  readonly #file: GgufFile;
  /** Architecture, which the keys begin with. */
  readonly prefix: string;

  constructor(file: GgufFile, prefix: string) {
    this.#file = file;
    this.prefix = prefix;
  }

  /** A number, or the default, or an error when neither is there. */
  number(key: string, fallback?: number): number {
    const value = this.#file.metadata.get(`${this.prefix}.${key}`);
    if (typeof value === "number" || typeof value === "bigint") {
      const n = Number(value);
      if (!Number.isFinite(n) || n < 0)
        fail("format", `GGUF metadata ${this.prefix}.${key} is ${n}, which makes no sense`);
      return n;
    }
    if (value !== undefined)
      fail("unsupported", `GGUF metadata ${this.prefix}.${key} is not one number; lists per layer are not supported`);
    return fallback ?? fail("format", `GGUF metadata lacks ${this.prefix}.${key}; the file is incomplete`);
  }
}

/** Frequencies as the file stores or scales them. */
function ropeConfig(file: GgufFile, f: GgufFields, headDim: number, base: number, divisors?: Float32Array): RopeConfig {
  const scaling = String(file.metadata.get(`${f.prefix}.rope.scaling.type`) ?? "none");
  if (!["none", "linear"].includes(scaling))
    fail("unsupported", `GGUF rope scaling "${scaling.slice(0, 80)}" is not supported; known are none and linear`);
  const turned = f.number("rope.dimension_count", headDim);
  if (turned !== headDim)
    fail(
      "unsupported",
      `GGUF: rotary positions turn ${turned} of ${headDim} dimensions; only all of them is supported`,
    );
  if (divisors && divisors.length !== headDim / 2)
    fail("format", `GGUF: rope_freqs.weight has ${divisors.length} values for ${headDim / 2} pairs`);
  if (divisors?.some((x) => !(x > 0))) fail("format", "GGUF: rope_freqs.weight has a value that is not above 0");
  return {
    base: f.number("rope.freq_base", base),
    scale: scaling === "linear" ? f.number("rope.scaling.factor", 1) : 1,
    frequencyDivisors: divisors && Array.from(divisors),
  };
}

/** Gemma's largest models scale scores by the width of a head's share, as their layer counts tell; others by the head's. */
function defaultScale(
  family: DecoderFamily,
  layerCount: number,
  hiddenSize: number,
  headCount: number,
  headDim: number,
) {
  const largest = (family === "gemma2" && layerCount === 46) || (family === "gemma3" && layerCount === 62);
  return 1 / Math.sqrt(largest ? hiddenSize / headCount : headDim);
}

/** Of each layer whether it sees a sliding window only: what the file says, or what the family is known for. */
function localLayers(file: GgufFile, family: DecoderFamily, layerCount: number, windowed: boolean): boolean[] {
  const said = file.metadata.get(`${family}.attention.sliding_window_pattern`);
  const list = Array.isArray(said) || ArrayBuffer.isView(said) ? (said as ArrayLike<unknown>) : undefined;
  if (list && list.length < layerCount)
    fail("format", `GGUF: sliding_window_pattern has ${list.length} entries for ${layerCount} layers`);
  // Gemma 3 has one global layer in six, Gemma 2 every second
  const period = typeof said === "number" && said > 0 ? said : family === "gemma3" ? 6 : 2;
  return Array.from({ length: layerCount }, (_, i) => windowed && (list ? Boolean(list[i]) : (i + 1) % period !== 0));
}

/**
 * Architecture that a GGUF file describes.
 * @param ropeDivisors values of `rope_freqs.weight`, if the file has that tensor.
 * @throws `unsupported` for an architecture that is not known, `format` for impossible sizes.
 */
export function ggufDecoderConfig(file: GgufFile, ropeDivisors?: Float32Array): DecoderConfig {
  const architecture = String(file.metadata.get("general.architecture") ?? "");
  const family = Object.hasOwn(families, architecture)
    ? families[architecture]!
    : fail(
        "unsupported",
        `GGUF architecture "${architecture.slice(0, 80)}" is not supported; known are ${Object.keys(families).join(", ")}`,
      );
  const f = new GgufFields(file, architecture);
  const hiddenSize = f.number("embedding_length");
  const headCount = f.number("attention.head_count");
  const layerCount = f.number("block_count");
  const headDim = f.number("attention.key_length", hiddenSize / headCount);
  const embedding =
    file.tensors.get("token_embd.weight") ?? fail("format", "GGUF file has no tensor token_embd.weight");
  const gemma = family === "gemma2" || family === "gemma3";
  const window = f.number("attention.sliding_window", 0);
  const hasBias = (name: string) => file.tensors.has(`blk.0.${name}.bias`);
  const config: DecoderConfig = {
    family,
    vocabSize: embedding.shape[0]!,
    hiddenSize,
    layerCount,
    headCount,
    kvHeadCount: f.number("attention.head_count_kv", headCount),
    headDim,
    intermediateSize: f.number("feed_forward_length"),
    contextLength: f.number("context_length"),
    normEpsilon: f.number(
      family === "gpt2" ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon",
      1e-6,
    ),
    rope:
      family === "gpt2"
        ? { base: 10_000, scale: 1 }
        : ropeConfig(file, f, headDim, family === "gemma3" ? 1_000_000 : 10_000, ropeDivisors),
    localRope: family === "gemma3" ? { base: f.number("rope.freq_base_swa", 10_000), scale: 1 } : undefined,
    slidingWindow: gemma && window ? window : undefined,
    localLayers: localLayers(file, family, Math.min(layerCount, 1024), gemma && window > 0),
    attentionScale: f.number("attention.scale", defaultScale(family, layerCount, hiddenSize, headCount, headDim)),
    attentionSoftcap: family === "gemma2" ? f.number("attn_logit_softcapping", 50) : undefined,
    logitSoftcap: family === "gemma2" ? f.number("final_logit_softcapping", 30) : undefined,
    embeddingScale: gemma ? Math.fround(Math.sqrt(hiddenSize)) : 1,
    tiedEmbeddings: !file.tensors.has("output.weight"),
    attentionBias: family === "gpt2" || hasBias("attn_q"),
    attentionOutputBias: family !== "gpt2" && hasBias("attn_output"),
  };
  checkConfig(config);
  return config;
}

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
  readonly #prefix: string;

  constructor(file: GgufFile, prefix: string) {
    this.#file = file;
    this.#prefix = prefix;
  }

  /** A number, or the default, or an error when neither is there. */
  number(key: string, fallback?: number): number {
    const value = this.#file.metadata.get(`${this.#prefix}.${key}`);
    if (typeof value === "number" || typeof value === "bigint") {
      const n = Number(value);
      if (!Number.isFinite(n) || n < 0)
        fail("format", `GGUF metadata ${this.#prefix}.${key} is ${n}, which makes no sense`);
      return n;
    }
    return fallback ?? fail("format", `GGUF metadata lacks ${this.#prefix}.${key}; the file is incomplete`);
  }
}

/**
 * Architecture that a GGUF file describes.
 * @throws `unsupported` for an architecture that is not known, `format` for impossible sizes.
 */
export function ggufDecoderConfig(file: GgufFile): DecoderConfig {
  const architecture = String(file.metadata.get("general.architecture") ?? "");
  const family =
    families[architecture] ??
    fail(
      "unsupported",
      `GGUF architecture "${architecture}" is not supported; known are ${Object.keys(families).join(", ")}`,
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
  // Gemma 3 has one global layer in six, Gemma 2 every second
  const pattern = family === "gemma3" ? 6 : 2;
  const scaling = String(file.metadata.get(`${architecture}.rope.scaling.type`) ?? "none");
  if (!["none", "linear"].includes(scaling) && !file.tensors.has("rope_freqs.weight"))
    fail("unsupported", `GGUF rope scaling "${scaling}" is not supported; known are none and linear`);
  const rope: RopeConfig = {
    base: f.number("rope.freq_base", gemma && family === "gemma3" ? 1_000_000 : 10_000),
    scale: scaling === "linear" ? f.number("rope.scaling.factor", 1) : 1,
  };
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
    rope,
    localRope: family === "gemma3" ? { base: f.number("rope.freq_base_swa", 10_000), scale: 1 } : undefined,
    slidingWindow: gemma && window ? window : undefined,
    localLayers: Array.from({ length: layerCount }, (_, i) => gemma && window > 0 && (i + 1) % pattern !== 0),
    attentionScale: 1 / Math.sqrt(family === "gemma2" && layerCount === 46 ? hiddenSize / headCount : headDim),
    attentionSoftcap: family === "gemma2" ? f.number("attn_logit_softcapping", 50) : undefined,
    logitSoftcap: family === "gemma2" ? f.number("final_logit_softcapping", 30) : undefined,
    embeddingScale: gemma ? Math.fround(Math.sqrt(hiddenSize)) : 1,
    tiedEmbeddings: !file.tensors.has("output.weight"),
    attentionBias: family === "qwen2" || family === "gpt2",
  };
  checkConfig(config);
  return config;
}

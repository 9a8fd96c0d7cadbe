/**
 * Architecture from a Hugging Face `config.json`, with the defaults that `transformers` has for fields that are left out.
 */
import { fail } from "../../util/errors.ts";
import type { DecoderConfig, DecoderFamily, EncoderConfig, RopeConfig } from "../config.ts";
import { checkConfig, checkEncoderConfig } from "./check-config.ts";
import { HfFields } from "./hf-fields.ts";

const decoderFamilies: Readonly<Record<string, DecoderFamily>> = {
  llama: "llama",
  qwen2: "qwen2",
  qwen3: "qwen3",
  gemma2: "gemma2",
  gemma3: "gemma3",
  gemma3_text: "gemma3",
  gpt2: "gpt2",
};

const tanhGelus = ["gelu_pytorch_tanh", "gelu_new", "gelu_fast"];

/**
 * Architecture that the text of a `config.json` describes; `path` is for messages.
 * @throws `unsupported` for an architecture or an option that is not known, `format` for impossible sizes.
 */
export function configFromHf(text: string, path: string): DecoderConfig | EncoderConfig {
  const fields = HfFields.parse(text, path);
  const type = fields.text("model_type") ?? "";
  if (type === "bert") return bertConfig(fields);
  const family = Object.hasOwn(decoderFamilies, type)
    ? decoderFamilies[type]!
    : fail(
        "unsupported",
        `${path}: model_type "${type.slice(0, 80)}" is not supported; known are ${[...Object.keys(decoderFamilies), "bert"].join(", ")}`,
      );
  // multimodal Gemma 3 keeps its language model one level down
  const own = fields.object("text_config") ?? fields;
  const config = family === "gpt2" ? gpt2Config(own) : rotaryConfig(family, own);
  checkConfig(config);
  return config;
}

function bertConfig(fields: HfFields): EncoderConfig {
  fields.only("position_embedding_type", ["absolute"]);
  fields.only("is_decoder", [false]);
  fields.only("hidden_act", ["gelu", "relu", ...tanhGelus]);
  const activation = fields.text("hidden_act") ?? "gelu";
  const config: EncoderConfig = {
    family: "bert",
    vocabSize: fields.number("vocab_size", 30_522),
    hiddenSize: fields.number("hidden_size", 768),
    layerCount: fields.number("num_hidden_layers", 12),
    headCount: fields.number("num_attention_heads", 12),
    intermediateSize: fields.number("intermediate_size", 3072),
    contextLength: fields.number("max_position_embeddings", 512),
    normEpsilon: fields.number("layer_norm_eps", 1e-12),
    typeCount: fields.number("type_vocab_size", 2),
    activation: tanhGelus.includes(activation) ? "gelu-tanh" : (activation as "gelu" | "relu"),
  };
  checkEncoderConfig(config);
  return config;
}

function gpt2Config(fields: HfFields): DecoderConfig {
  fields.only("activation_function", tanhGelus);
  fields.only("scale_attn_by_inverse_layer_idx", [false]);
  fields.only("add_cross_attention", [false]);
  const hiddenSize = fields.number("n_embd", 768);
  const headCount = fields.number("n_head", 12);
  const layerCount = fields.number("n_layer", 12);
  const headDim = hiddenSize / headCount;
  return {
    family: "gpt2",
    vocabSize: fields.number("vocab_size", 50_257),
    hiddenSize,
    layerCount,
    headCount,
    kvHeadCount: headCount,
    headDim,
    intermediateSize: fields.number("n_inner", 4 * hiddenSize),
    contextLength: fields.number("n_positions", 1024),
    normEpsilon: fields.number("layer_norm_epsilon", 1e-5),
    rope: { base: 10_000, scale: 1 },
    localLayers: Array.from({ length: Math.min(layerCount, 1024) }, () => false),
    attentionScale: fields.flag("scale_attn_weights", true) ? 1 / Math.sqrt(headDim) : 1,
    embeddingScale: 1,
    tiedEmbeddings: fields.flag("tie_word_embeddings", true),
    attentionBias: true,
  };
}

/** What `transformers` assumes where a family's configuration is silent. */
const defaults: Readonly<Record<Exclude<DecoderFamily, "gpt2">, Readonly<Record<string, number>>>> = {
  llama: {},
  qwen2: {},
  qwen3: { head_dim: 128 },
  gemma2: {
    vocab_size: 256_000,
    num_attention_heads: 8,
    num_key_value_heads: 4,
    head_dim: 256,
    max_position_embeddings: 8192,
    sliding_window: 4096,
    query_pre_attn_scalar: 256,
  },
  gemma3: {
    vocab_size: 262_208,
    num_attention_heads: 8,
    num_key_value_heads: 4,
    head_dim: 256,
    max_position_embeddings: 131_072,
    sliding_window: 4096,
    query_pre_attn_scalar: 256,
    rope_theta: 1_000_000,
  },
};

function rotaryConfig(family: Exclude<DecoderFamily, "gpt2">, fields: HfFields): DecoderConfig {
  const gemma = family === "gemma2" || family === "gemma3";
  for (const key of ["hidden_act", "hidden_activation"]) fields.only(key, gemma ? ["gelu_pytorch_tanh"] : ["silu"]);
  fields.only("mlp_bias", [false]);
  fields.only("partial_rotary_factor", [1]);
  fields.only("use_bidirectional_attention", [false]);
  const number = (key: string, fallback?: number) => fields.number(key, defaults[family][key] ?? fallback);
  const hiddenSize = number("hidden_size");
  const headCount = number("num_attention_heads");
  const layerCount = number("num_hidden_layers");
  const headDim = number("head_dim", hiddenSize / headCount);
  const attentionBias = family === "qwen2" || fields.flag("attention_bias", false);
  const localLayers = localLayersOf(family, fields, Math.min(layerCount, 1024));
  const base = number("rope_theta", 10_000);
  const ropes = ropesOf(family, fields, base);
  return {
    family,
    vocabSize: number("vocab_size"),
    hiddenSize,
    layerCount,
    headCount,
    kvHeadCount: number("num_key_value_heads", headCount),
    headDim,
    intermediateSize: number("intermediate_size"),
    contextLength: number("max_position_embeddings", 2048),
    normEpsilon: number("rms_norm_eps", 1e-6),
    ...ropes,
    slidingWindow: localLayers.some(Boolean) ? number("sliding_window") : undefined,
    localLayers,
    attentionScale: 1 / Math.sqrt(gemma ? number("query_pre_attn_scalar") : headDim),
    attentionSoftcap: softcap(fields, "attn_logit_softcapping", family === "gemma2" ? 50 : undefined),
    logitSoftcap: softcap(fields, "final_logit_softcapping", family === "gemma2" ? 30 : undefined),
    embeddingScale: gemma ? Math.fround(Math.sqrt(hiddenSize)) : 1,
    tiedEmbeddings: fields.flag("tie_word_embeddings", gemma),
    attentionBias,
    attentionOutputBias: attentionBias && family !== "qwen2",
  };
}

function softcap(fields: HfFields, key: string, fallback: number | undefined): number | undefined {
  // an explicit null switches a cap off, which an absent field does not
  return fields.isNull(key) ? undefined : (fields.optional(key) ?? fallback);
}

/** Of each layer whether it sees a sliding window only. */
function localLayersOf(family: DecoderFamily, fields: HfFields, layerCount: number): boolean[] {
  const types = fields.texts("layer_types");
  if (types) {
    if (types.length !== layerCount)
      fail("format", `config.json: layer_types has ${types.length} entries for ${layerCount} layers`);
    return types.map((type, i) => {
      if (type !== "sliding_attention" && type !== "full_attention")
        fail("unsupported", `config.json: layer ${i} is of type "${type.slice(0, 80)}", which is not known here`);
      return type === "sliding_attention";
    });
  }
  const layers = Array.from({ length: layerCount }, (_, i) => i);
  if (family === "gemma2") return layers.map((i) => i % 2 === 0);
  if (family === "gemma3") {
    const pattern = fields.number("sliding_window_pattern", fields.number("_sliding_window_pattern", 6));
    return layers.map((i) => (i + 1) % pattern !== 0);
  }
  if (!fields.flag("use_sliding_window", false)) return layers.map(() => false);
  const first = fields.number("max_window_layers", 28);
  return layers.map((i) => i >= first);
}

/** Rotary positions, in the older layout (`rope_theta`, `rope_scaling`) and the newer one (`rope_parameters`). */
function ropesOf(family: DecoderFamily, fields: HfFields, base: number): Pick<DecoderConfig, "rope" | "localRope"> {
  const parameters = fields.object("rope_parameters");
  const full = parameters?.object("full_attention");
  const sliding = parameters?.object("sliding_attention");
  const rope = ropeOf(full ?? parameters ?? fields.object("rope_scaling"), base);
  if (sliding) return { rope, localRope: ropeOf(sliding, 10_000) };
  // Gemma 3 stretches its global layers only
  if (family === "gemma3")
    return { rope, localRope: { base: fields.number("rope_local_base_freq", 10_000), scale: 1 } };
  return { rope };
}

function ropeOf(fields: HfFields | undefined, fallbackBase: number): RopeConfig {
  if (!fields) return { base: fallbackBase, scale: 1 };
  const base = fields.number("rope_theta", fallbackBase);
  for (const key of ["rope_type", "type"]) fields.only(key, ["default", "linear", "llama3"]);
  fields.only("partial_rotary_factor", [1]);
  switch (fields.text("rope_type") ?? fields.text("type") ?? "default") {
    case "linear":
      return { base, scale: fields.number("factor") };
    case "llama3":
      return {
        base,
        scale: 1,
        llama3: {
          factor: fields.number("factor"),
          lowFactor: fields.number("low_freq_factor"),
          highFactor: fields.number("high_freq_factor"),
          originalContext: fields.number("original_max_position_embeddings"),
        },
      };
    default:
      return { base, scale: 1 };
  }
}

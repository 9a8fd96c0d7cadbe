import { describe, expect, it } from "vitest";
import type { DecoderConfig, EncoderConfig } from "../config.ts";
import { configFromHf } from "./hf-config.ts";

const read = (fields: object) => configFromHf(JSON.stringify(fields), "config.json");
const decoder = (fields: object) => read(fields) as DecoderConfig;

const refusal = (fields: unknown): { code: string; message: string } => {
  try {
    configFromHf(typeof fields === "string" ? fields : JSON.stringify(fields), "folder/config.json");
  } catch (thrown) {
    return thrown as { code: string; message: string };
  }
  throw new Error("was accepted");
};

const llama = {
  model_type: "llama",
  vocab_size: 32_000,
  hidden_size: 2048,
  intermediate_size: 5632,
  num_hidden_layers: 22,
  num_attention_heads: 32,
  num_key_value_heads: 4,
  max_position_embeddings: 2048,
  rms_norm_eps: 1e-5,
};

describe("config.json of decoders", () => {
  it("reads TinyLlama's", () => {
    expect(decoder({ ...llama, rope_scaling: null, tie_word_embeddings: false, hidden_act: "silu" })).toMatchObject({
      family: "llama",
      vocabSize: 32_000,
      layerCount: 22,
      headCount: 32,
      kvHeadCount: 4,
      headDim: 64,
      contextLength: 2048,
      normEpsilon: 1e-5,
      rope: { base: 10_000, scale: 1 },
      tiedEmbeddings: false,
      attentionBias: false,
      attentionOutputBias: false,
      attentionScale: 1 / 8,
      embeddingScale: 1,
    });
  });

  it("reads Llama 3's scaling in the older and in the newer layout", () => {
    const scaling = {
      factor: 32,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
      rope_type: "llama3",
    };
    const older = decoder({ ...llama, rope_theta: 500_000, rope_scaling: scaling });
    const newer = decoder({ ...llama, rope_parameters: { ...scaling, rope_theta: 500_000 } });
    expect(older.rope).toEqual({
      base: 500_000,
      scale: 1,
      llama3: { factor: 32, lowFactor: 1, highFactor: 4, originalContext: 8192 },
    });
    expect(newer).toEqual(older);
    expect(decoder({ ...llama, rope_scaling: { type: "linear", factor: 4 } }).rope).toEqual({ base: 10_000, scale: 4 });
  });

  it("knows which biases a family has", () => {
    const biases = (fields: object) => {
      const { attentionBias, attentionOutputBias } = decoder({ ...llama, ...fields });
      return [attentionBias, attentionOutputBias];
    };
    expect(biases({ model_type: "qwen2" })).toEqual([true, false]);
    expect(biases({ model_type: "qwen3" })).toEqual([false, false]);
    expect(biases({ attention_bias: true })).toEqual([true, true]);
  });

  it("takes Qwen 3's head size from its default when the file has none", () => {
    expect(decoder({ ...llama, model_type: "qwen3" }).headDim).toBe(128);
    expect(decoder({ ...llama, model_type: "qwen3", head_dim: 64 }).headDim).toBe(64);
  });

  it("reads Qwen 2's sliding layers, which are off unless switched on", () => {
    const qwen = { ...llama, model_type: "qwen2", num_hidden_layers: 4, sliding_window: 512, max_window_layers: 3 };
    expect(decoder(qwen)).toMatchObject({ localLayers: [false, false, false, false], slidingWindow: undefined });
    expect(decoder({ ...qwen, use_sliding_window: true })).toMatchObject({
      localLayers: [false, false, false, true],
      slidingWindow: 512,
    });
  });

  const gemma2 = {
    model_type: "gemma2",
    vocab_size: 256_000,
    hidden_size: 2304,
    intermediate_size: 9216,
    num_hidden_layers: 4,
    num_attention_heads: 8,
    num_key_value_heads: 4,
    head_dim: 256,
    max_position_embeddings: 8192,
    sliding_window: 4096,
    hidden_activation: "gelu_pytorch_tanh",
  };

  it("reads Gemma 2's alternating layers, caps and scale", () => {
    expect(decoder({ ...gemma2, query_pre_attn_scalar: 144 })).toMatchObject({
      localLayers: [true, false, true, false],
      slidingWindow: 4096,
      attentionScale: 1 / 12,
      attentionSoftcap: 50,
      logitSoftcap: 30,
      embeddingScale: 48,
      tiedEmbeddings: true,
    });
    // null switches off what the default switches on
    expect(decoder({ ...gemma2, attn_logit_softcapping: null }).attentionSoftcap).toBeUndefined();
  });

  it("reads the language model of a multimodal Gemma 3, which relies on defaults", () => {
    const text = {
      model_type: "gemma3_text",
      hidden_size: 2560,
      intermediate_size: 10_240,
      num_hidden_layers: 7,
      rope_scaling: { factor: 8, rope_type: "linear" },
      sliding_window: 1024,
    };
    const config = decoder({ model_type: "gemma3", text_config: text, vision_config: { hidden_size: 1152 } });
    expect(config).toMatchObject({
      family: "gemma3",
      vocabSize: 262_208,
      headCount: 8,
      kvHeadCount: 4,
      headDim: 256,
      contextLength: 131_072,
      attentionScale: 1 / 16,
      rope: { base: 1_000_000, scale: 8 },
      localRope: { base: 10_000, scale: 1 },
      localLayers: [true, true, true, true, true, false, true],
      slidingWindow: 1024,
    });
    expect(config.attentionSoftcap ?? config.logitSoftcap).toBeUndefined();
    expect(decoder({ ...text, sliding_window_pattern: 2 }).localLayers.slice(0, 3)).toEqual([true, false, true]);
    const types = new Array(7).fill("full_attention");
    expect(decoder({ ...text, layer_types: types })).toMatchObject({ slidingWindow: undefined });
  });

  it("reads GPT-2's, mostly defaults", () => {
    expect(decoder({ model_type: "gpt2", n_layer: 2, n_inner: null, activation_function: "gelu_new" })).toMatchObject({
      vocabSize: 50_257,
      hiddenSize: 768,
      headDim: 64,
      kvHeadCount: 12,
      intermediateSize: 3072,
      contextLength: 1024,
      normEpsilon: 1e-5,
      tiedEmbeddings: true,
    });
    expect(decoder({ model_type: "gpt2", scale_attn_weights: false }).attentionScale).toBe(1);
  });
});

describe("config.json of encoders", () => {
  it("reads BERT's", () => {
    expect(read({ model_type: "bert", hidden_size: 384, num_hidden_layers: 6, intermediate_size: 1536 })).toEqual({
      family: "bert",
      vocabSize: 30_522,
      hiddenSize: 384,
      layerCount: 6,
      headCount: 12,
      intermediateSize: 1536,
      contextLength: 512,
      normEpsilon: 1e-12,
      typeCount: 2,
      activation: "gelu",
    });
    expect((read({ model_type: "bert", hidden_act: "gelu_new" }) as EncoderConfig).activation).toBe("gelu-tanh");
  });
});

describe("a config.json that cannot be used", () => {
  it("names an unknown architecture and the known ones", () => {
    const { code, message } = refusal({ model_type: "mamba2" });
    expect(code).toBe("unsupported");
    expect(message).toBe(
      'folder/config.json: model_type "mamba2" is not supported; known are llama, qwen2, qwen3, gemma2, gemma3, gemma3_text, gpt2, bert',
    );
    expect(refusal({}).code).toBe("unsupported");
    expect(refusal({ model_type: "constructor" }).code).toBe("unsupported");
  });

  it.each([
    [{ ...llama, hidden_act: "relu" }, /hidden_act is "relu"; this version knows "silu"/],
    [{ ...llama, mlp_bias: true }, /mlp_bias is true/],
    [{ ...llama, rope_scaling: { rope_type: "yarn", factor: 4 } }, /rope_type is "yarn"/],
    [{ ...llama, rope_parameters: { rope_type: "longrope" } }, /rope_parameters: rope_type is "longrope"/],
    [{ ...llama, layer_types: new Array(22).fill("chunked_attention") }, /layer 0 is of type "chunked_attention"/],
    [{ model_type: "gpt2", activation_function: "relu" }, /activation_function is "relu"/],
    [{ model_type: "bert", position_embedding_type: "relative_key" }, /position_embedding_type is "relative_key"/],
  ])("refuses what it does not compute: %#", (fields, message) => {
    expect(refusal(fields)).toMatchObject({ code: "unsupported", message: expect.stringMatching(message) });
  });

  it.each([
    ["[]", /not a JSON object/],
    ["{", /invalid JSON/],
    [{ ...llama, vocab_size: undefined }, /lacks vocab_size/],
    [{ ...llama, hidden_size: "2048" }, /hidden_size is "2048", not a number/],
    [{ ...llama, hidden_size: -1 }, /hidden_size is -1, not a number ≥ 0/],
    [{ ...llama, num_attention_heads: 31, head_dim: 64 }, /31 query heads cannot share 4 key heads/],
    [{ ...llama, num_hidden_layers: 1e9 }, /layerCount is 1000000000/],
    [{ ...llama, num_attention_heads: 30, num_key_value_heads: 30 }, /headDim is 68.26/],
    [{ ...llama, head_dim: 33 }, /headDim is 33, but rotary positions need pairs/],
    [{ ...llama, rope_theta: 0 }, /base 0/],
    [{ ...llama, layer_types: ["full_attention"] }, /layer_types has 1 entries for 22 layers/],
    [{ ...llama, tie_word_embeddings: "yes" }, /tie_word_embeddings is "yes", not true or false/],
    [{ model_type: "bert", hidden_size: 100 }, /12 heads do not divide a hidden size of 100/],
  ])("refuses what makes no sense: %#", (fields, message) => {
    expect(refusal(fields)).toMatchObject({ code: "format", message: expect.stringMatching(message) });
  });
});

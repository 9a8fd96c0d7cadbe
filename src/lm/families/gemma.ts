/**
 * Gemma 2 and 3 (Gemma Team 2024, 2025): norms before and after each block, local and global layers, scaled embeddings;
 * Gemma 2 caps its scores and logits, Gemma 3 normalises queries and keys.
 */

import { Module } from "../../nn/module.ts";
import { RmsNorm } from "../../nn/norm.ts";
import { gelu, type Tensor, withScope } from "../../tensor/index.ts";
import { GatedMlp, SelfAttention } from "../blocks.ts";
import type { DecoderConfig } from "../config.ts";
import type { ForwardContext } from "../context.ts";
import { Decoder } from "../decoder.ts";

class GemmaLayer extends Module {
  readonly input_layernorm: RmsNorm;
  readonly self_attn: SelfAttention;
  readonly post_attention_layernorm: RmsNorm;
  readonly pre_feedforward_layernorm: RmsNorm;
  readonly mlp: GatedMlp;
  readonly post_feedforward_layernorm: RmsNorm;

  constructor(config: DecoderConfig, layer: number) {
    super();
    const norm = (features: number) => new RmsNorm(features, { epsilon: config.normEpsilon, offset: 1 });
    this.input_layernorm = norm(config.hiddenSize);
    this.self_attn = new SelfAttention(config, layer, config.family === "gemma3" ? norm : undefined);
    this.post_attention_layernorm = norm(config.hiddenSize);
    this.pre_feedforward_layernorm = norm(config.hiddenSize);
    this.mlp = new GatedMlp(config.hiddenSize, config.intermediateSize, (x) => gelu(x, "tanh"));
    this.post_feedforward_layernorm = norm(config.hiddenSize);
  }
}

class GemmaModel extends Module {
  readonly layers: readonly GemmaLayer[];
  readonly norm: RmsNorm;

  constructor(config: DecoderConfig) {
    super();
    this.layers = Array.from({ length: config.layerCount }, (_, i) => new GemmaLayer(config, i));
    this.norm = new RmsNorm(config.hiddenSize, { epsilon: config.normEpsilon, offset: 1 });
  }
}

/** Decoder of the Gemma family. */
export class Gemma extends Decoder {
  readonly model: GemmaModel;
  override readonly _embeddingPath = "model.embed_tokens.weight";

  constructor(config: DecoderConfig) {
    super(config);
    this.model = new GemmaModel(config);
  }

  override hidden(embeddings: Tensor, context: ForwardContext): Tensor {
    let residual = context.site("embeddings", embeddings);
    let delta: Tensor | undefined;
    const normalize = (norm: RmsNorm): Tensor => {
      if (!delta) return norm.forward(residual);
      const [normalized, sum] = norm.addAndNormalize(residual, delta);
      residual = sum;
      return normalized;
    };
    this.model.layers.forEach((layer, i) => {
      withScope(`model.layers.${i}`, () => {
        const site = (name: string, x: Tensor) => context.site(`blocks.${i}.${name}`, x);
        const x = site("attention.input", normalize(layer.input_layernorm));
        const attended = withScope("self_attn", () => layer.self_attn.forward(x, context));
        delta = site("attention.output", layer.post_attention_layernorm.forward(attended));
        const y = site("mlp.input", normalize(layer.pre_feedforward_layernorm));
        residual = site("residual.middle", residual);
        const fed = withScope("mlp", () => layer.mlp.forward(y, site));
        delta = site("mlp.output", layer.post_feedforward_layernorm.forward(fed));
        const sum = residual.add(delta);
        const after = context.site(`blocks.${i}.residual`, sum);
        if (after !== sum) [residual, delta] = [after, undefined];
      });
    });
    return context.site("hidden", normalize(this.model.norm));
  }
}

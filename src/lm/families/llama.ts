/**
 * The Llama family (Touvron et al. 2023): SmolLM2, TinyLlama, Llama 2 and 3; with biases on queries, keys and values it is
 * Qwen 2, with normalised queries and keys Qwen 3.
 */

import { Module } from "../../nn/module.ts";
import { RmsNorm } from "../../nn/norm.ts";
import { silu, type Tensor, withScope } from "../../tensor/index.ts";
import { GatedMlp, SelfAttention } from "../blocks.ts";
import type { DecoderConfig } from "../config.ts";
import type { ForwardContext } from "../context.ts";
import { Decoder } from "../decoder.ts";

class LlamaLayer extends Module {
  readonly input_layernorm: RmsNorm;
  readonly self_attn: SelfAttention;
  readonly post_attention_layernorm: RmsNorm;
  readonly mlp: GatedMlp;

  constructor(config: DecoderConfig, layer: number) {
    super();
    const norm = (features: number) => new RmsNorm(features, { epsilon: config.normEpsilon });
    this.input_layernorm = norm(config.hiddenSize);
    this.self_attn = new SelfAttention(config, layer, config.family === "qwen3" ? norm : undefined);
    this.post_attention_layernorm = norm(config.hiddenSize);
    this.mlp = new GatedMlp(config.hiddenSize, config.intermediateSize, silu);
  }
}

/** Layers and final norm; a module of its own because checkpoints put `model.` before their names. */
class LlamaModel extends Module {
  readonly layers: readonly LlamaLayer[];
  readonly norm: RmsNorm;

  constructor(config: DecoderConfig) {
    super();
    this.layers = Array.from({ length: config.layerCount }, (_, i) => new LlamaLayer(config, i));
    this.norm = new RmsNorm(config.hiddenSize, { epsilon: config.normEpsilon });
  }
}

/** Decoder of the Llama family. */
export class Llama extends Decoder {
  readonly model: LlamaModel;
  override readonly _embeddingPath = "model.embed_tokens.weight";

  constructor(config: DecoderConfig) {
    super(config);
    this.model = new LlamaModel(config);
  }

  override hidden(embeddings: Tensor, context: ForwardContext): Tensor {
    let residual = context.site("embeddings", embeddings);
    // each block's result is added where the next norm reads the sum, so that one kernel does both
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
        delta = site(
          "attention.output",
          withScope("self_attn", () => layer.self_attn.forward(x, context)),
        );
        const y = site("mlp.input", normalize(layer.post_attention_layernorm));
        residual = site("residual.middle", residual);
        delta = site(
          "mlp.output",
          withScope("mlp", () => layer.mlp.forward(y, site)),
        );
        const sum = residual.add(delta);
        const after = context.site(`blocks.${i}.residual`, sum);
        if (after !== sum) [residual, delta] = [after, undefined];
      });
    });
    return context.site("hidden", normalize(this.model.norm));
  }
}

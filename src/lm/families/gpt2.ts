/**
 * GPT-2 (Radford et al. 2019): learned positions (added to the embeddings outside of the graph), layer norm with biases,
 * one fused projection for queries, keys and values, and a head tied to the embedding.
 */
import { LayerNorm, Linear, Module } from "../../nn/index.ts";
import { gelu, type Tensor, withScope } from "../../tensor/index.ts";
import type { DecoderConfig } from "../config.ts";
import type { ForwardContext } from "../context.ts";
import { Decoder } from "../decoder.ts";

class Gpt2Attention extends Module {
  /** Queries, keys and values side by side. */
  readonly c_attn: Linear;
  readonly c_proj: Linear;
  readonly _config: DecoderConfig;
  readonly _layer: number;

  constructor(config: DecoderConfig, layer: number) {
    super();
    const { hiddenSize } = config;
    this._config = config;
    this._layer = layer;
    this.c_attn = new Linear(hiddenSize, 3 * hiddenSize, { bias: true });
    this.c_proj = new Linear(hiddenSize, hiddenSize, { bias: true });
  }

  /** `[n, hidden] → [n, hidden]`. */
  forward(x: Tensor, context: ForwardContext): Tensor {
    const { headCount, kvHeadCount, headDim, attentionScale } = this._config;
    const attended = context.attend({
      layer: this._layer,
      qkv: withScope("c_attn", () => this.c_attn.forward(x)),
      headCount,
      kvHeadCount,
      headDim,
      scale: attentionScale,
      rope: "none",
      local: false,
    });
    return withScope("c_proj", () => this.c_proj.forward(attended));
  }
}

class Gpt2Mlp extends Module {
  readonly c_fc: Linear;
  readonly c_proj: Linear;

  constructor({ hiddenSize, intermediateSize }: DecoderConfig) {
    super();
    this.c_fc = new Linear(hiddenSize, intermediateSize, { bias: true });
    this.c_proj = new Linear(intermediateSize, hiddenSize, { bias: true });
  }

  /** `[n, hidden] → [n, hidden]`; `site` receives the neurons' activations. */
  forward(x: Tensor, site: (name: string, x: Tensor) => Tensor): Tensor {
    const neurons = site(
      "mlp.neurons",
      gelu(
        withScope("c_fc", () => this.c_fc.forward(x)),
        "tanh",
      ),
    );
    return withScope("c_proj", () => this.c_proj.forward(neurons));
  }
}

class Gpt2Layer extends Module {
  readonly ln_1: LayerNorm;
  readonly attn: Gpt2Attention;
  readonly ln_2: LayerNorm;
  readonly mlp: Gpt2Mlp;

  constructor(config: DecoderConfig, layer: number) {
    super();
    const norm = () => new LayerNorm(config.hiddenSize, { epsilon: config.normEpsilon });
    this.ln_1 = norm();
    this.attn = new Gpt2Attention(config, layer);
    this.ln_2 = norm();
    this.mlp = new Gpt2Mlp(config);
  }
}

class Gpt2Model extends Module {
  readonly h: readonly Gpt2Layer[];
  readonly ln_f: LayerNorm;

  constructor(config: DecoderConfig) {
    super();
    this.h = Array.from({ length: config.layerCount }, (_, i) => new Gpt2Layer(config, i));
    this.ln_f = new LayerNorm(config.hiddenSize, { epsilon: config.normEpsilon });
  }
}

/** Decoder of the GPT-2 family. */
export class Gpt2 extends Decoder {
  readonly transformer: Gpt2Model;
  override readonly _embeddingPath = "transformer.wte.weight";
  override readonly _positionPath = "transformer.wpe.weight";

  constructor(config: DecoderConfig) {
    super(config);
    this.transformer = new Gpt2Model(config);
  }

  override hidden(embeddings: Tensor, context: ForwardContext): Tensor {
    let residual = context.site("embeddings", embeddings);
    this.transformer.h.forEach((layer, i) => {
      withScope(`transformer.h.${i}`, () => {
        const site = (name: string, x: Tensor) => context.site(`blocks.${i}.${name}`, x);
        const x = site("attention.input", layer.ln_1.forward(residual));
        const attended = site(
          "attention.output",
          withScope("attn", () => layer.attn.forward(x, context)),
        );
        residual = site("residual.middle", residual.add(attended));
        const y = site("mlp.input", layer.ln_2.forward(residual));
        const fed = site(
          "mlp.output",
          withScope("mlp", () => layer.mlp.forward(y, site)),
        );
        residual = site("residual", residual.add(fed));
      });
    });
    return context.site("hidden", this.transformer.ln_f.forward(residual));
  }
}

/**
 * The parts that decoder families share: self-attention over packed queries, keys and values, and gated feed-forward.
 */

import { Linear, LinearGroup } from "../nn/linear.ts";
import { Module } from "../nn/module.ts";
import type { RmsNorm } from "../nn/norm.ts";
import { mul, type Tensor, withScope } from "../tensor/index.ts";
import type { DecoderConfig } from "./config.ts";
import type { ForwardContext } from "./context.ts";

/** Self-attention with grouped key heads (Ainslie et al. 2023) and rotary positions. */
export class SelfAttention extends Module {
  /** `q_proj`, `k_proj`, `v_proj`. */
  readonly qkv: LinearGroup;
  readonly o_proj: Linear;
  readonly q_norm?: RmsNorm;
  readonly k_norm?: RmsNorm;
  readonly _config: DecoderConfig;
  readonly _layer: number;

  /** @param norm makes the normalisation of queries and keys, for families that have it. */
  constructor(config: DecoderConfig, layer: number, norm?: (features: number) => RmsNorm) {
    super();
    const { hiddenSize, headCount, kvHeadCount, headDim, attentionBias, attentionOutputBias } = config;
    this._config = config;
    this._layer = layer;
    this.qkv = new LinearGroup(
      hiddenSize,
      { q_proj: headCount * headDim, k_proj: kvHeadCount * headDim, v_proj: kvHeadCount * headDim },
      { bias: attentionBias },
    );
    this.o_proj = new Linear(headCount * headDim, hiddenSize, { bias: attentionOutputBias });
    if (norm) {
      this.q_norm = norm(headDim);
      this.k_norm = norm(headDim);
    }
  }

  /** `[n, hidden] → [n, hidden]`. */
  forward(x: Tensor, context: ForwardContext): Tensor {
    const { headCount, kvHeadCount, headDim, attentionScale, attentionSoftcap, localLayers } = this._config;
    const local = localLayers[this._layer] ?? false;
    const attended = context.attend({
      layer: this._layer,
      qkv: this.qkv.packed(x),
      headCount,
      kvHeadCount,
      headDim,
      scale: attentionScale,
      softcap: attentionSoftcap,
      rope: local ? "local" : "global",
      local,
      normalizeQueries: this.q_norm && ((q) => this.q_norm!.forward(q)),
      normalizeKeys: this.k_norm && ((k) => this.k_norm!.forward(k)),
    });
    return withScope("o_proj", () => this.o_proj.forward(attended));
  }
}

/** Gated feed-forward (Shazeer 2020): `down(activation(gate(x)) · up(x))`. */
export class GatedMlp extends Module {
  /** `gate_proj`, `up_proj`. */
  readonly gate_up: LinearGroup;
  readonly down_proj: Linear;
  readonly _activation: (x: Tensor) => Tensor;

  constructor(hiddenSize: number, intermediateSize: number, activation: (x: Tensor) => Tensor) {
    super();
    this.gate_up = new LinearGroup(hiddenSize, { gate_proj: intermediateSize, up_proj: intermediateSize });
    this.down_proj = new Linear(intermediateSize, hiddenSize);
    this._activation = activation;
  }

  /** `[n, hidden] → [n, hidden]`; `site` receives the neurons' activations. */
  forward(x: Tensor, site: (name: string, x: Tensor) => Tensor): Tensor {
    const [gate, up] = this.gate_up.forward(x) as [Tensor, Tensor];
    const neurons = site("mlp.neurons", mul(this._activation(gate), up));
    return withScope("down_proj", () => this.down_proj.forward(neurons));
  }
}

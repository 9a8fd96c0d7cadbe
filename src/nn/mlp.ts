/**
 * Feed-forward networks of transformers.
 */
import { gelu, mul, silu, type Tensor } from "../tensor/index.ts";
import { Dropout } from "./dropout.ts";
import { Linear, LinearGroup } from "./linear.ts";
import { Module } from "./module.ts";
import { site } from "./tracing.ts";

/** Options of {@link Mlp} and {@link GatedMlp}. */
export interface MlpOptions {
  /** GELU by default; of gated networks SiLU. */
  readonly activation?: (x: Tensor) => Tensor;
  /** Whether linear layers have biases; true by default, of gated networks false. */
  readonly bias?: boolean;
  /** Share of results that training drops; 0 by default. */
  readonly dropout?: number;
  /** Number of results; as many as inputs by default. */
  readonly outFeatures?: number;
}

/** `down(activation(up(x)))`; the site `neurons` lies between. */
export class Mlp extends Module {
  readonly up: Linear;
  readonly down: Linear;
  readonly dropout: Dropout;
  /** Applied between. */
  readonly _activation: (x: Tensor) => Tensor;

  constructor(features: number, hidden: number, options: MlpOptions = {}) {
    super();
    const bias = options.bias ?? true;
    this.up = new Linear(features, hidden, { bias });
    this.down = new Linear(hidden, options.outFeatures ?? features, { bias });
    this.dropout = new Dropout(options.dropout ?? 0);
    this._activation = options.activation ?? ((x) => gelu(x));
  }

  /** `[…, features] → […, outFeatures]`. */
  forward(x: Tensor): Tensor {
    const neurons = site("neurons", this._activation(this.up.forward(x)));
    return this.dropout.forward(this.down.forward(neurons));
  }
}

/** `down(activation(gate(x)) · up(x))` (Shazeer 2020); the site `neurons` lies between. */
export class GatedMlp extends Module {
  /** `gate`, `up`. */
  readonly gateUp: LinearGroup;
  readonly down: Linear;
  readonly dropout: Dropout;
  /** Applied between. */
  readonly _activation: (x: Tensor) => Tensor;

  constructor(features: number, hidden: number, options: MlpOptions = {}) {
    super();
    const bias = options.bias ?? false;
    this.gateUp = new LinearGroup(features, { gate: hidden, up: hidden }, { bias });
    this.down = new Linear(hidden, options.outFeatures ?? features, { bias });
    this.dropout = new Dropout(options.dropout ?? 0);
    this._activation = options.activation ?? silu;
  }

  /** `[…, features] → […, outFeatures]`. */
  forward(x: Tensor): Tensor {
    const [gate, up] = this.gateUp.forward(x) as [Tensor, Tensor];
    const neurons = site("neurons", mul(this._activation(gate), up));
    return this.dropout.forward(this.down.forward(neurons));
  }
}

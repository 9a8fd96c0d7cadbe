/**
 * Normalisation layers.
 */
import { layerNorm, type Parameter, rmsNorm, skipRmsNorm, type Tensor } from "../tensor/index.ts";
import { newParameter } from "./initialize.ts";
import { constantly, ones, zeros } from "./initializers.ts";
import { Module } from "./module.ts";

/** Root-mean-square normalisation (Zhang and Sennrich 2019). */
export class RmsNorm extends Module {
  /** `[features]`. */
  readonly weight: Parameter;
  readonly _epsilon: number;
  readonly _offset: number;

  /** @param options `offset` is added to the weight before use (Gemma stores `weight − 1`). */
  constructor(features: number, options: { readonly epsilon: number; readonly offset?: number }) {
    super();
    this.weight = newParameter("weight", [features], constantly(1 - (options.offset ?? 0)));
    this._epsilon = options.epsilon;
    this._offset = options.offset ?? 0;
  }

  /** The scale that is applied, with its offset. */
  get scale(): Tensor {
    return this._offset ? this.weight.tensor.add(this._offset) : this.weight.tensor;
  }

  /** Normalises the last axis. */
  forward(x: Tensor): Tensor {
    return rmsNorm(x, this.scale, { epsilon: this._epsilon });
  }

  /** Adds `delta` to the residual stream and normalises the sum: `[normalised, sum]`. */
  addAndNormalize(residual: Tensor, delta: Tensor): [normalized: Tensor, sum: Tensor] {
    return skipRmsNorm(residual, delta, this.scale, { epsilon: this._epsilon });
  }
}

/** Layer normalisation (Ba et al. 2016). */
export class LayerNorm extends Module {
  /** `[features]`. */
  readonly weight: Parameter;
  /** `[features]`. */
  readonly bias: Parameter;
  readonly _epsilon: number;

  constructor(features: number, options: { readonly epsilon?: number } = {}) {
    super();
    this.weight = newParameter("weight", [features], ones);
    this.bias = newParameter("bias", [features], zeros);
    this._epsilon = options.epsilon ?? 1e-5;
  }

  /** Normalises the last axis. */
  forward(x: Tensor): Tensor {
    return layerNorm(x, this.weight.tensor, this.bias.tensor, { epsilon: this._epsilon });
  }
}

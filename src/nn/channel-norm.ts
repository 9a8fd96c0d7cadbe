/**
 * Normalisation of `[batch, channels, …space]` in any number of dimensions: batch, group and instance norm. Names of arrays
 * are those of PyTorch's checkpoints.
 */
import { batchNorm, groupNorm, instanceNorm, type Parameter, type Tensor } from "../tensor/index.ts";
import type { Buffer } from "./buffer.ts";
import { newBuffer, newParameter } from "./initialize.ts";
import { ones, zeros } from "./initializers.ts";
import { Module } from "./module.ts";
import { bufferValue, isTraining, updateBuffer } from "./tracing.ts";

/** Options of {@link BatchNorm}. */
export interface BatchNormOptions {
  /** 1e-5 by default. */
  readonly epsilon?: number;
  /** Share of a batch's statistics in the running ones; 0.1 by default. */
  readonly momentum?: number;
  /** Whether there are a weight and a bias; true by default. */
  readonly affine?: boolean;
}

/**
 * Batch normalisation (Ioffe and Szegedy 2015): by the batch's own statistics in training, which move the running ones, and by
 * the running ones otherwise.
 */
export class BatchNorm extends Module {
  /** `[channels]`. */
  readonly weight?: Parameter;
  /** `[channels]`. */
  readonly bias?: Parameter;
  /** `[channels]`. */
  readonly running_mean: Buffer;
  /** `[channels]`, unbiased. */
  readonly running_var: Buffer;
  readonly _options: BatchNormOptions;

  constructor(channels: number, options: BatchNormOptions = {}) {
    super();
    if (options.affine ?? true) {
      this.weight = newParameter("weight", [channels], ones);
      this.bias = newParameter("bias", [channels], zeros);
    }
    this.running_mean = newBuffer("running_mean", [channels], zeros);
    this.running_var = newBuffer("running_var", [channels], ones);
    this._options = options;
  }

  /** `[batch, channels, …space]` to the same shape. */
  forward(x: Tensor): Tensor {
    const training = isTraining(this);
    const { y, runningMean, runningVariance } = batchNorm(x, {
      weight: this.weight?.tensor,
      bias: this.bias?.tensor,
      runningMean: bufferValue(this.running_mean),
      runningVariance: bufferValue(this.running_var),
      training,
      epsilon: this._options.epsilon ?? 1e-5,
      momentum: this._options.momentum ?? 0.1,
    });
    if (training) {
      updateBuffer(this.running_mean, runningMean);
      updateBuffer(this.running_var, runningVariance);
    }
    return y;
  }
}

/** Options of {@link GroupNorm} and {@link InstanceNorm}. */
export interface ChannelNormOptions {
  /** 1e-5 by default. */
  readonly epsilon?: number;
  /** Whether there are a weight and a bias. */
  readonly affine?: boolean;
}

/** Group normalisation (Wu and He 2018); with weight and bias by default. */
export class GroupNorm extends Module {
  /** `[channels]`. */
  readonly weight?: Parameter;
  /** `[channels]`. */
  readonly bias?: Parameter;
  readonly _groups: number;
  readonly _epsilon: number;

  constructor(groups: number, channels: number, options: ChannelNormOptions = {}) {
    super();
    if (options.affine ?? true) {
      this.weight = newParameter("weight", [channels], ones);
      this.bias = newParameter("bias", [channels], zeros);
    }
    this._groups = groups;
    this._epsilon = options.epsilon ?? 1e-5;
  }

  /** `[batch, channels, …space]` to the same shape. */
  forward(x: Tensor): Tensor {
    return groupNorm(x, this._groups, this.weight?.tensor, this.bias?.tensor, { epsilon: this._epsilon });
  }
}

/** Instance normalisation (Ulyanov et al. 2016); without weight and bias by default. */
export class InstanceNorm extends Module {
  /** `[channels]`. */
  readonly weight?: Parameter;
  /** `[channels]`. */
  readonly bias?: Parameter;
  readonly _epsilon: number;

  constructor(channels: number, options: ChannelNormOptions = {}) {
    super();
    if (options.affine ?? false) {
      this.weight = newParameter("weight", [channels], ones);
      this.bias = newParameter("bias", [channels], zeros);
    }
    this._epsilon = options.epsilon ?? 1e-5;
  }

  /** `[batch, channels, …space]` to the same shape. */
  forward(x: Tensor): Tensor {
    return instanceNorm(x, this.weight?.tensor, this.bias?.tensor, { epsilon: this._epsilon });
  }
}

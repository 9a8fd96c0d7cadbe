/**
 * Convolutions in one to three dimensions.
 */
import {
  type ConvOptions,
  type ConvTransposeOptions,
  conv,
  convTranspose,
  type Parameter,
  type Tensor,
} from "../tensor/index.ts";
import { fail } from "../util/errors.ts";
import { sizeOf } from "../util/ndarray.ts";
import { newParameter } from "./initialize.ts";
import { linearDefault, uniformByFan } from "./initializers.ts";
import { Module } from "./module.ts";

/** What all convolutions are given. */
interface ConvShape {
  /** Size of the kernel along each spatial axis; one number needs `dimensions`. */
  readonly kernel: number | readonly number[];
  /** Number of spatial axes, when `kernel` is a single number; 2 by default. */
  readonly dimensions?: 1 | 2 | 3;
  /** True by default. */
  readonly bias?: boolean;
}

/** Options of {@link Conv}. */
export interface ConvModuleOptions extends ConvOptions, ConvShape {}

/** Options of {@link ConvTranspose}. */
export interface ConvTransposeModuleOptions extends ConvTransposeOptions, ConvShape {}

function kernelOf({ kernel, dimensions = 2 }: ConvShape): readonly number[] {
  return typeof kernel === "number" ? new Array<number>(dimensions).fill(kernel) : kernel;
}

function perGroup(name: string, what: string, channels: number, groups = 1): number {
  if (!Number.isInteger(channels / groups))
    fail("shape", `${name}: ${channels} ${what} do not divide into ${groups} groups`);
  return channels / groups;
}

/** Convolution. */
export class Conv extends Module {
  /** `[out, in / groups, …kernel]`. */
  readonly weight: Parameter;
  /** `[out]`. */
  readonly bias?: Parameter;
  readonly _options: ConvModuleOptions;

  /** @throws `shape` when channels do not divide into groups. */
  constructor(inChannels: number, outChannels: number, options: ConvModuleOptions) {
    super();
    const kernel = kernelOf(options);
    perGroup("Conv", "output channels", outChannels, options.groups);
    const seen = perGroup("Conv", "input channels", inChannels, options.groups);
    this.weight = newParameter("weight", [outChannels, seen, ...kernel], linearDefault);
    if (options.bias ?? true) this.bias = newParameter("bias", [outChannels], uniformByFan(seen * sizeOf(kernel)));
    this._options = options;
  }

  /** `[batch, in, …space] → [batch, out, …space]`. */
  forward(x: Tensor): Tensor {
    return conv(x, this.weight.tensor, this.bias?.tensor, this._options);
  }
}

/** Transposed convolution, which enlarges. */
export class ConvTranspose extends Module {
  /** `[in, out / groups, …kernel]`. */
  readonly weight: Parameter;
  /** `[out]`. */
  readonly bias?: Parameter;
  readonly _options: ConvTransposeModuleOptions;

  /** @throws `shape` when channels do not divide into groups. */
  constructor(inChannels: number, outChannels: number, options: ConvTransposeModuleOptions) {
    super();
    const kernel = kernelOf(options);
    perGroup("ConvTranspose", "input channels", inChannels, options.groups);
    const made = perGroup("ConvTranspose", "output channels", outChannels, options.groups);
    this.weight = newParameter("weight", [inChannels, made, ...kernel], linearDefault);
    if (options.bias ?? true) this.bias = newParameter("bias", [outChannels], uniformByFan(made * sizeOf(kernel)));
    this._options = options;
  }

  /** `[batch, in, …space] → [batch, out, …space]`. */
  forward(x: Tensor): Tensor {
    return convTranspose(x, this.weight.tensor, this.bias?.tensor, this._options);
  }
}

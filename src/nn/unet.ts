/**
 * Convolutional building blocks: convolution with norm and activation, residual blocks, and the U-Net made of them.
 */
import { concat, relu, type Tensor } from "../tensor/index.ts";
import { fail } from "../util/errors.ts";
import { BatchNorm, GroupNorm, InstanceNorm } from "./channel-norm.ts";
import { Conv, ConvTranspose } from "./convolution.ts";
import { Module } from "./module.ts";
import { MaxPool } from "./pooling.ts";
import type { UnaryModule } from "./sequential.ts";

/** Which norm follows a convolution: `group` has 8 groups, or as many as channels where these are fewer. */
export type ChannelNormKind = "batch" | "group" | "instance" | "none";

/** Options of convolutional blocks. */
export interface ConvBlockOptions {
  /** `batch` by default. */
  readonly norm?: ChannelNormKind;
  /** ReLU by default. */
  readonly activation?: (x: Tensor) => Tensor;
  /** Number of spatial axes; 2 by default. */
  readonly dimensions?: 1 | 2 | 3;
  /** Size of the kernel, which is odd; 3 by default. */
  readonly kernel?: number;
  /** Step of the first convolution; 1 by default. */
  readonly stride?: number;
}

/** A norm over channels by its kind. */
function newNorm(kind: ChannelNormKind, channels: number): UnaryModule | undefined {
  if (kind === "batch") return new BatchNorm(channels);
  if (kind === "group") return new GroupNorm(Math.min(8, channels), channels);
  return kind === "instance" ? new InstanceNorm(channels, { affine: true }) : undefined;
}

/** Convolution that keeps the size (divided by the stride), norm, activation. */
export class ConvBlock extends Module {
  readonly conv: Conv;
  readonly norm?: UnaryModule;
  /** Applied last. */
  readonly _activation: (x: Tensor) => Tensor;

  constructor(inChannels: number, outChannels: number, options: ConvBlockOptions = {}) {
    super();
    const { norm = "batch", dimensions = 2, kernel = 3, stride = 1 } = options;
    if (kernel % 2 === 0) fail("argument", `ConvBlock: kernel is ${kernel}; it must be odd to keep the size`);
    // a norm takes away what a bias would add
    const bias = norm === "none";
    this.conv = new Conv(inChannels, outChannels, { kernel, dimensions, padding: (kernel - 1) / 2, stride, bias });
    this.norm = newNorm(norm, outChannels);
    this._activation = options.activation ?? relu;
  }

  /** `[batch, in, …space] → [batch, out, …space / stride]`. */
  forward(x: Tensor): Tensor {
    const y = this.conv.forward(x);
    return this._activation(this.norm ? this.norm.forward(y) : y);
  }
}

/** Two convolutions around which the input is added (He et al. 2016); it is projected where channels or size change. */
export class ResidualBlock extends Module {
  readonly first: ConvBlock;
  readonly conv: Conv;
  readonly norm?: UnaryModule;
  readonly shortcut?: ConvBlock;
  /** Applied last. */
  readonly _activation: (x: Tensor) => Tensor;

  constructor(inChannels: number, outChannels: number, options: ConvBlockOptions = {}) {
    super();
    const { norm = "batch", dimensions = 2, kernel = 3, stride = 1 } = options;
    this.first = new ConvBlock(inChannels, outChannels, options);
    this.conv = new Conv(outChannels, outChannels, {
      kernel,
      dimensions,
      padding: (kernel - 1) / 2,
      bias: norm === "none",
    });
    this.norm = newNorm(norm, outChannels);
    if (inChannels !== outChannels || stride !== 1)
      this.shortcut = new ConvBlock(inChannels, outChannels, { ...options, kernel: 1, activation: (x) => x });
    this._activation = options.activation ?? relu;
  }

  /** `[batch, in, …space] → [batch, out, …space / stride]`. */
  forward(x: Tensor): Tensor {
    const y = this.conv.forward(this.first.forward(x));
    const past = this.shortcut ? this.shortcut.forward(x) : x;
    return this._activation((this.norm ? this.norm.forward(y) : y).add(past));
  }
}

/** Two {@link ConvBlock}s. */
export class DoubleConv extends Module {
  readonly first: ConvBlock;
  readonly second: ConvBlock;

  constructor(inChannels: number, outChannels: number, options: ConvBlockOptions = {}) {
    super();
    this.first = new ConvBlock(inChannels, outChannels, options);
    this.second = new ConvBlock(outChannels, outChannels, { ...options, stride: 1 });
  }

  /** `[batch, in, …space] → [batch, out, …space / stride]`. */
  forward(x: Tensor): Tensor {
    return this.second.forward(this.first.forward(x));
  }
}

/** Options of {@link UNet}. */
export interface UNetOptions extends Omit<ConvBlockOptions, "stride"> {
  readonly inChannels: number;
  readonly outChannels: number;
  /** Channels of each level, from full size down; each level halves the size. */
  readonly channels: readonly number[];
}

/** U-Net (Ronneberger et al. 2015): halved by pooling, enlarged by transposed convolutions, with skips of equal size. */
export class UNet extends Module {
  readonly down: readonly DoubleConv[];
  readonly enlarge: readonly ConvTranspose[];
  readonly up: readonly DoubleConv[];
  readonly head: Conv;
  readonly _pool: MaxPool;

  /** @throws `argument` without levels. */
  constructor({ inChannels, outChannels, channels, ...options }: UNetOptions) {
    super();
    if (!channels.length) fail("argument", "UNet: channels is empty; give the channels of each level");
    const dimensions = options.dimensions ?? 2;
    this.down = channels.map((n, i) => new DoubleConv(channels[i - 1] ?? inChannels, n, options));
    const levels = channels.slice(0, -1).map((n, i) => [n, channels[i + 1]!] as const);
    this.enlarge = levels.map(([n, below]) => new ConvTranspose(below, n, { kernel: 2, stride: 2, dimensions }));
    this.up = levels.map(([n]) => new DoubleConv(2 * n, n, options));
    this.head = new Conv(channels[0]!, outChannels, { kernel: 1, dimensions });
    this._pool = new MaxPool({ kernel: 2 });
  }

  /** `[batch, inChannels, …space] → [batch, outChannels, …space]`; sizes are multiples of `2^(levels − 1)`. */
  forward(x: Tensor): Tensor {
    const skips: Tensor[] = [];
    let y = x;
    this.down.forEach((block, i) => {
      y = block.forward(i ? this._pool.forward(y) : y);
      skips.push(y);
    });
    for (let i = this.up.length - 1; i >= 0; i--)
      y = this.up[i]!.forward(concat([skips[i]!, this.enlarge[i]!.forward(y)], 1));
    return this.head.forward(y);
  }
}

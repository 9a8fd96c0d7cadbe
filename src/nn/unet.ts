/**
 * Convolutional building blocks: convolution with norm and activation, residual blocks, and the U-Net made of them.
 */
import { concat, relu, type Tensor } from "../tensor/index.ts";
import { fail } from "../util/errors.ts";
import { BatchNorm, GroupNorm, InstanceNorm } from "./channel-norm.ts";
import { Conv, ConvTranspose } from "./convolution.ts";
import { Module } from "./module.ts";
import { MaxPool, Upsample } from "./pooling.ts";
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

/** What may stand behind a block: it takes as many channels as the block gives, and says how many it gives itself. */
export interface BehindBlock extends UnaryModule {
  readonly outChannels: number;
}

/** Options of {@link UNet}. */
export interface UNetOptions extends Omit<ConvBlockOptions, "stride"> {
  readonly inChannels: number;
  readonly outChannels: number;
  /** Channels of each level, from full size down; each level halves the size. */
  readonly channels: readonly number[];
  /** How a level is brought to twice the size: by a transposed convolution (the default), or linearly, without parameters. */
  readonly enlarging?: "transposed" | "linear";
  /** Makes what stands behind every block on the way down and up, but not behind the head; nothing by default. */
  readonly behind?: (channels: number) => BehindBlock;
}

/** U-Net (Ronneberger et al. 2015): halved by pooling, enlarged again, with skips of equal size. */
export class UNet extends Module {
  readonly down: readonly DoubleConv[];
  /** Empty when enlarging is linear. */
  readonly enlarge: readonly ConvTranspose[];
  readonly up: readonly DoubleConv[];
  /** What stands behind `down`; empty without. */
  readonly behindDown: readonly BehindBlock[];
  /** What stands behind `up`; empty without. */
  readonly behindUp: readonly BehindBlock[];
  readonly head: Conv;
  readonly _pool: MaxPool;
  readonly _linear: Upsample;

  /** @throws `argument` without levels. */
  constructor({ inChannels, outChannels, channels, enlarging = "transposed", behind, ...options }: UNetOptions) {
    super();
    if (!channels.length) fail("argument", "UNet: channels is empty; give the channels of each level");
    const dimensions = options.dimensions ?? 2;
    this.behindDown = behind ? channels.map(behind) : [];
    this.behindUp = behind ? channels.slice(0, -1).map(behind) : [];
    const after = (some: readonly BehindBlock[], i: number) => some[i]?.outChannels ?? channels[i]!;
    const widths = channels.map((_, i) => after(this.behindDown, i));
    this.down = channels.map((n, i) => new DoubleConv(i ? widths[i - 1]! : inChannels, n, options));
    const levels = channels.slice(0, -1).map((n, i) => {
      const below = i + 2 < channels.length ? after(this.behindUp, i + 1) : widths[i + 1]!;
      return { n, below, enlarged: enlarging === "linear" ? below : n };
    });
    this.enlarge =
      enlarging === "linear"
        ? []
        : levels.map(({ n, below }) => new ConvTranspose(below, n, { kernel: 2, stride: 2, dimensions }));
    this.up = levels.map(({ n, enlarged }, i) => new DoubleConv(widths[i]! + enlarged, n, options));
    this.head = new Conv(channels.length > 1 ? after(this.behindUp, 0) : widths[0]!, outChannels, {
      kernel: 1,
      dimensions,
    });
    this._pool = new MaxPool({ kernel: 2 });
    this._linear = new Upsample(2, { mode: "linear" });
  }

  /** `[batch, inChannels, …space] → [batch, outChannels, …space]`; sizes are multiples of `2^(levels − 1)`. */
  forward(x: Tensor): Tensor {
    const skips: Tensor[] = [];
    let y = x;
    this.down.forEach((block, i) => {
      y = block.forward(i ? this._pool.forward(y) : y);
      y = this.behindDown[i]?.forward(y) ?? y;
      skips.push(y);
    });
    for (let i = this.up.length - 1; i >= 0; i--) {
      const enlarged = (this.enlarge[i] ?? this._linear).forward(y);
      y = this.up[i]!.forward(concat([skips[i]!, enlarged], 1));
      y = this.behindUp[i]?.forward(y) ?? y;
    }
    return this.head.forward(y);
  }
}

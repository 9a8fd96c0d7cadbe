/**
 * Gates that weigh what a feature map holds by what it holds: by channel, by place, by both, and by projections of a volume.
 * Layout `[batch, channels, …space]` in one to three dimensions. Knows no network: a gate stands behind any block.
 */
import { concat, conv, maximum, mean, relu, reshape, sigmoid, type Tensor } from "../tensor/index.ts";
import { fail } from "../util/errors.ts";
import { Conv } from "./convolution.ts";
import { newParameter } from "./initialize.ts";
import { constantly } from "./initializers.ts";
import { Linear } from "./linear.ts";
import { Module } from "./module.ts";
import { site } from "./tracing.ts";

/** Options that all gates share. */
export interface GateOptions {
  /**
   * Value that the last bias begins with. A gate that is put into a trained network should begin near 1: 3 gives 0.95. By default it
   * begins as biases do, and gates near 0.5.
   */
  readonly initialBias?: number;
}

/** Options of {@link ChannelGate}. */
export interface ChannelGateOptions extends GateOptions {
  /** Channels over hidden units, rounded down; 2 by default, as in segmentation and in MONAI (classification takes 16). */
  readonly r?: number;
  /** Between the two linear layers; ReLU by default. */
  readonly inner?: (x: Tensor) => Tensor;
  /** Makes the gate; the logistic function by default. */
  readonly outer?: (x: Tensor) => Tensor;
  /** Whether the result is `x + gate · x` (MONAI's `add_residual`); false by default. */
  readonly residual?: boolean;
}

function hiddenOf(name: string, channels: number, r: number): number {
  const hidden = Math.floor(channels / r);
  return hidden >= 1 && r >= 1
    ? hidden
    : fail("argument", `${name}: r is ${r}; of ${channels} channels it must be from 1 to ${channels}`);
}

/** Lets a layer's bias begin with a value. */
function beginAt(layer: Linear | Conv, value: number | undefined): void {
  if (value !== undefined) Object.assign(layer, { bias: newParameter("bias", layer.bias!.shape, constantly(value)) });
}

/** Axes of space. */
const spaceOf = (x: Tensor) => x.shape.flatMap((_, axis) => (axis < 2 ? [] : [axis]));

/**
 * Squeeze and excitation of channels (Hu et al. 2018; cSE of Roy et al. 2018): means over space, two linear layers, a gate for each
 * channel. Means depend on the picture's part that is seen: a network that was trained on parts sees other ones of the whole.
 */
export class ChannelGate extends Module {
  readonly fc1: Linear;
  readonly fc2: Linear;
  /** As many channels as came in. */
  readonly outChannels: number;
  readonly _options: ChannelGateOptions;

  /** @throws `argument` when `r` leaves no hidden unit. */
  constructor(channels: number, options: ChannelGateOptions = {}) {
    super();
    const hidden = hiddenOf("ChannelGate", channels, options.r ?? 2);
    this.fc1 = new Linear(channels, hidden, { bias: true });
    this.fc2 = new Linear(hidden, channels, { bias: true });
    beginAt(this.fc2, options.initialBias);
    this.outChannels = channels;
    this._options = options;
  }

  /** The gate by itself, `[batch, channels, 1, …]`. */
  gateOf(x: Tensor): Tensor {
    const { inner = relu, outer = sigmoid } = this._options;
    const weights = outer(this.fc2.forward(inner(this.fc1.forward(mean(x, spaceOf(x))))));
    return reshape(weights, [...x.shape.slice(0, 2), ...spaceOf(x).map(() => 1)]);
  }

  /** `[batch, channels, …space]` to the same shape; the gate is the site `gate`. */
  forward(x: Tensor): Tensor {
    const y = x.mul(site("gate", this.gateOf(x)));
    return this._options.residual ? x.add(y) : y;
  }
}

/** Options of {@link SpatialGate}. */
export interface SpatialGateOptions extends GateOptions {
  /** Number of spatial axes; 2 by default. */
  readonly dimensions?: 1 | 2 | 3;
}

/** Squeeze of channels and excitation of places (sSE of Roy et al. 2018): a gate for each place, from all channels there. */
export class SpatialGate extends Module {
  readonly conv: Conv;
  /** As many channels as came in. */
  readonly outChannels: number;

  constructor(channels: number, options: SpatialGateOptions = {}) {
    super();
    this.conv = new Conv(channels, 1, { kernel: 1, dimensions: options.dimensions });
    beginAt(this.conv, options.initialBias);
    this.outChannels = channels;
  }

  /**
   * The gate by itself, `[batch, 1, …space]`.
   * @param weights `[…, channels]` to use instead of the layer's own and without a bias, averaged over all but the last axis: in
   * few-shot segmentation another network gives them.
   */
  gateOf(x: Tensor, weights?: Tensor): Tensor {
    if (!weights) return sigmoid(this.conv.forward(x));
    const { outChannels } = this;
    if (weights.shape[weights.rank - 1] !== outChannels)
      fail("shape", `SpatialGate: weights [${weights.shape.join(", ")}] must end in ${outChannels} channels`);
    const kernel = mean(reshape(weights, [-1, outChannels]), 0);
    return sigmoid(conv(x, reshape(kernel, [1, outChannels, ...spaceOf(x).map(() => 1)])));
  }

  /** `[batch, channels, …space]` to the same shape; the gate is the site `gate`. @param weights see {@link gateOf}. */
  forward(x: Tensor, weights?: Tensor): Tensor {
    return x.mul(site("gate", this.gateOf(x, weights)));
  }
}

/**
 * How the two gates of {@link ChannelSpatialGate} come together. `max`: the larger of the two gated values (the journal's choice).
 * `maxGate`: the values times the larger gate: the same where values are not negative, such as behind a ReLU, in less time; of negative
 * values `max` would take the smaller gate. `add`: the sum of the gated values (the first paper), twice as large at first.
 * `multiply`: their product. `concat`: both, side by side.
 */
export type GateMerge = "max" | "maxGate" | "add" | "multiply" | "concat";

/** Options of {@link ChannelSpatialGate}. */
export interface ChannelSpatialGateOptions extends GateOptions {
  /** `max` by default. Weights that were trained under one merge do not fit another. */
  readonly merge?: GateMerge;
  /** As of {@link ChannelGate}; 2 by default. */
  readonly r?: number;
  /** Number of spatial axes; 2 by default. */
  readonly dimensions?: 1 | 2 | 3;
}

/** Gates of channels and of places at once (scSE of Roy et al. 2018). Names of arrays are those of its authors' code. */
export class ChannelSpatialGate extends Module {
  readonly cSE: ChannelGate;
  readonly sSE: SpatialGate;
  /** As many channels as came in, or twice as many with `concat`. */
  readonly outChannels: number;
  readonly _merge: GateMerge;

  /** @throws `argument` when `r` leaves no hidden unit. */
  constructor(channels: number, options: ChannelSpatialGateOptions = {}) {
    super();
    const { merge = "max", r, initialBias, dimensions } = options;
    this.cSE = new ChannelGate(channels, { r, initialBias });
    this.sSE = new SpatialGate(channels, { dimensions, initialBias });
    this.outChannels = merge === "concat" ? 2 * channels : channels;
    this._merge = merge;
  }

  /**
   * `[batch, channels, …space]` to the same shape, or to twice the channels with `concat`; the gates are the sites `cSE.gate` and
   * `sSE.gate`. @param weights of places, see {@link SpatialGate.gateOf}.
   */
  forward(x: Tensor, weights?: Tensor): Tensor {
    const channel = site("cSE.gate", this.cSE.gateOf(x));
    const place = site("sSE.gate", this.sSE.gateOf(x, weights));
    switch (this._merge) {
      case "max":
        return maximum(x.mul(channel), x.mul(place));
      case "maxGate":
        return x.mul(maximum(channel, place));
      case "add":
        return x.mul(channel.add(place));
      case "multiply":
        return x.mul(channel).mul(x.mul(place));
      case "concat":
        return concat([x.mul(channel), x.mul(place)], 1);
    }
  }
}

/** Options of {@link ProjectExciteGate}. */
export interface ProjectExciteGateOptions extends GateOptions {
  /** Channels over hidden channels, rounded down; 2 by default. */
  readonly r?: number;
}

/**
 * Project and excite for volumes (Rickmann et al. 2019): the means over all planes of each direction, added up at every place, make a
 * gate of channels and places. Names of arrays are those of its authors' code.
 */
export class ProjectExciteGate extends Module {
  readonly conv_c: Conv;
  readonly conv_cT: Conv;
  /** As many channels as came in. */
  readonly outChannels: number;

  /** @throws `argument` when `r` leaves no hidden channel. */
  constructor(channels: number, options: ProjectExciteGateOptions = {}) {
    super();
    const hidden = hiddenOf("ProjectExciteGate", channels, options.r ?? 2);
    this.conv_c = new Conv(channels, hidden, { kernel: 1, dimensions: 3 });
    this.conv_cT = new Conv(hidden, channels, { kernel: 1, dimensions: 3 });
    beginAt(this.conv_cT, options.initialBias);
    this.outChannels = channels;
  }

  /** `[batch, channels, depth, height, width]` to the same shape; the gate is the site `gate`. @throws `shape` for others. */
  forward(x: Tensor): Tensor {
    if (x.rank !== 5)
      fail(
        "shape",
        `ProjectExciteGate: needs [batch, channels, depth, height, width], got [${x.shape.join(", ")}]; other gates take pictures`,
      );
    const keep = { keepDims: true };
    const along = mean(x, [2, 3], keep)
      .add(mean(x, [2, 4], keep))
      .add(mean(x, [3, 4], keep));
    return x.mul(site("gate", sigmoid(this.conv_cT.forward(relu(this.conv_c.forward(along))))));
  }
}

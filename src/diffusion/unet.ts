/**
 * The U-Net of diffusion models (Dhariwal and Nichol 2021, as EDM uses it): residual blocks that noise level and label modulate, skips
 * between the ways down and up, and factors on both that are inputs, so that edits need no other graph. Knows no noise schedule.
 */
import {
  Attention,
  Conv,
  GroupNorm,
  type Initializer,
  initialize,
  Linear,
  Module,
  Upsample,
  zeros,
} from "../nn/index.ts";
import { averagePool, concat, silu, slice, type Tensor } from "../tensor/index.ts";
import { fail } from "../util/errors.ts";

/** What a {@link DiffusionUNet} is made from; it survives JSON. */
export interface DiffusionUNetConfig {
  /** Channels of a picture. */
  readonly channels: number;
  /** Channels of each level, from full size down; each level halves the size. */
  readonly widths: readonly number[];
  /** Residual blocks of each level on the way down; one more on the way up. */
  readonly blocks: number;
  /** Classes of labels; 0 for none. */
  readonly classes: number;
  /**
   * How a block whose channels change lets its input past: by a convolution of what it gets (`projected`, the usual way), or of what its
   * norm makes of that (`normalised`), behind which scaled skips are as if they were not.
   */
  readonly shortcut?: "projected" | "normalised";
}

/** Groups of a norm: of four channels, and at most 32. */
const groupsOf = (channels: number) => Math.max(1, Math.min(32, Math.floor(channels / 4)));

type Resampling = "none" | "down" | "up";

/** Residual block whose second norm is scaled and shifted by an embedding. */
class ModulatedBlock extends Module {
  readonly norm0: GroupNorm;
  readonly conv0: Conv;
  readonly affine: Linear;
  readonly norm1: GroupNorm;
  readonly conv1: Conv;
  readonly skip?: Conv;
  readonly _resampling: Resampling;
  readonly _normalisedSkip: boolean;
  readonly _upsample = new Upsample(2, { mode: "nearest" });

  constructor(
    inChannels: number,
    readonly outChannels: number,
    embedding: number,
    { resampling = "none", normalisedSkip = false }: { resampling?: Resampling; normalisedSkip?: boolean } = {},
  ) {
    super();
    this.norm0 = new GroupNorm(groupsOf(inChannels), inChannels);
    this.conv0 = new Conv(inChannels, outChannels, { kernel: 3, padding: 1 });
    this.affine = new Linear(embedding, 2 * outChannels, { bias: true });
    this.norm1 = new GroupNorm(groupsOf(outChannels), outChannels);
    this.conv1 = new Conv(outChannels, outChannels, { kernel: 3, padding: 1 });
    if (inChannels !== outChannels) this.skip = new Conv(inChannels, outChannels, { kernel: 1 });
    this._resampling = resampling;
    this._normalisedSkip = normalisedSkip;
  }

  #resample(x: Tensor): Tensor {
    if (this._resampling === "down") return averagePool(x, { kernel: 2, stride: 2 });
    return this._resampling === "up" ? this._upsample.forward(x) : x;
  }

  /** `[n, in, h, w]` and `[n, embedding]` to `[n, out, …]`, of half or twice the size if the block resamples. */
  forward(x: Tensor, embedding: Tensor): Tensor {
    const normed = this.norm0.forward(x);
    const h = this.conv0.forward(this.#resample(silu(normed)));
    const both = this.affine.forward(embedding).reshape([-1, 2 * this.outChannels, 1, 1]);
    const [scale, shift] = [0, 1].map((i) =>
      slice(both, { axis: 1, start: i * this.outChannels, end: (i + 1) * this.outChannels }),
    ) as [Tensor, Tensor];
    const y = this.conv1.forward(silu(this.norm1.forward(h).mul(scale.add(1)).add(shift)));
    const past = this.#resample(this._normalisedSkip ? normed : x);
    return y.add(this.skip ? this.skip.forward(past) : past);
  }
}

/** Attention between all places, around which its input is added. */
class PlaceAttention extends Module {
  readonly norm: GroupNorm;
  readonly attention: Attention;
  readonly _channels: number;

  constructor(channels: number) {
    super();
    this.norm = new GroupNorm(groupsOf(channels), channels);
    this.attention = new Attention(channels, { heads: 1 });
    this._channels = channels;
  }

  /** `[n, channels, h, w]` to the same shape. */
  forward(x: Tensor): Tensor {
    const [batch, , height, width] = x.shape;
    const places = this.norm.forward(x).reshape([batch!, this._channels, -1]).transpose([0, 2, 1]);
    const found = this.attention.forward(places).transpose([0, 2, 1]);
    return x.add(found.reshape([batch!, this._channels, height!, width!]));
  }
}

/** What is done to the parts of a network while it runs, block by block on the way up, the deepest first. */
export interface SkipEdit {
  /** Factors on skips, `[k]`. */
  readonly skips?: Tensor;
  /** Factors on what comes from below, `[k]`. */
  readonly backbone?: Tensor;
  /** Instead of factors: what becomes of both. Is given the block's number, from 0. */
  readonly join?: (backbone: Tensor, skip: Tensor, block: number) => readonly [backbone: Tensor, skip: Tensor];
}

/** The i-th factor of `[k]`, for `[n, channels, h, w]`. */
const factor = (factors: Tensor, i: number) => slice(factors, { axis: 0, start: i, end: i + 1 }).reshape([1, 1, 1, 1]);

/** Frequencies of a noise level's sines and cosines. */
const frequencies = 16;

/** The network of a diffusion model. */
export class DiffusionUNet extends Module {
  readonly map0: Linear;
  readonly map1: Linear;
  readonly label?: Linear;
  readonly first: Conv;
  readonly down: readonly ModulatedBlock[];
  readonly middle: readonly ModulatedBlock[];
  readonly attention: PlaceAttention;
  readonly up: readonly ModulatedBlock[];
  readonly norm: GroupNorm;
  readonly last: Conv;
  readonly _config: DiffusionUNetConfig;
  /** Of each block on the way up, whether it takes a skip. */
  readonly _takes: readonly boolean[];

  /** @throws `argument` without levels or blocks. */
  constructor(config: DiffusionUNetConfig) {
    super();
    const { channels, widths, blocks, classes } = config;
    if (!widths.length || !(blocks >= 1))
      fail("argument", `DiffusionUNet: ${widths.length} levels of ${blocks} blocks; there is at least one of each`);
    const embedding = 4 * widths[0]!;
    this.map0 = new Linear(2 * frequencies, embedding, { bias: true });
    this.map1 = new Linear(embedding, embedding, { bias: true });
    if (classes) this.label = new Linear(classes, embedding);
    this.first = new Conv(channels, widths[0]!, { kernel: 3, padding: 1 });
    const kept = [widths[0]!];
    const down: ModulatedBlock[] = [];
    let width = widths[0]!;
    const keep = (block: ModulatedBlock) => {
      down.push(block);
      kept.push(block.outChannels);
      width = block.outChannels;
    };
    for (const [level, wanted] of widths.entries()) {
      if (level) keep(new ModulatedBlock(width, width, embedding, { resampling: "down" }));
      for (let i = 0; i < blocks; i++) keep(new ModulatedBlock(width, wanted, embedding));
    }
    this.down = down;
    this.middle = [0, 1].map(() => new ModulatedBlock(width, width, embedding));
    this.attention = new PlaceAttention(width);
    const takes: boolean[] = [];
    const up: ModulatedBlock[] = [];
    for (let level = widths.length - 1; level >= 0; level--) {
      if (level < widths.length - 1) {
        up.push(new ModulatedBlock(width, width, embedding, { resampling: "up" }));
        takes.push(false);
      }
      for (let i = 0; i <= blocks; i++) {
        const options = { normalisedSkip: config.shortcut === "normalised" };
        const block = new ModulatedBlock(width + kept.pop()!, widths[level]!, embedding, options);
        up.push(block);
        takes.push(true);
        width = block.outChannels;
      }
    }
    this.up = up;
    this.norm = new GroupNorm(groupsOf(width), width);
    this.last = new Conv(width, channels, { kernel: 3, padding: 1 });
    this._config = config;
    this._takes = takes;
  }

  /** Number of skips [k]: of the first convolution, and of every block on the way down. */
  get skipCount(): number {
    return this.down.length + 1;
  }

  /**
   * @param x `[n, channels, h, w]`; sizes are multiples of `2^(levels − 1)`. @param noise `[n]`, what stands for the noise level.
   * @param labels `[n, classes]`, 1 at the class; zeros for no label. @returns the shape of `x`.
   */
  forward(x: Tensor, noise: Tensor, labels?: Tensor, edit: SkipEdit = {}): Tensor {
    const embedding = this.#embed(noise, labels);
    const skips = [this.first.forward(x)];
    for (const block of this.down) skips.push(block.forward(skips.at(-1)!, embedding));
    let y = this.middle[0]!.forward(skips.at(-1)!, embedding);
    y = this.middle[1]!.forward(this.attention.forward(y), embedding);
    let number = 0;
    this.up.forEach((block, i) => {
      if (this._takes[i]) {
        const [below, skip] = this.#edited(y, skips.pop()!, number++, edit);
        y = concat([below, skip], 1);
      }
      y = block.forward(y, embedding);
    });
    return this.last.forward(silu(this.norm.forward(y)));
  }

  #edited(backbone: Tensor, skip: Tensor, block: number, edit: SkipEdit): readonly [Tensor, Tensor] {
    if (edit.join) return edit.join(backbone, skip, block);
    return [
      edit.backbone ? backbone.mul(factor(edit.backbone, block)) : backbone,
      edit.skips ? skip.mul(factor(edit.skips, block)) : skip,
    ];
  }

  #embed(noise: Tensor, labels: Tensor | undefined): Tensor {
    const { classes } = this._config;
    if (Boolean(labels) !== Boolean(this.label))
      fail("argument", `DiffusionUNet: labels of ${classes} classes are ${labels ? "given and not known" : "needed"}`);
    const angles = concat(
      // ln(σ) / 4 lies between −1.6 and 1.1: the slowest wave is nearly straight there, the fastest turns some twenty times
      Array.from({ length: frequencies }, (_, i) => noise.mul(2 ** (0.5 * i - 2)).reshape([-1, 1])),
      1,
    );
    const waves = concat([angles.sin(), angles.cos()], 1);
    const mapped = this.map1.forward(silu(this.map0.forward(waves)));
    return silu(labels ? mapped.add(this.label!.forward(labels)) : mapped);
  }
}

/** Gives a network its first values: the last convolution of every block, and of the network, begins as 0, so that blocks do nothing yet. */
export function initializeDiffusion(
  model: DiffusionUNet,
  seed: number,
  rules: readonly (readonly [RegExp, Initializer])[] = [],
): void {
  initialize(model, seed, [...rules, [/(^|\.)conv1\.|^last\.|attention\.output\./, zeros]]);
}

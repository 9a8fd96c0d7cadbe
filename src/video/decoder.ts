/**
 * From a frame's code, or from its number, to the frame: a stem and stages that enlarge (Chen et al. 2023, section 3.1; the stages of NeRV,
 * Chen et al. 2021, are the same with other kernels and channels). Knows nothing of where codes come from.
 */
import { Conv, Module } from "../nn/index.ts";
import { gelu, pixelShuffle, reshape, type Tensor, tanh, transpose } from "../tensor/index.ts";
import { NDArray } from "../util/ndarray.ts";
import { checkVideoConfig, gridOf, type IndexInput, type VideoNetworkConfig } from "./config.ts";

/** A convolution whose channels become pixels, and GELU. */
export class EnlargingBlock extends Module {
  readonly conv: Conv;
  readonly _stride: number;

  constructor(inChannels: number, outChannels: number, options: { readonly kernel: number; readonly stride: number }) {
    super();
    const { kernel, stride } = options;
    this.conv = new Conv(inChannels, outChannels * stride ** 2, { kernel, padding: (kernel - 1) / 2 });
    this._stride = stride;
  }

  /** `[n, in, h, w] → [n, out, h · stride, w · stride]`. */
  forward(x: Tensor): Tensor {
    const y = this.conv.forward(x);
    return gelu(this._stride === 1 ? y : pixelShuffle(y, this._stride));
  }
}

/** The decoder: what is stored of a video, but for the codes. */
export class FrameDecoder extends Module {
  /** Widens what comes in, and spreads a frame's number over the grid. */
  readonly stem: Conv;
  readonly blocks: readonly EnlargingBlock[];
  readonly head: Conv;
  readonly _config: VideoNetworkConfig;

  /** @throws `argument` or `shape` for an impossible description. */
  constructor(config: VideoNetworkConfig) {
    super();
    checkVideoConfig(config);
    const { input, channels, kernels, strides } = config;
    const [height, width] = gridOf(config);
    this.stem =
      input.kind === "codes"
        ? new Conv(input.channels, channels[0]!, { kernel: 1 })
        : new Conv(2 * input.levels, channels[0]! * height * width, { kernel: 1 });
    this.blocks = strides.map(
      (stride, i) => new EnlargingBlock(channels[i]!, channels[i + 1]!, { kernel: kernels[i]!, stride }),
    );
    this.head = new Conv(channels[channels.length - 1]!, 3, { kernel: 3, padding: 1 });
    this._config = config;
  }

  /** Codes `[n, channels, h, w]`, or numbers as {@link encodePositions} makes them, to frames `[n, 3, height, width]` from 0 to 1. */
  forward(input: Tensor): Tensor {
    const [height, width] = gridOf(this._config);
    let x = gelu(this.stem.forward(input));
    if (this._config.input.kind === "index") x = spread(x, this._config.channels[0]!, height, width);
    for (const block of this.blocks) x = block.forward(x);
    return tanh(this.head.forward(x)).mul(0.5).add(0.5);
  }
}

/** Channels `(c, fh, fw)` of `[n, c · fh · fw, h, w]` become places: `[n, c, fh · h, fw · w]`. */
export function spread(x: Tensor, channels: number, fh: number, fw: number): Tensor {
  const [n, , h, w] = x.shape as readonly [number | string, number, number, number];
  const split = reshape(x, [n as number, channels, fh, fw, h, w]);
  return reshape(transpose(split, [0, 1, 2, 4, 3, 5]), [n as number, channels, fh * h, fw * w]);
}

/**
 * Sines and cosines of frames' numbers, `[n, 2 · levels, 1, 1]`: `sin(base^l π t), cos(base^l π t)` level by level, where `t` is the number over
 * the number of frames. A number may lie between frames.
 */
export function encodePositions(numbers: ArrayLike<number>, frames: number, { levels, base }: IndexInput): NDArray {
  const out = new Float32Array(numbers.length * 2 * levels);
  for (let i = 0; i < numbers.length; i++)
    for (let level = 0; level < levels; level++) {
      const angle = (base ** level * Math.PI * numbers[i]!) / frames;
      out[(i * levels + level) * 2] = Math.sin(angle);
      out[(i * levels + level) * 2 + 1] = Math.cos(angle);
    }
  return new NDArray(out, [numbers.length, 2 * levels, 1, 1], "f32");
}

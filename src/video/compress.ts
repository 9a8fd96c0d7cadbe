/**
 * From frames to the bytes of a `.bnrv` file in one call: a network of the size asked for is fitted, quantised and written.
 */
import { fail } from "../util/errors.ts";
import type { NDArray } from "../util/ndarray.ts";
import type { ProgressListener } from "../util/progress.ts";
import { type VideoCoder, type VideoFile, writeVideo } from "./bnrv.ts";
import { codeSize, type VideoNetworkConfig, videoSize } from "./config.ts";
import { fitVideo, type VideoLoss } from "./fit.ts";
import { newVideoNetwork } from "./network.ts";
import { type FrameRate, quantizeVideo } from "./quantized.ts";
import { balancedStages, networkOfSize, planNetwork } from "./sizes.ts";

/**
 * How training is kept steady: steep steps are cut, and the encoder learns more slowly than the decoder. On a clip of 32 frames both together gain
 * 1 dB in 120 epochs, and codes that came to nothing do not any more.
 */
const steady = { clipNorm: 0.02, encoderRate: 0.3 } as const;

/** Options of {@link compressVideo}. */
export interface CompressVideoOptions {
  /** Numbers of decoder and codes together, about one byte each in the file; 40,000 by default. */
  readonly parameters?: number;
  /** Times that every frame is seen; 300 by default. */
  readonly epochs?: number;
  /** Highest learning rate; 6e-3 by default, which suits small networks. */
  readonly learningRate?: number;
  /** Enlargement by each stage; by default as {@link chooseStrides} has it. */
  readonly strides?: readonly number[];
  /** Channels of a frame's code; 8 by default. */
  readonly codeChannels?: number;
  /** Channels of the encoder, which is not stored; 32 by default. */
  readonly encoderWidth?: number;
  readonly loss?: VideoLoss;
  readonly coder?: VideoCoder;
  readonly rate?: FrameRate;
  readonly seed?: number;
  readonly threads?: number;
  readonly onProgress?: ProgressListener;
  readonly signal?: AbortSignal;
}

function commonFactors(height: number, width: number): number[] {
  const factors: number[] = [];
  let [a, b] = [height, width];
  for (let prime = 2; prime <= 7; prime++)
    while (a % prime === 0 && b % prime === 0) {
      factors.push(prime);
      [a, b] = [a / prime, b / prime];
    }
  return factors;
}

/**
 * Strides that take a frame down to a grid whose shorter side is 2 or little more: at most five stages, four up to an enlargement of 64, the
 * largest first.
 * @throws `argument` when the sides have too few common factors.
 */
export function chooseStrides(height: number, width: number): readonly number[] {
  let left = Math.min(height, width);
  const taken = commonFactors(height, width)
    .sort((a, b) => b - a)
    .filter((factor) => {
      if (left / factor < 2) return false;
      left /= factor;
      return true;
    });
  const enlargement = taken.reduce((product, n) => product * n, 1);
  if (enlargement < 8)
    fail(
      "argument",
      `frames of ${width} × ${height} cannot be enlarged step by step from something small; crop or scale them so that both sides are multiples of 16`,
    );
  const most = enlargement <= 64 ? 4 : 5;
  while (taken.length > most) {
    // the two smallest become one
    const [a, b] = [taken.pop()!, taken.pop()!];
    taken.push(a * b);
    taken.sort((x, y) => y - x);
  }
  return taken;
}

/** The network that {@link compressVideo} fits. @throws `argument` for a size that no network has. */
export function compressionNetwork(
  size: { readonly frames: number; readonly height: number; readonly width: number },
  options: Pick<CompressVideoOptions, "parameters" | "strides" | "codeChannels"> = {},
): VideoNetworkConfig {
  const { parameters = 40_000, codeChannels = 8 } = options;
  const strides = options.strides ?? chooseStrides(size.height, size.width);
  const stages = { ...balancedStages, leastChannels: 8 };
  const plan = { ...size, strides, input: { kind: "codes", channels: codeChannels }, stages } as const;
  const least = planNetwork(plan, 1);
  if (videoSize(least) > parameters)
    fail(
      "argument",
      `${parameters} numbers are too few for ${size.frames} frames of ${size.width} × ${size.height}: codes alone are ${size.frames * codeSize(least)}, and the smallest network has ${videoSize(least)} with them; allow more, or cut the video`,
    );
  return networkOfSize(plan, parameters);
}

/**
 * Compresses frames `f32[n, 3, height, width]` from 0 to 1. This trains a network: seconds for a small clip, hours for a large one.
 * @throws `shape` or `argument` for frames or options that do not fit, `nan` when training fails, `aborted`.
 */
export async function compressVideo(
  frames: NDArray,
  options: CompressVideoOptions = {},
): Promise<VideoFile & { readonly config: VideoNetworkConfig }> {
  const { epochs = 300, learningRate = 6e-3, encoderWidth = 32, seed = 0, coder, rate, threads } = options;
  const [count, channels, height, width] = frames.shape as readonly [number, number, number, number];
  if (frames.shape.length !== 4 || channels !== 3)
    fail("shape", `compressVideo: frames are [${frames.shape.join(", ")}], not [n, 3, height, width]`);
  const config = compressionNetwork({ frames: count, height, width }, options);
  const network = newVideoNetwork(config, { seed, encoderWidth });
  const { loss, onProgress, signal } = options;
  await fitVideo(network, frames, { epochs, learningRate, ...steady, seed, loss, threads, onProgress, signal });
  return { ...writeVideo(await quantizeVideo(network, frames, { rate, threads }), coder), config };
}

/**
 * A learnt video as whole numbers: codes in 6 bits, weights and biases in 8 (Chen et al. 2023, section 3.3). Knows nothing of how they are written.
 */
import { type AffineArray, dequantizeAffine, quantizeAffine } from "../compress/index.ts";
import { loadStateDict, stateDict } from "../nn/index.ts";
import { fail } from "../util/errors.ts";
import type { NDArray } from "../util/ndarray.ts";
import type { VideoNetworkConfig } from "./config.ts";
import { FrameDecoder } from "./decoder.ts";
import { checkFrames, encodeFrames, type VideoNetwork } from "./network.ts";

/** Frames in a second, as a fraction. */
export interface FrameRate {
  readonly numerator: number;
  readonly denominator: number;
}

/** All that is stored of a video. */
export interface QuantizedVideo {
  readonly config: VideoNetworkConfig;
  readonly rate: FrameRate;
  /** Codes of all frames, `[frames, channels, h, w]`; absent when the decoder reads frames' numbers. */
  readonly codes?: AffineArray;
  /** The decoder's parameters by path, in the order of {@link FrameDecoder}. */
  readonly weights: ReadonlyMap<string, AffineArray>;
}

/** Options of {@link quantizeVideo}. */
export interface QuantizeVideoOptions {
  /** 8 by default. */
  readonly weightBits?: number;
  /** 6 by default. */
  readonly codeBits?: number;
  /** 25 frames a second by default. */
  readonly rate?: FrameRate;
  readonly threads?: number;
}

/**
 * Quantises a decoder, and the codes of all frames `[n, 3, height, width]`. The encoder is left behind.
 * @throws `shape` for frames that are not the network's, `argument` for impossible bits.
 */
export async function quantizeVideo(
  network: VideoNetwork,
  frames: NDArray,
  options: QuantizeVideoOptions = {},
): Promise<QuantizedVideo> {
  const { weightBits = 8, codeBits = 6, rate = { numerator: 25, denominator: 1 }, threads } = options;
  const { decoder, encoder, _config: config } = network;
  const count = checkFrames(frames, config);
  if (count !== config.frames) fail("shape", `the network is for ${config.frames} frames, ${count} were given`);
  const weights = new Map([...stateDict(decoder)].map(([path, array]) => [path, quantizeAffine(array, weightBits)]));
  const codes = encoder && quantizeAffine(await encodeFrames(network, frames, { threads }), codeBits);
  return { config, rate, ...(codes && { codes }), weights };
}

/** The decoder that a stored video stands for, and its codes. */
export function reviveVideo(video: QuantizedVideo): { readonly decoder: FrameDecoder; readonly codes?: NDArray } {
  const decoder = new FrameDecoder(video.config);
  loadStateDict(decoder, new Map([...video.weights].map(([path, array]) => [path, dequantizeAffine(array)])));
  return { decoder, ...(video.codes && { codes: dequantizeAffine(video.codes) }) };
}

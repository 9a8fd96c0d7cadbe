/**
 * Frames out of a stored video, any of them in any order: each takes one pass through the decoder and no other frame.
 */
import { compile, type Executable } from "../runtime/index.ts";
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import type { VideoNetworkConfig } from "./config.ts";
import { inputShape } from "./config.ts";
import { decoderInputs } from "./network.ts";
import { type QuantizedVideo, reviveVideo } from "./quantized.ts";

/** Options of {@link openVideo}. */
export interface OpenVideoOptions {
  /** Frames of one pass; 4 by default. Fewer take less memory, and the last pass may have fewer. */
  readonly batchSize?: number;
  readonly threads?: number;
}

/** A video that is ready to show frames. */
export class VideoReader {
  readonly #executable: Executable<"frames">;
  readonly #codes: NDArray | undefined;
  readonly #batchSize: number;
  readonly config: VideoNetworkConfig;

  /** @internal Use {@link openVideo}. */
  constructor(
    config: VideoNetworkConfig,
    executable: Executable<"frames">,
    codes: NDArray | undefined,
    batchSize: number,
  ) {
    this.config = config;
    this.#executable = executable;
    this.#codes = codes;
    this.#batchSize = batchSize;
  }

  /**
   * Frames by number, in the order asked for: `f32[n, 3, height, width]` from 0 to 1. @throws `argument` for a number that is no frame.
   */
  async frames(numbers: readonly number[]): Promise<NDArray> {
    return this.#decode(decoderInputs(this.config, this.#codes, numbers));
  }

  /**
   * The frame for the mean of two frames' codes: one between them that nobody saw. @throws `argument` for a video without codes, or a number that
   * is no frame.
   */
  async between(first: number, second: number): Promise<NDArray> {
    if (!this.#codes) fail("argument", "this video has no codes, and so nothing between them");
    const codes = decoderInputs(this.config, this.#codes, [first, second]);
    const size = codes.size / 2;
    const mean = new Float32Array(size);
    for (let i = 0; i < size; i++) mean[i] = ((codes.data[i] as number) + (codes.data[size + i] as number)) / 2;
    return this.#decode(new NDArray(mean, [1, ...codes.shape.slice(1)], "f32"));
  }

  async #decode(inputs: NDArray): Promise<NDArray> {
    const { height, width } = this.config;
    const [count, ...rest] = inputs.shape as [number, ...number[]];
    const out = NDArray.zeros([count, 3, height, width]);
    const size = inputs.size / Math.max(1, count);
    for (let at = 0; at < count; at += this.#batchSize) {
      const n = Math.min(this.#batchSize, count - at);
      const part = (inputs.data as Float32Array).slice(at * size, (at + n) * size);
      const { frames } = await this.#executable.run({ inputs: new NDArray(part, [n, ...rest], "f32") });
      (out.data as Float32Array).set(frames.data as Float32Array, at * 3 * height * width);
    }
    return out;
  }

  /** Frees memory. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#executable.dispose();
  }
}

/** Makes a stored video ready to show frames. */
export async function openVideo(video: QuantizedVideo, options: OpenVideoOptions = {}): Promise<VideoReader> {
  const { batchSize = 4, threads } = options;
  if (!Number.isInteger(batchSize) || batchSize < 1)
    fail("argument", `openVideo: batchSize is ${batchSize}; it must be a whole number of at least 1`);
  const { decoder, codes } = reviveVideo(video);
  const executable = await compile(({ inputs }) => ({ frames: decoder.forward(inputs) }), {
    inputs: { inputs: { dtype: "f32", shape: ["n", ...inputShape(video.config)] } },
    ...(threads && { threads }),
  });
  return new VideoReader(video.config, executable, codes, batchSize);
}

/**
 * A video as a network: the decoder, and for codes the encoder that is trained with it. Knows nothing of training and of files.
 */
import { initialize, Module, nameParameters } from "../nn/index.ts";
import { compile } from "../runtime/index.ts";
import type { Tensor } from "../tensor/index.ts";
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import { codeSize, inputShape, type VideoNetworkConfig } from "./config.ts";
import { encodePositions, FrameDecoder } from "./decoder.ts";
import { FrameEncoder } from "./encoder.ts";

/** Decoder and encoder. */
export class VideoNetwork extends Module {
  readonly decoder: FrameDecoder;
  /** Only for codes. */
  readonly encoder?: FrameEncoder;
  readonly _config: VideoNetworkConfig;

  /**
   * @param options `encoderWidth` is the number of the encoder's channels, 64 by default. @throws `argument` or `shape` for an impossible
   * description.
   */
  constructor(config: VideoNetworkConfig, options: { readonly encoderWidth?: number } = {}) {
    super();
    this.decoder = new FrameDecoder(config);
    if (config.input.kind === "codes")
      this.encoder = new FrameEncoder(config.strides, options.encoderWidth ?? 64, config.input.channels);
    this._config = config;
    // so that its values can be fed to a graph
    nameParameters(this);
  }

  /** Frames as the network gives them back. @param input frames `[n, 3, height, width]` for codes, else encoded positions. */
  forward(input: Tensor): Tensor {
    return this.decoder.forward(this.encoder ? this.encoder.forward(input) : input);
  }
}

/** A network that begins by chance. */
export function newVideoNetwork(
  config: VideoNetworkConfig,
  options: { readonly seed: number; readonly encoderWidth?: number },
): VideoNetwork {
  const network = new VideoNetwork(config, options);
  initialize(network, options.seed);
  return network;
}

/** @throws `shape` unless an array holds frames as a network takes them. */
export function checkFrames(frames: NDArray, { height, width }: Pick<VideoNetworkConfig, "height" | "width">): number {
  const [count, ...rest] = frames.shape;
  if (frames.dtype !== "f32" || String(rest) !== String([3, height, width]) || !count)
    return fail(
      "shape",
      `frames are ${frames.dtype}[${frames.shape.join(", ")}]; the network takes f32[n, 3, ${height}, ${width}]`,
    );
  return count;
}

/** Codes of frames `[n, 3, height, width]`, in batches of `batchSize`. @throws `argument` for a network without an encoder. */
export async function encodeFrames(
  network: VideoNetwork,
  frames: NDArray,
  options: { readonly batchSize?: number; readonly threads?: number } = {},
): Promise<NDArray> {
  const { encoder, _config: config } = network;
  if (!encoder)
    return fail("argument", 'this network reads frames\' numbers and has no codes; make one with { kind: "codes" }');
  const count = checkFrames(frames, config);
  const { batchSize = 8, threads } = options;
  await using executable = await compile(({ frames }) => ({ codes: encoder.forward(frames) }), {
    inputs: { frames: { dtype: "f32", shape: ["n", 3, config.height, config.width] } },
    ...(threads && { threads }),
  });
  const size = codeSize(config);
  const out = new Float32Array(count * size);
  const pixels = 3 * config.height * config.width;
  for (let at = 0; at < count; at += batchSize) {
    const n = Math.min(batchSize, count - at);
    const part = (frames.data as Float32Array).slice(at * pixels, (at + n) * pixels);
    const { codes } = await executable.run({ frames: new NDArray(part, [n, ...frames.shape.slice(1)], "f32") });
    out.set(codes.data as Float32Array, at * size);
  }
  return new NDArray(out, [count, ...inputShape(config)], "f32");
}

/** What the decoder reads for some frames of a video: rows of the codes, or encoded positions. */
export function decoderInputs(
  config: VideoNetworkConfig,
  codes: NDArray | undefined,
  numbers: readonly number[],
): NDArray {
  for (const number of numbers)
    if (!Number.isInteger(number) || number < 0 || number >= config.frames)
      fail("argument", `there is no frame ${number}; the video has frames 0 to ${config.frames - 1}`);
  if (config.input.kind === "index") return encodePositions(numbers, config.frames, config.input);
  if (!codes) return fail("argument", "a network with codes needs them to decode a frame");
  const size = codeSize(config);
  const out = new Float32Array(numbers.length * size);
  numbers.forEach((number, i) => {
    out.set((codes.data as Float32Array).subarray(number * size, (number + 1) * size), i * size);
  });
  return new NDArray(out, [numbers.length, ...inputShape(config)], "f32");
}

/**
 * What a video network is made from, as plain data: sizes of the frames, what the decoder reads, and its stages. The stages are written out
 * (channels, kernels, strides), so that no rounding rule has to be repeated by who reads a stored video. Knows no tensors.
 */
import { fail } from "../util/errors.ts";

/** A code for each frame, made by an encoder that is trained together with the decoder and then thrown away (HNeRV). */
export interface CodeInput {
  readonly kind: "codes";
  /** Channels of a code. */
  readonly channels: number;
}

/** The frame's number, as sines and cosines of growing frequency (NeRV). */
export interface IndexInput {
  readonly kind: "index";
  /** Number of frequencies. */
  readonly levels: number;
  /** Factor from each frequency to the next. */
  readonly base: number;
}

/** What a {@link VideoNetwork} is made from; it survives JSON. */
export interface VideoNetworkConfig {
  /** Of a frame, in pixels. */
  readonly height: number;
  /** Of a frame, in pixels. */
  readonly width: number;
  readonly frames: number;
  readonly input: CodeInput | IndexInput;
  /** Enlargement by each stage. */
  readonly strides: readonly number[];
  /** Kernel of each stage, odd. */
  readonly kernels: readonly number[];
  /** Channels before the first stage and behind each of them: one number more than there are stages. */
  readonly channels: readonly number[];
}

/** Largest numbers that a network may be described by: what is stored in a file is refused beyond them. */
export const videoLimits = {
  /** Pixels along a side. */
  side: 8192,
  frames: 1 << 20,
  /** Channels of a stage or a code. */
  channels: 4096,
  stages: 8,
  stride: 16,
  kernel: 15,
  levels: 256,
  /** Numbers of the decoder. */
  parameters: 1 << 26,
  /** Numbers in all codes together. */
  codeNumbers: 1 << 26,
  /** Values of the largest feature map of a frame. */
  featureMap: 1 << 28,
} as const;

const whole = (name: string, value: number, low: number, high: number): void => {
  if (!Number.isInteger(value) || value < low || value > high)
    fail("argument", `video network: ${name} is ${value}; it must be a whole number from ${low} to ${high}`);
};

/** Height and width of what the first stage reads. */
export function gridOf({ height, width, strides }: VideoNetworkConfig): readonly [height: number, width: number] {
  const enlargement = strides.reduce((product, n) => product * n, 1);
  return [height / enlargement, width / enlargement];
}

/** Shape of one frame's input, `[channels, height, width]`. */
export function inputShape(config: VideoNetworkConfig): readonly [number, number, number] {
  const { input } = config;
  return input.kind === "codes" ? [input.channels, ...gridOf(config)] : [2 * input.levels, 1, 1];
}

/** Numbers that are stored for each frame beside the decoder. */
export function codeSize(config: VideoNetworkConfig): number {
  const [channels, height, width] = inputShape(config);
  return config.input.kind === "codes" ? channels * height * width : 0;
}

/** Numbers of a decoder's weights and biases. */
export function decoderSize(config: VideoNetworkConfig): number {
  const { input, channels, kernels, strides } = config;
  const layer = (from: number, to: number, kernel: number) => from * to * kernel ** 2 + to;
  const [gridHeight, gridWidth] = gridOf(config);
  const stem =
    input.kind === "codes"
      ? layer(input.channels, channels[0]!, 1)
      : layer(2 * input.levels, channels[0]! * gridHeight * gridWidth, 1);
  const stages = strides.map((stride, i) => layer(channels[i]!, channels[i + 1]! * stride ** 2, kernels[i]!));
  return stages.reduce((sum, n) => sum + n, stem + layer(channels[channels.length - 1]!, 3, 3));
}

/** Numbers that a video is stored by: decoder and codes. */
export function videoSize(config: VideoNetworkConfig): number {
  return decoderSize(config) + config.frames * codeSize(config);
}

/**
 * Checks a description, also one out of a file: every number lies within {@link videoLimits}, and stages and frames fit together.
 * @throws `argument` naming the number and its bounds, `shape` when strides do not divide a frame.
 */
export function checkVideoConfig(config: VideoNetworkConfig): void {
  const { height, width, frames, input, strides, kernels, channels } = config;
  whole("height", height, 1, videoLimits.side);
  whole("width", width, 1, videoLimits.side);
  whole("frames", frames, 1, videoLimits.frames);
  whole("number of stages", strides.length, 1, videoLimits.stages);
  if (kernels.length !== strides.length || channels.length !== strides.length + 1)
    fail(
      "argument",
      `video network: ${strides.length} strides need as many kernels (not ${kernels.length}) and one number of channels more (not ${channels.length})`,
    );
  for (const stride of strides) whole("stride", stride, 1, videoLimits.stride);
  for (const kernel of kernels) {
    whole("kernel", kernel, 1, videoLimits.kernel);
    if (kernel % 2 === 0) fail("argument", `video network: kernel is ${kernel}; it must be odd`);
  }
  for (const count of channels) whole("channels", count, 1, videoLimits.channels);
  if (input.kind === "codes") whole("channels of a code", input.channels, 1, videoLimits.channels);
  else {
    whole("levels", input.levels, 1, videoLimits.levels);
    if (!(input.base > 0 && input.base <= 16))
      fail("argument", `video network: base is ${input.base}; it must be from 0 to 16`);
  }
  const [gridHeight, gridWidth] = gridOf(config);
  if (!Number.isInteger(gridHeight) || !Number.isInteger(gridWidth))
    fail(
      "shape",
      `video network: strides ${strides.join(", ")} do not divide frames of ${width} × ${height}; choose strides whose product divides both sides`,
    );
  const numbers = [
    ["parameters", decoderSize(config), videoLimits.parameters],
    ["numbers in codes", frames * codeSize(config), videoLimits.codeNumbers],
    ["values of a feature map", Math.max(...channels) * height * width, videoLimits.featureMap],
  ] as const;
  for (const [name, value, most] of numbers)
    if (value > most) fail("argument", `video network: ${name} are ${value}; more than ${most} are not supported`);
}

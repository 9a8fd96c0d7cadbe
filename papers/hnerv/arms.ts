/**
 * The networks that are compared, how they are trained, and what is measured on the way. Knows no bars.
 */
import { takeRows } from "bletchley/data";
import { loadStateDict, stateDict } from "bletchley/nn";
import type { WorkContext } from "bletchley/papers";
import { compile } from "bletchley/runtime";
import { mean, square, ssim } from "bletchley/tensor";
import { NDArray } from "bletchley/util";
import {
  balancedStages,
  encodePositions,
  fitVideo,
  halvingStages,
  networkNotSmaller,
  networkOfSize,
  newVideoNetwork,
  psnrOf,
  VideoNetwork,
  type VideoNetworkConfig,
  type VideoPlan,
  videoSize,
} from "bletchley/video";
import { frameSize } from "./clips.ts";

/** Networks by name: what the decoder reads, and how its stages are built. */
export const arms = {
  HNeRV: { input: "codes", stages: balancedStages },
  NeRV: { input: "index", stages: halvingStages },
  "HNeRV blocks without codes": { input: "index", stages: balancedStages },
  "codes with NeRV blocks": { input: "codes", stages: halvingStages },
} as const;

/** Name of a network. */
export type ArmName = keyof typeof arms;

/** Channels of the encoder, which is not stored. */
const encoderWidth = 32;

/**
 * Highest rate, the largest and best of 3e-3, 6e-3 and 1e-2 for the arms that were tried (larger ones were not) in trials of 120 epochs on the first clip: NeRV 26.26, 28.06 and 28.89 dB, HNeRV 28.26
 * at 6e-3 and 29.12 at 1e-2 (with the encoder's rate below), HNeRV's blocks without codes 28.83 and 29.86 at the last two.
 */
const learningRate = 1e-2;

/**
 * Largest norm of the gradients, for every arm. Rare steep steps set networks with codes back by 1 dB and more; in the same trials NeRV ends at
 * 29.11 dB with it, HNeRV's blocks without codes at 30.44.
 */
const clipNorm = 0.02;

/** Factor on the encoder's rate. At the decoder's own rate of 1e-2 clipped codes came to nothing: 14.2 dB, the mean frame. */
const encoderRate = 0.3;

/** A plan for so many frames: codes of 16 × 1 × 2 as in the paper's proportion, or 40 frequencies as in NeRV. */
function planOf(arm: ArmName, frames: number): VideoPlan {
  const { input, stages } = arms[arm];
  return {
    ...frameSize,
    frames,
    strides: [4, 2, 2, 3],
    input: input === "codes" ? { kind: "codes", channels: 16 } : { kind: "index", levels: 40, base: 1.25 },
    stages: { ...stages, leastChannels: 8 },
  };
}

/** The network of an arm: HNeRV's is nearest to the budget, no other is smaller than it, or more than 3 % larger. */
export function configOf(arm: ArmName, frames: number, budget: number): VideoNetworkConfig {
  const own = networkOfSize(planOf("HNeRV", frames), budget);
  return arm === "HNeRV" ? own : networkNotSmaller(planOf(arm, frames), videoSize(own));
}

/** Quality after some epochs. */
export interface CurvePoint {
  readonly epoch: number;
  /** Mean over frames, dB. */
  readonly psnr: number;
  /** Mean over frames. */
  readonly ssim: number;
}

/** A trained network in a form that survives JSON. */
export interface TrainedArm {
  readonly config: VideoNetworkConfig;
  /** Base64 of 32-bit floats by path. */
  readonly values: Readonly<Record<string, string>>;
  readonly curve: readonly CurvePoint[];
}

/** Trains a network on frames; all of one seed see frames in the same order. */
export async function trainArm(
  context: WorkContext,
  name: ArmName,
  frames: NDArray,
  recipe: { readonly epochs: number; readonly budget: number; readonly points: number },
): Promise<TrainedArm> {
  const [count] = frames.shape as readonly [number];
  const { epochs, budget, points } = recipe;
  const config = configOf(name, count, budget);
  const network = newVideoNetwork(config, { seed: context.seed + 1, encoderWidth });
  const { input } = config;
  const size = { dtype: "f32", shape: ["n", 3, config.height, config.width] } as const;
  // parameters are read anew at every run
  await using measure = await compile(
    ({ frames, input }) => {
      const made = network.forward(input);
      return { error: mean(square(made.sub(frames)), [1, 2, 3]), ssim: ssim(made, frames) };
    },
    {
      parameters: "inputs",
      threads: 1,
      inputs: {
        frames: size,
        input: input.kind === "codes" ? size : { dtype: "f32", shape: ["n", 2 * input.levels, 1, 1] },
      },
    },
  );
  const curve: CurvePoint[] = [];
  const evaluate = async (epoch: number) => {
    let [psnr, similar] = [0, 0];
    for (let at = 0; at < count; at += 8) {
      const numbers = Array.from({ length: Math.min(8, count - at) }, (_, i) => at + i);
      const part = takeRows(frames, numbers);
      const read = input.kind === "codes" ? part : encodePositions(numbers, count, input);
      const { error, ssim } = await measure.run({ frames: part, input: read });
      for (const value of error.toNumbers()) psnr += psnrOf(value) / count;
      for (const value of ssim.toNumbers()) similar += value / count;
    }
    curve.push({ epoch, psnr, ssim: similar });
  };
  await fitVideo(network, frames, {
    epochs,
    learningRate,
    clipNorm,
    encoderRate,
    seed: context.seed + 1,
    // sums in one thread come out alike on every number of cores
    threads: 1,
    evaluate: { every: Math.max(1, Math.floor(epochs / points)), run: evaluate },
    onProgress: ({ done, total }) => context.progress(`training ${name}`, done, total!),
    signal: context.signal,
  });
  const values = [...stateDict(network)].map(([path, { data }]) => {
    const { buffer, byteOffset, byteLength } = data as Float32Array;
    return [path, Buffer.from(buffer, byteOffset, byteLength).toString("base64")] as const;
  });
  return { config, values: Object.fromEntries(values), curve };
}

/** A network with its trained values. */
export function revive({ config, values }: TrainedArm): VideoNetwork {
  const network = new VideoNetwork(config, { encoderWidth });
  const arrays = [...network.parameters()].map(([path, { shape }]) => {
    const bytes = Uint8Array.from(Buffer.from(values[path]!, "base64"));
    return [path, new NDArray(new Float32Array(bytes.buffer), shape, "f32")] as const;
  });
  loadStateDict(network, new Map(arrays));
  return network;
}

/** The epoch at which a curve first reaches a quality, between its points; `Infinity` when it never does. */
export function epochsTo(curve: readonly CurvePoint[], psnr: number): number {
  const at = curve.findIndex((point) => point.psnr >= psnr);
  if (at < 0) return Number.POSITIVE_INFINITY;
  const [after, before] = [curve[at]!, curve[at - 1]];
  if (!before) return after.epoch;
  return before.epoch + ((psnr - before.psnr) / (after.psnr - before.psnr)) * (after.epoch - before.epoch);
}

/**
 * Learning a video: the schedule, the losses and the loop of epochs. What is learnt is the clip itself, so there is no test set; what is measured
 * on the way is how well the clip is given back. Knows nothing of quantising and of files.
 */
import { takeRows } from "../data/index.ts";
import { adam, type Optimizer, type Schedule } from "../optim/index.ts";
import { mean, meanAbsoluteError, square, ssim, type Tensor } from "../tensor/index.ts";
import { shuffledBatches, Trainer, TrainStep } from "../train/index.ts";
import { fail } from "../util/errors.ts";
import type { NDArray } from "../util/ndarray.ts";
import type { ProgressListener } from "../util/progress.ts";
import { encodePositions } from "./decoder.ts";
import { checkFrames, type VideoNetwork } from "./network.ts";

/**
 * Rates of HNeRV: from a tenth of `base` up to it in the first tenth of the steps, then down along a cosine to 0.
 * @throws `argument` for less than one step.
 */
export function videoSchedule(base: number, steps: number): Schedule {
  if (!(steps >= 1)) fail("argument", `videoSchedule: ${steps} steps are too few`);
  const warmup = 0.1;
  return (step) => {
    const u = step / steps;
    if (u < warmup) return base * (0.1 + (0.9 * u) / warmup);
    return (base * (1 + Math.cos((Math.PI * (u - warmup)) / (1 - warmup)))) / 2;
  };
}

/** What is made small: the mean squared error, or 0.7 · L1 + 0.3 · (1 − SSIM). */
export type VideoLoss = "l2" | "l1-ssim";

/** Options of {@link fitVideo}. */
export interface FitVideoOptions {
  readonly epochs: number;
  /** Highest learning rate. */
  readonly learningRate: number;
  /** Factor on the learning rate of the encoder; 1 by default. */
  readonly encoderRate?: number;
  /** Gradients are scaled down together to at most this norm; they are not by default. */
  readonly clipNorm?: number;
  /** Frames of a step; 2 by default. */
  readonly batchSize?: number;
  /** Seed of the order of frames. */
  readonly seed?: number;
  /** `l2` by default. */
  readonly loss?: VideoLoss;
  /** Adam (0.9, 0.999) by default. */
  readonly optimizer?: Optimizer;
  /**
   * 1 where a pixel is known and 0 where it is to be made up, `f32[1, 1, height, width]`; only with `l2`. The encoder sees unknown pixels as 0.
   */
  readonly known?: NDArray;
  /** Is called after every so many epochs and after the last. */
  readonly evaluate?: { readonly every: number; run(epoch: number): Promise<void> };
  readonly onProgress?: ProgressListener;
  readonly signal?: AbortSignal;
  readonly threads?: number;
}

function lossOf(kind: VideoLoss, frames: Tensor, made: Tensor, known: Tensor | undefined): Tensor {
  if (kind === "l2") {
    const errors = square(made.sub(frames));
    return known ? mean(errors.mul(known)).div(mean(known)) : mean(errors);
  }
  return meanAbsoluteError(made, frames).mul(0.7).add(ssim(made, frames).mean().mul(-0.3).add(0.3));
}

/**
 * Trains a network to give back frames `[n, 3, height, width]` from 0 to 1. The network's parameters are changed.
 * @returns the mean loss of each epoch.
 * @throws `shape` for frames of another size or number, `argument` for impossible options, `nan`, `aborted`.
 */
export async function fitVideo(
  network: VideoNetwork,
  frames: NDArray,
  options: FitVideoOptions,
): Promise<readonly number[]> {
  const { epochs, learningRate, batchSize = 2, seed = 0, loss = "l2", known, evaluate, threads } = options;
  const { height, width, frames: count, input } = network._config;
  if (checkFrames(frames, network._config) !== count)
    fail("shape", `the network is for ${count} frames, ${frames.shape[0]} were given`);
  if (known && loss !== "l2") fail("argument", "fitVideo: known pixels need the loss l2");
  const size = Math.min(batchSize, count);
  const perEpoch = Math.floor(count / size);
  const steps = epochs * perEpoch;
  const seen = known ? masked(frames, known) : frames;
  const inputs = {
    frames: { dtype: "f32", shape: [size, 3, height, width] },
    ...(input.kind === "index" && { positions: { dtype: "f32", shape: [size, 2 * input.levels, 1, 1] } }),
    ...(known && { known: { dtype: "f32", shape: [1, 1, height, width] } }),
  } as const;
  await using step = await TrainStep.compile({
    module: network,
    inputs: inputs as Record<string, { readonly dtype: "f32"; readonly shape: readonly number[] }>,
    loss: (batch) => lossOf(loss, batch.frames!, network.forward(batch.positions ?? batch.frames!), batch.known),
    optimizer: options.optimizer ?? adam(),
    ...(network.encoder &&
      options.encoderRate !== undefined && { groups: [{ paths: "encoder.**", rate: options.encoderRate }] }),
    ...(options.clipNorm !== undefined && { clipNorm: options.clipNorm }),
    threads,
  });
  const losses: number[] = [];
  let sum = 0;
  const trainer = new Trainer({
    step,
    batches: shuffledBatches({
      count,
      batchSize: size,
      seed,
      make: (numbers) => ({
        frames: takeRows(seen, numbers),
        ...(input.kind === "index" && { positions: encodePositions(numbers, count, input) }),
        ...(known && { known }),
      }),
    }),
    steps,
    learningRate: videoSchedule(learningRate, steps),
    logEvery: steps,
    ...(evaluate && {
      evaluate: {
        every: evaluate.every * perEpoch,
        run: async () => {
          await evaluate.run(losses.length);
          return {};
        },
      },
    }),
    onStep: (at, result) => {
      sum += result.loss;
      if (at % perEpoch) return;
      losses.push(sum / perEpoch);
      sum = 0;
    },
    onProgress: options.onProgress,
    signal: options.signal,
  });
  await trainer.run();
  return losses;
}

/** Frames with 0 where pixels are not known. */
function masked(frames: NDArray, known: NDArray): NDArray {
  const out = frames.copy();
  for (let i = 0; i < out.size; i++) if (!known.data[i % known.size]) out.data[i] = 0;
  return out;
}

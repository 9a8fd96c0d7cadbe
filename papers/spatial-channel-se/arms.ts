/**
 * The networks that are compared, how they are trained, and how they are measured. Knows no bars.
 */
import { type AbdomenSlices, abdomenOrgans, drawAbdomens, shiftPlanes, takeRows } from "bletchley/data";
import { initialize, loadStateDict, stateDict } from "bletchley/nn";
import { adamW, schedule } from "bletchley/optim";
import type { WorkContext } from "bletchley/papers";
import { compile } from "bletchley/runtime";
import {
  diceScores,
  meanScore,
  medianFrequencyWeights,
  segmentationLoss,
  shuffledBatches,
  Trainer,
  TrainStep,
} from "bletchley/train";
import { NDArray, type Random } from "bletchley/util";
import {
  countGateParameters,
  type GateDescription,
  SegmentationUNet,
  type SegmentationUNetConfig,
} from "bletchley/vision";

/** Networks by name. Behind a ReLU `maxGate` is `max` in less time; the card measures that. */
export const gatesOf = {
  none: undefined,
  cSE: { kind: "cSE" },
  sSE: { kind: "sSE" },
  "scSE-max": { kind: "scSE", merge: "maxGate" },
  "scSE-add": { kind: "scSE", merge: "add" },
  wide: undefined,
} as const satisfies Readonly<Record<string, GateDescription | undefined>>;

/** Name of a network. */
export type ArmName = keyof typeof gatesOf;

/** Organs and the background. */
export const classes = abdomenOrgans.length + 1;
const channels = [12, 24, 48, 96] as const;

/** Channels of a network without gates that has as nearly as can be as many parameters as one with gates. */
function wideChannels(): readonly number[] {
  const count = (of: readonly number[], gates?: GateDescription) =>
    countGateParameters(new SegmentationUNet({ inChannels: 1, classes, channels: of, gates })).all;
  const wanted = count(channels, gatesOf["scSE-max"]);
  let best: readonly number[] = channels;
  let least = Number.POSITIVE_INFINITY;
  for (let a = 12; a <= 13; a++)
    for (let b = 24; b <= 26; b++)
      for (let c = 48; c <= 51; c++)
        for (let d = 96; d <= 101; d++) {
          const distance = Math.abs(count([a, b, c, d]) - wanted);
          if (distance < least) [best, least] = [[a, b, c, d], distance];
        }
  return best;
}

/** What a network is made from. */
export function configOf(arm: ArmName): SegmentationUNetConfig {
  return { inChannels: 1, classes, channels: arm === "wide" ? wideChannels() : channels, gates: gatesOf[arm] };
}

/** Slices to learn from and to measure by. */
export interface Slices {
  readonly training: AbdomenSlices;
  readonly test: AbdomenSlices;
}

/** Draws slices. */
export function drawSlices(training: number, test: number, size: number): Slices {
  return {
    training: drawAbdomens({ count: training, size, seed: 1 }),
    test: drawAbdomens({ count: test, size, seed: 2 }),
  };
}

/** A trained network in a form that survives JSON. */
export interface TrainedArm {
  readonly config: SegmentationUNetConfig;
  /** Base64 of 32-bit floats by path. */
  readonly values: Readonly<Record<string, string>>;
  /** Loss at steps. */
  readonly losses: readonly (readonly [step: number, loss: number])[];
}

/** Trains a network; all of one seed begin with the same values where they have the same layers, and see the same batches. */
export async function trainArm(
  context: WorkContext,
  name: ArmName,
  { training }: Slices,
  recipe: { readonly steps: number; readonly batchSize: number; readonly seed: number },
): Promise<TrainedArm> {
  const { steps, batchSize, seed } = recipe;
  const config = configOf(name);
  const model = new SegmentationUNet(config);
  initialize(model, seed);
  const size = training.images.shape[2]!;
  // without, networks hardly find the aorta, and at times a kidney, in as few steps
  const classWeights = medianFrequencyWeights(training.organs, classes);
  const inputs = {
    images: { dtype: "f32", shape: [batchSize, 1, size, size] },
    labels: { dtype: "i32", shape: [batchSize, size, size] },
  } as const;
  await using step = await TrainStep.compile({
    module: model,
    inputs,
    loss: ({ images, labels }) => ({ ...segmentationLoss(model.forward(images), labels, { classWeights }) }),
    optimizer: adamW({ weightDecay: 0.01 }),
  });
  const losses: [number, number][] = [];
  await new Trainer({
    step,
    batches: shuffledBatches({
      count: training.images.shape[0]!,
      batchSize,
      seed,
      make: (numbers, random) => varied(training, numbers, random),
    }),
    steps,
    // at 2e-3 logits are still growing when training ends, those behind a gate of a half least
    learningRate: schedule({ base: 6e-3, totalSteps: steps, decay: "polynomial" }),
    onStep: (at, { loss }) => {
      if (at % 10 === 0 || at === 1) losses.push([at, loss]);
      context.progress(`training ${name}, seed ${seed}`, at, steps);
    },
    signal: context.signal,
  }).run();
  const values = [...stateDict(model)].map(([path, { data }]) => [path, toText(data as Float32Array)] as const);
  return { config, values: Object.fromEntries(values), losses };
}

const toText = ({ buffer, byteOffset, byteLength }: Float32Array) =>
  Buffer.from(buffer, byteOffset, byteLength).toString("base64");

/** A batch, each slice moved by up to four pixels and with a little more noise. */
function varied({ images, organs }: AbdomenSlices, numbers: Int32Array, random: Random) {
  const offsets = Array.from(numbers, () => [random.integer(9) - 4, random.integer(9) - 4] as const);
  const moved = shiftPlanes(takeRows(images, numbers), offsets);
  for (let i = 0; i < moved.size; i++) moved.data[i] = (moved.data[i] as number) + 0.05 * random.normal();
  return { images: moved, labels: shiftPlanes(takeRows(organs, numbers), offsets) };
}

/** A network with its trained values. */
export function revive({ config, values }: TrainedArm): SegmentationUNet {
  const model = new SegmentationUNet(config);
  const arrays = [...model.parameters(), ...model.buffers()].map(([path, { shape }]) => {
    const bytes = Uint8Array.from(Buffer.from(values[path]!, "base64"));
    return [path, new NDArray(new Float32Array(bytes.buffer), shape, "f32")] as const;
  });
  loadStateDict(model, new Map(arrays));
  return model;
}

/** Labels that a network gives to slices. */
export async function predict(model: SegmentationUNet, images: NDArray): Promise<NDArray> {
  const [count, , height, width] = images.shape as readonly [number, number, number, number];
  const part = Math.min(20, count);
  await using executable = await compile(({ images }) => ({ labels: model.labels(images) }), {
    inputs: { images: { dtype: "f32", shape: [part, 1, height, width] } },
  });
  const out = NDArray.zeros([count, height, width], "i32");
  for (let at = 0; at < count; at += part) {
    // the last part may overlap the one before
    const from = Math.min(at, count - part);
    const numbers = Array.from({ length: part }, (_, i) => from + i);
    const { labels } = await executable.run({ images: takeRows(images, numbers) });
    (out.data as Int32Array).set(labels.data as Int32Array, from * height * width);
  }
  return out;
}

/** How well a network does on slices that it has not seen. */
export interface Quality {
  /** Mean Dice overlap of the organs, by slice. */
  readonly bySlice: readonly number[];
  /** Mean over slices, by organ. */
  readonly byOrgan: readonly number[];
  /** Mean of the organs. */
  readonly mean: number;
}

/** Measures labels by the true ones. */
export function qualityOf(predicted: NDArray, { organs }: AbdomenSlices): Quality {
  const scores = diceScores(predicted, organs, classes);
  const byOrgan = abdomenOrgans.map((_, organ) => meanScore(scores.map((slice) => slice[organ]!)));
  return { bySlice: scores.map(meanScore), byOrgan, mean: meanScore(byOrgan) };
}

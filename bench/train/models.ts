/**
 * The three models that `bar:train-speed` times, each with its first values and batches, which the peer gets from a file.
 */
import { characterVocabulary, drawShapes, randomWindows, takeRows } from "../../src/data/index.ts";
import { initialize, Lstm, Module, UNet } from "../../src/nn/index.ts";
import { adamW } from "../../src/optim/index.ts";
import { binaryCrossEntropyWithLogits, mean, type Tensor } from "../../src/tensor/index.ts";
import { TrainStep } from "../../src/train/index.ts";
import { NDArray } from "../../src/util/ndarray.ts";
import { Random } from "../../src/util/random.ts";
import { charGptSize, charGptStep, newCharGpt } from "./char-gpt.ts";

/** Arrays of a batch by name. */
export type SpeedBatch = Readonly<Record<string, NDArray>>;

/** A model to time. */
export interface SpeedModel {
  readonly title: string;
  /** What a step works through, and its unit. */
  readonly perStep: readonly [count: number, unit: string];
  /** Bar on our speed over the peer's. */
  readonly bar: number;
  readonly learningRate: number;
  /** Different batches, which take turns. */
  batches(text: string): readonly SpeedBatch[];
  /** A new model with its first values. */
  build(): Module;
  compile(model: Module): Promise<{ run(batch: SpeedBatch, rate: number): Promise<{ readonly loss: number }> }>;
}

/** Different batches of each model. */
const batchCount = 4;
const each = (make: (i: number) => SpeedBatch) => Array.from({ length: batchCount }, (_, i) => make(i));

/** Characters of the text that the GPT reads. */
const vocabulary = 65;

const pictures = { batch: 16, size: 64, kinds: 3 } as const;
const sequences = { steps: 40, batch: 32, features: 64, hidden: 128 } as const;

class Sequences extends Module {
  readonly lstm = new Lstm(sequences.features, sequences.hidden);

  /** Mean squared difference from what is wanted of every step. */
  loss({ x, wanted }: Readonly<Record<"x" | "wanted", Tensor>>): Tensor {
    return mean(this.lstm.forward(x).y.sub(wanted).square());
  }
}

const f32 = (...shape: number[]) => ({ dtype: "f32", shape }) as const;

/** Models by name; `peer.py` knows the same names. */
export const speedModels: Readonly<Record<string, SpeedModel>> = {
  "char-gpt": {
    title: "character GPT",
    perStep: [charGptSize.batch * charGptSize.length, "tokens/s"],
    bar: 0.9,
    learningRate: 1e-3,
    batches(text) {
      const windows = randomWindows(characterVocabulary(text).encode(text), { ...charGptSize, seed: 1 });
      return each((i) => ({ ...windows(i) }));
    },
    build: () => newCharGpt(vocabulary, 1),
    compile: async (model) => TrainStep.compile(charGptStep(model as ReturnType<typeof newCharGpt>)) as never,
  },
  unet: {
    title: "U-Net 1-16-32-64, 16×1×64×64",
    perStep: [pictures.batch, "images/s"],
    bar: 0.7,
    learningRate: 1e-3,
    batches() {
      const { images, masks } = drawShapes({ count: batchCount * pictures.batch, size: pictures.size, seed: 1 });
      const rows = (i: number) => Int32Array.from({ length: pictures.batch }, (_, n) => i * pictures.batch + n);
      return each((i) => ({ images: takeRows(images, rows(i)), masks: takeRows(masks, rows(i)) }));
    },
    build() {
      const model = new UNet({ inChannels: 1, outChannels: pictures.kinds, channels: [16, 32, 64] });
      initialize(model, 1);
      return model;
    },
    compile: async (model) =>
      TrainStep.compile({
        module: model,
        inputs: {
          images: f32(pictures.batch, 1, pictures.size, pictures.size),
          masks: f32(pictures.batch, pictures.kinds, pictures.size, pictures.size),
        },
        loss: ({ images, masks }) => binaryCrossEntropyWithLogits((model as UNet).forward(images), masks),
        optimizer: adamW({ weightDecay: 0.01 }),
      }) as never,
  },
  lstm: {
    title: "LSTM 64→128, 40 steps, batch 32",
    perStep: [sequences.batch * sequences.steps, "symbols/s"],
    bar: 0.4,
    learningRate: 1e-3,
    batches: () =>
      each((i) => {
        const { steps, batch, features, hidden } = sequences;
        const random = new Random(1).split(i);
        return {
          x: new NDArray(random.normals(steps * batch * features), [steps, batch, features], "f32"),
          wanted: new NDArray(random.normals(steps * batch * hidden, 0.5), [steps, batch, hidden], "f32"),
        };
      }),
    build() {
      const model = new Sequences();
      initialize(model, 1);
      return model;
    },
    compile: async (model) =>
      TrainStep.compile({
        module: model,
        inputs: {
          x: f32(sequences.steps, sequences.batch, sequences.features),
          wanted: f32(sequences.steps, sequences.batch, sequences.hidden),
        },
        loss: (batch) => (model as Sequences).loss(batch),
        optimizer: adamW({ weightDecay: 0.01 }),
      }) as never,
  },
};

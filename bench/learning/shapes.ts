/**
 * A U-Net of half a million parameters on discs, boxes and triangles that cover each other under noise.
 */
import { drawShapes, shapeKinds, takeRows } from "../../src/data/index.ts";
import { initialize, UNet } from "../../src/nn/index.ts";
import { adamW, schedule } from "../../src/optim/index.ts";
import { compile } from "../../src/runtime/index.ts";
import { binaryCrossEntropyWithLogits, diceLoss, type Tensor } from "../../src/tensor/index.ts";
import { shuffledBatches, Trainer, TrainStep } from "../../src/train/index.ts";
import { countParameters, type LearningRun, stepLog } from "./run.ts";

const [training, heldOut, batchSize, size, steps] = [12_000, 200, 16, 64, 4000];
/** Under a standard deviation of 0.2 the same network comes to 0.934 in 2,000 steps: what is seen of covered shapes is then often too little. */
const noise = 0.1;

/** Sums by kind that the Dice overlap is made of: `[kinds]` each. */
function overlaps(logits: Tensor, masks: Tensor): Record<"both" | "either", Tensor> {
  const seen = logits.greater(0).cast("f32");
  return { both: seen.mul(masks).sum([0, 2, 3]), either: seen.add(masks).sum([0, 2, 3]) };
}

/** Dice overlap with the true masks of pictures that were not learnt from, mean of the kinds. */
export const shapes: LearningRun = {
  name: "U-Net: Dice overlap on held-out pictures",
  unit: "of 1",
  bar: "≥ 0.95",
  curves: ["loss", "dice"],
  passes: (value) => value >= 0.95,
  async run({ files, signal, threads, log }) {
    const known = drawShapes({ count: training, size, seed: 1, noise });
    const unknown = drawShapes({ count: heldOut, size, seed: 2, noise });
    const model = new UNet({ inChannels: 1, outChannels: shapeKinds.length, channels: [16, 32, 64, 128] });
    initialize(model, 1);
    const inputs = {
      images: { dtype: "f32", shape: [batchSize, 1, size, size] },
      masks: { dtype: "f32", shape: [batchSize, shapeKinds.length, size, size] },
    } as const;
    await using step = await TrainStep.compile({
      module: model,
      inputs,
      loss({ images, masks }) {
        const logits = model.forward(images);
        return binaryCrossEntropyWithLogits(logits, masks).add(diceLoss(logits, masks));
      },
      optimizer: adamW({ weightDecay: 0.01 }),
      clipNorm: 1,
      threads,
    });
    await using measured = await compile(({ images, masks }) => overlaps(model.forward(images), masks), {
      inputs: {
        images: { dtype: "f32", shape: ["n", 1, size, size] },
        masks: { dtype: "f32", shape: ["n", shapeKinds.length, size, size] },
      },
      parameters: "inputs",
      threads,
    });
    const evaluate = async () => {
      const [both, either] = [shapeKinds.map(() => 0), shapeKinds.map(() => 0)];
      for (let at = 0; at < heldOut; at += 50) {
        const numbers = Int32Array.from({ length: Math.min(50, heldOut - at) }, (_, i) => at + i);
        const sums = await measured.run({
          images: takeRows(unknown.images, numbers),
          masks: takeRows(unknown.masks, numbers),
        });
        shapeKinds.forEach((_, k) => {
          both[k]! += sums.both.at(k);
          either[k]! += sums.either.at(k);
        });
      }
      const dices = shapeKinds.map((_, k) => (2 * both[k]!) / either[k]!);
      log(shapeKinds.map((kind, k) => `${kind} ${dices[k]!.toFixed(4)}`).join(", "));
      return dices.reduce((a, b) => a + b) / dices.length;
    };
    const { records } = await new Trainer({
      step,
      batches: shuffledBatches({
        count: training,
        batchSize,
        seed: 1,
        make: (numbers) => ({ images: takeRows(known.images, numbers), masks: takeRows(known.masks, numbers) }),
      }),
      steps,
      learningRate: schedule({ base: 3e-3, warmupSteps: 50, totalSteps: steps, decay: "cosine" }),
      evaluate: { every: 250, run: async () => ({ dice: await evaluate() }) },
      files,
      checkpointEvery: 100,
      onStep: stepLog(100, log),
      signal,
    }).run();
    return { value: await evaluate(), steps: step.steps, parameters: countParameters(model), records };
  },
};

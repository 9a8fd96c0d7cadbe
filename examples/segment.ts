/**
 * Trains a U-Net with gates to find six organs in drawn slices of an abdomen, and draws what it finds.
 *
 *     npx tsx examples/segment.ts [STEPS] [FILE.svg]
 */
import { writeFile } from "node:fs/promises";
import { abdomenOrgans, drawAbdomens, takeRows } from "bletchley/data";
import { initialize } from "bletchley/nn";
import { adamW, schedule } from "bletchley/optim";
import { drawPictures, greyPicture } from "bletchley/papers";
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
import { SegmentationUNet } from "bletchley/vision";

const steps = Number(process.argv[2] ?? 200);
const file = process.argv[3] ?? "segmented.svg";
const [size, batchSize, classes] = [64, 10, abdomenOrgans.length + 1];
const training = drawAbdomens({ count: 60, size, seed: 1 });
const test = drawAbdomens({ count: 20, size, seed: 2 });

const model = new SegmentationUNet({
  inChannels: 1,
  classes,
  channels: [12, 24, 48],
  gates: { kind: "scSE", merge: "maxGate" },
});
initialize(model, 1);
const classWeights = medianFrequencyWeights(training.organs, classes);
await using step = await TrainStep.compile({
  module: model,
  inputs: {
    images: { dtype: "f32", shape: [batchSize, 1, size, size] },
    labels: { dtype: "i32", shape: [batchSize, size, size] },
  },
  loss: ({ images, labels }) => ({ ...segmentationLoss(model.forward(images), labels, { classWeights }) }),
  optimizer: adamW(),
});
await new Trainer({
  step,
  batches: shuffledBatches({
    count: 60,
    batchSize,
    seed: 1,
    make: (numbers) => ({ images: takeRows(training.images, numbers), labels: takeRows(training.organs, numbers) }),
  }),
  steps,
  learningRate: schedule({ base: 6e-3, totalSteps: steps, decay: "polynomial" }),
  onStep: (at, { loss }) => {
    if (at % 20 === 0) console.log(`step ${at}: loss ${loss.toFixed(3)}`);
  },
}).run();

await using predict = await compile(({ images }) => ({ labels: model.labels(images) }), {
  inputs: { images: { dtype: "f32", shape: [20, 1, size, size] } },
});
const { labels } = await predict.run({ images: test.images });
const scores = diceScores(labels, test.organs, classes);
abdomenOrgans.forEach((name, organ) => {
  console.log(`${name}: Dice overlap ${meanScore(scores.map((slice) => slice[organ]!)).toFixed(3)}`);
});
const palette = ["#101418", "#e15759", "#4e79a7", "#76b7b2", "#edc949", "#af7aa1", "#ff9da7"];
const area = { width: size, height: size };
const masks = (of: typeof labels, n: number) => ({
  ...area,
  pixels: Uint8Array.from(takeRows(of, [n]).data as Int32Array),
  palette,
});
const rows = [0, 1, 2].map((n) => {
  const slice = greyPicture(takeRows(test.images, [n]).data as Float32Array, area, [-2, 2.2]);
  return { name: `slice ${n + 1}`, pictures: [slice, masks(test.organs, n), masks(labels, n)] };
});
const legend = abdomenOrgans.map((name, i) => [name, palette[i + 1]!] as const);
await writeFile(file, drawPictures({ title: "Organs", columns: ["slice", "labels", "found"], rows, legend }));
console.log(`drawn in ${file}`);

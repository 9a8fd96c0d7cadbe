/**
 * Trains a small diffusion model on drawn shapes, samples new ones in few and in many steps, and draws them.
 *
 *     npx tsx examples/sample.ts [STEPS] [FILE.svg]
 */
import { writeFile } from "node:fs/promises";
import { drawShapes, takeRows } from "bletchley/data";
import {
  DiffusionUNet,
  denoisingLoss,
  drawNoiseLevels,
  followFlow,
  initializeDiffusion,
  noiseLevels,
  precondition,
} from "bletchley/diffusion";
import { adam, schedule } from "bletchley/optim";
import { drawPictures, greyPicture } from "bletchley/papers";
import { compile } from "bletchley/runtime";
import { shuffledBatches, Trainer, TrainStep } from "bletchley/train";
import { NDArray, Random } from "bletchley/util";

const steps = Number(process.argv[2] ?? 600);
const file = process.argv[3] ?? "sampled.svg";
const [size, batchSize, count] = [16, 32, 6];
const shapes = drawShapes({ count: 1000, size, seed: 1, mostShapes: 2, noise: 0 }).images;
const pixels = size * size;

const model = new DiffusionUNet({ channels: 1, widths: [12, 24], blocks: 1, classes: 0 });
initializeDiffusion(model, 1);
const picture = { dtype: "f32", shape: [batchSize, 1, size, size] } as const;
await using step = await TrainStep.compile({
  module: model,
  inputs: { clean: picture, noise: picture, sigma: { dtype: "f32", shape: [batchSize] } },
  loss: ({ clean, noise, sigma }) => {
    const noisy = clean.add(noise.mul(sigma.reshape([batchSize, 1, 1, 1])));
    return denoisingLoss(
      precondition((x, level) => model.forward(x, level), noisy, sigma),
      clean,
      sigma,
    );
  },
  optimizer: adam(),
});
await new Trainer({
  step,
  batches: shuffledBatches({
    count: 1000,
    batchSize,
    seed: 1,
    make: (numbers, random) => ({
      clean: takeRows(shapes, numbers),
      noise: new NDArray(random.normals(batchSize * pixels), [batchSize, 1, size, size], "f32"),
      sigma: NDArray.from(drawNoiseLevels(random, batchSize)),
    }),
  }),
  steps,
  learningRate: schedule({ base: 2e-3, totalSteps: steps, decay: "cosine" }),
  onStep: (at, { loss }) => {
    if (at % 100 === 0) console.log(`step ${at}: loss ${loss.toFixed(3)}`);
  },
}).run();

await using denoiser = await compile(
  ({ x, sigma }) => ({ clean: precondition((y, level) => model.forward(y, level), x, sigma) }),
  { inputs: { x: { dtype: "f32", shape: [count, 1, size, size] }, sigma: { dtype: "f32", shape: [count] } } },
);
const start = new Random(7).normals(count * pixels);
const rows = [];
for (const n of [4, 9, 18]) {
  const levels = noiseLevels(n);
  const { x, evaluations } = await followFlow(
    async (noisy, level) => {
      const { clean } = await denoiser.run({
        x: new NDArray(Float32Array.from(noisy), [count, 1, size, size], "f32"),
        sigma: NDArray.from(new Float32Array(count).fill(level)),
      });
      return clean.data as Float32Array;
    },
    start.map((value) => value * levels[0]!),
    levels,
  );
  console.log(`${n} steps: ${evaluations} evaluations of the network`);
  const area = { width: size, height: size };
  rows.push({
    name: `${n} steps`,
    pictures: Array.from({ length: count }, (_, i) =>
      greyPicture(x.subarray(i * pixels, (i + 1) * pixels), area, [0, 1]),
    ),
  });
}
const columns = Array.from({ length: count }, (_, i) => `noise ${i + 1}`);
await writeFile(file, drawPictures({ title: "Samples", columns, rows, side: 72 }));
console.log(`drawn in ${file}`);

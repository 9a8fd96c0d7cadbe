/**
 * Trains a network to tell two spirals apart: define, train, plot, export, reload. Everything lies in `spirals/` afterwards; a
 * run that was interrupted goes on there.
 *
 *     npx tsx examples/train-your-own.ts
 */
import { GatedMlp, initialize, Linear, Module } from "bletchley/nn";
import { adamW, schedule } from "bletchley/optim";
import { compile, openFolder, writeOnnx } from "bletchley/runtime";
import { argmax, crossEntropy, type Tensor } from "bletchley/tensor";
import { numberedBatches, Trainer, TrainStep } from "bletchley/train";
import { NDArray, Random } from "bletchley/util";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";

class Spirals extends Module {
  readonly first = new Linear(2, 64, { bias: true });
  readonly middle = new GatedMlp(64, 128, { bias: true });
  readonly last = new Linear(64, 2, { bias: true });

  /** `[n, 2] → [n, 2]`: a score for each spiral. */
  forward(points: Tensor): Tensor {
    const x = this.first.forward(points).tanh();
    return this.last.forward(x.add(this.middle.forward(x)));
  }
}

function batch(seed: number, size = 128) {
  const random = new Random(seed);
  const labels = Array.from({ length: size }, () => random.integer(2));
  const points = labels.flatMap((label) => {
    const turn = 3 * Math.PI * Math.sqrt(random.next());
    const angle = turn + label * Math.PI;
    return [turn * Math.cos(angle), turn * Math.sin(angle)].map((x) => x / 10 + 0.02 * random.normal());
  });
  return { points: NDArray.from(points, [size, 2]), labels: NDArray.from(labels, [size], "i64") };
}

const model = new Spirals();
initialize(model, 1);
const inputs = { points: { dtype: "f32", shape: ["n", 2] }, labels: { dtype: "i64", shape: ["n"] } } as const;
const loss = ({ points, labels }: Record<"points" | "labels", Tensor>) => crossEntropy(model.forward(points), labels);
await using step = await TrainStep.compile({ module: model, inputs, loss, optimizer: adamW(), clipNorm: 1 });

const files = await openFolder("spirals");
const learningRate = schedule({ base: 1e-2, warmupSteps: 20, totalSteps: 600, decay: "cosine" });
const trainer = new Trainer({ step, batches: numberedBatches(batch), steps: 600, learningRate, files });
const { records } = await trainer.run();
console.log(`loss ${records[0]!.loss!.toFixed(3)} → ${records.at(-1)!.loss!.toFixed(3)}, drawn in spirals/loss.svg`);

await using classify = await compile(({ points }) => ({ labels: argmax(model.forward(points), 1) }), {
  inputs: { points: inputs.points },
});
await writeOnnx(classify, "spirals/spirals.onnx");
const session = await InferenceSession.create("spirals/spirals.onnx");
const { points, labels } = batch(1_000_000, 1000);
const answer = await session.run({ points: new OrtTensor("float32", points.data as Float32Array, points.shape) });
const right = labels.toNumbers().filter((label, i) => label === Number(answer.labels!.data[i])).length;
console.log(`reloaded from spirals/spirals.onnx: ${right} of 1000 new points right`);

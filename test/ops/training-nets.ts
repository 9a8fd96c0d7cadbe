/**
 * The two nets of the training goldens and their runs. It needs no test runner, so the bar of ops uses it too.
 */
import { LayerNorm, Linear, Module } from "../../src/nn/index.ts";
import { adamW, globalNorm, sgd } from "../../src/optim/index.ts";
import { compile } from "../../src/runtime/index.ts";
import {
  batchNorm,
  conv,
  crossEntropy,
  embedding,
  gelu,
  gradients,
  linear,
  maxPool,
  Parameter,
  scaledDotProductAttention,
  split,
  type Tensor,
} from "../../src/tensor/index.ts";
import { TrainStep } from "../../src/train/index.ts";
import { NDArray } from "../../src/util/ndarray.ts";
import { expectClose, type GoldenCase, type Tolerance, toArray } from "./golden.ts";

/** Sizes of a character transformer and its batches. */
export interface Size {
  readonly dim: number;
  readonly heads: number;
  readonly hidden: number;
  readonly layers: number;
  readonly vocabulary: number;
  readonly context: number;
}

class Attention extends Module {
  readonly queryKeyValue: Linear;
  readonly output: Linear;
  readonly _heads: number;

  constructor({ dim, heads }: Size) {
    super();
    this.queryKeyValue = new Linear(dim, 3 * dim);
    this.output = new Linear(dim, dim, { bias: true });
    this._heads = heads;
  }

  forward(x: Tensor): Tensor {
    const [batch, length, dim] = x.shape as [number, number, number];
    const inHeads = (t: Tensor) => t.reshape([batch, length, this._heads, dim / this._heads]).transpose([0, 2, 1, 3]);
    const [q, k, v] = split(this.queryKeyValue.forward(x), [dim, dim, dim], -1).map(inHeads) as [
      Tensor,
      Tensor,
      Tensor,
    ];
    const attended = scaledDotProductAttention(q, k, v, { causal: "topLeft" });
    return this.output.forward(attended.transpose([0, 2, 1, 3]).reshape([batch, length, dim]));
  }
}

class Mlp extends Module {
  readonly up: Linear;
  readonly down: Linear;

  constructor({ dim, hidden }: Size) {
    super();
    this.up = new Linear(dim, hidden, { bias: true });
    this.down = new Linear(hidden, dim, { bias: true });
  }
}

class Block extends Module {
  readonly norm1: LayerNorm;
  readonly attention: Attention;
  readonly norm2: LayerNorm;
  readonly mlp: Mlp;

  constructor(size: Size) {
    super();
    this.norm1 = new LayerNorm(size.dim, { epsilon: 1e-5 });
    this.attention = new Attention(size);
    this.norm2 = new LayerNorm(size.dim, { epsilon: 1e-5 });
    this.mlp = new Mlp(size);
  }
}

/** A small transformer over characters. */
export class CharTransformer extends Module {
  readonly tokenEmbedding: Parameter;
  readonly positionEmbedding: Parameter;
  readonly blocks: readonly Block[];
  readonly finalNorm: LayerNorm;
  readonly head: Linear;

  constructor(size: Size) {
    super();
    this.tokenEmbedding = new Parameter("tokenEmbedding", "f32", [size.vocabulary, size.dim]);
    this.positionEmbedding = new Parameter("positionEmbedding", "f32", [size.context, size.dim]);
    this.blocks = Array.from({ length: size.layers }, () => new Block(size));
    this.finalNorm = new LayerNorm(size.dim, { epsilon: 1e-5 });
    this.head = new Linear(size.dim, size.vocabulary);
  }

  forward(tokens: Tensor): Tensor {
    let x = embedding(this.tokenEmbedding.tensor, tokens).add(this.positionEmbedding.tensor);
    for (const { norm1, attention, norm2, mlp } of this.blocks) {
      x = x.add(attention.forward(norm1.forward(x)));
      x = x.add(mlp.down.forward(gelu(mlp.up.forward(norm2.forward(x)))));
    }
    return this.head.forward(this.finalNorm.forward(x));
  }
}

/** Gives every parameter its value from the golden file. */
export function initialize(module: Module, golden: GoldenCase): void {
  for (const [path, parameter] of module.parameters()) parameter.value = toArray(golden.inputs[`initial:${path}`]!);
}

/** Sizes that a golden run was made with. */
export type CharRun = Size & { readonly batch: number; readonly steps: number };

/** A training step of a character transformer, with the optimiser of the golden run. */
export function compileChar(module: CharTransformer, golden: GoldenCase, clipNorm?: number) {
  const { batch, context, vocabulary, optimizer } = golden.attrs as CharRun & { optimizer: object };
  const tokens = { dtype: "i64", shape: [batch, context] } as const;
  return TrainStep.compile({
    module,
    inputs: { tokens, targets: tokens },
    loss: charLoss(module, batch * context, vocabulary),
    optimizer: adamW(optimizer),
    clipNorm,
  });
}

const charLoss =
  (module: CharTransformer, count: number, vocabulary: number) =>
  ({ tokens, targets }: { readonly tokens: Tensor; readonly targets: Tensor }) =>
    crossEntropy(module.forward(tokens).reshape([count, vocabulary]), targets.reshape([count]));

/** The batch of a step of a golden run. */
export function charBatch(golden: GoldenCase, step: number): { readonly tokens: NDArray; readonly targets: NDArray } {
  const { batch, context } = golden.attrs as CharRun;
  const all = golden.inputs.batches!.data.map(Number);
  const part = (shift: number) =>
    NDArray.from(
      Array.from({ length: batch * context }, (_, i) => {
        const [sequence, at] = [Math.floor(i / context), i % context];
        return all[(step * batch + sequence) * (context + 1) + at + shift]!;
      }),
      [batch, context],
      "i64",
    );
  return { tokens: part(0), targets: part(1) };
}

async function runChar(golden: GoldenCase): Promise<Record<string, NDArray>> {
  const size = golden.attrs as CharRun & { optimizer: { learningRate: number } };
  const module = new CharTransformer(size);
  initialize(module, golden);
  const out: Record<string, NDArray> = {};
  {
    const parameters = [...module.parameters()];
    const tokens = { dtype: "i64", shape: [size.batch, size.context] } as const;
    await using first = await compile(
      (batch) => {
        const loss = charLoss(module, size.batch * size.context, size.vocabulary)(batch);
        const all = gradients(
          loss,
          parameters.map(([, { tensor }]) => tensor),
        );
        return Object.fromEntries(parameters.map(([path], i) => [`firstGradients:${path}`, all[i]!]));
      },
      { inputs: { tokens, targets: tokens } },
    );
    Object.assign(out, await first.run(charBatch(golden, 0)));
  }
  await using step = await compileChar(module, golden);
  const [losses, norms]: [number[], number[]] = [[], []];
  for (let i = 0; i < size.steps; i++) {
    const { loss, gradientNorm } = await step.run(charBatch(golden, i), size.optimizer.learningRate);
    losses.push(loss);
    norms.push(gradientNorm);
  }
  out.losses = NDArray.from(losses);
  out.gradientNorms = NDArray.from(norms);
  for (const [path, { value }] of module.parameters()) out[`final:${path}`] = value as NDArray;
  return out;
}

/** Logits of the convolutional net, and its running statistics after the batch. */
function convNet(t: Readonly<Record<string, Tensor>>): { logits: Tensor; statistics: Record<string, Tensor> } {
  const statistics: Record<string, Tensor> = {};
  let x = t.images!;
  for (const i of [1, 2]) {
    const norm = batchNorm(conv(x, t[`conv${i}.weight`]!, undefined, { padding: 1 }), {
      weight: t[`norm${i}.weight`]!,
      bias: t[`norm${i}.bias`]!,
      training: true,
      momentum: 0.1,
      epsilon: 1e-5,
      runningMean: t[`norm${i}.runningMean`]!,
      runningVariance: t[`norm${i}.runningVar`]!,
    });
    statistics[`norm${i}.runningMean`] = norm.runningMean!;
    statistics[`norm${i}.runningVar`] = norm.runningVariance!;
    x = maxPool(norm.y.relu(), { kernel: 2 });
  }
  const flat = x.reshape([x.shape[0]!, -1]);
  return { logits: linear(flat, t["head.weight"]!, t["head.bias"]!), statistics };
}

async function runConv(golden: GoldenCase): Promise<Record<string, NDArray>> {
  const { steps, optimizer } = golden.attrs as {
    steps: number;
    optimizer: { learningRate: number; momentum: number };
  };
  const rule = sgd(optimizer);
  const values: Record<string, NDArray> = {};
  for (const [name, stored] of Object.entries(golden.inputs))
    if (name.startsWith("initial:")) values[name.slice("initial:".length)] = toArray(stored);
  const trained = Object.keys(values);
  for (const name of trained)
    for (const slot of rule.slots) values[`${name}:${slot}`] = NDArray.zeros(values[name]!.shape);
  for (const i of [1, 2]) {
    const { shape } = values[`norm${i}.weight`]!;
    values[`norm${i}.runningMean`] = NDArray.zeros(shape);
    values[`norm${i}.runningVar`] = NDArray.from(new Array<number>(shape[0]!).fill(1));
  }
  const images = toArray(golden.inputs.images!);
  const labels = toArray(golden.inputs.labels!);
  const shapes = { images: images.shape.slice(1), labels: labels.shape.slice(1) };
  await using step = await compile(
    (t: Readonly<Record<string, Tensor>>) => {
      const { logits, statistics } = convNet(t);
      const loss = crossEntropy(logits, t.labels!);
      const all = gradients(
        loss,
        trained.map((name) => t[name]!),
      );
      const outputs: Record<string, Tensor> = { loss, norm: globalNorm(all) };
      for (const [name, y] of Object.entries(statistics)) outputs[`next:${name}`] = y;
      trained.forEach((name, i) => {
        const { value, state } = rule.update({
          value: t[name]!,
          gradient: all[i]!,
          learningRate: t.learningRate!,
          state: Object.fromEntries(rule.slots.map((slot) => [slot, t[`${name}:${slot}`]!])),
          scalars: {},
        });
        outputs[`gradient:${name}`] = all[i]!;
        outputs[`next:${name}`] = value;
        for (const [slot, y] of Object.entries(state)) outputs[`next:${name}:${slot}`] = y;
      });
      return outputs;
    },
    {
      inputs: {
        images: { dtype: "f32", shape: shapes.images },
        labels: { dtype: "i64", shape: shapes.labels },
        learningRate: { dtype: "f32", shape: [] },
        ...Object.fromEntries(Object.entries(values).map(([name, { shape }]) => [name, { dtype: "f32", shape }])),
      },
    },
  );
  const out: Record<string, NDArray> = {};
  const [losses, norms]: [number[], number[]] = [[], []];
  const part = (array: NDArray, i: number) => {
    const size = array.size / steps;
    const numbers = array.toNumbers().slice(i * size, (i + 1) * size);
    return NDArray.from(numbers, array.shape.slice(1), array.dtype);
  };
  for (let i = 0; i < steps; i++) {
    const results: Record<string, NDArray> = await step.run({
      images: part(images, i),
      labels: part(labels, i),
      learningRate: NDArray.scalar(optimizer.learningRate),
      ...values,
    });
    losses.push(results.loss!.at(0));
    norms.push(results.norm!.at(0));
    if (i === 0) for (const name of trained) out[`firstGradients:${name}`] = results[`gradient:${name}`]!;
    for (const name of Object.keys(values)) values[name] = results[`next:${name}`]!;
  }
  out.losses = NDArray.from(losses);
  out.gradientNorms = NDArray.from(norms);
  for (const [name, value] of Object.entries(values)) out[`final:${name}`] = value;
  return out;
}

const runs: Readonly<Record<string, (golden: GoldenCase) => Promise<Record<string, NDArray>>>> = {
  trainCharTransformer: runChar,
  trainConvNet: runConv,
};

/** Whether a golden case is a training run. */
export const isTraining = ({ op }: GoldenCase): boolean => op in runs;

/** How close a run stays: closer to losses, norms and final parameters than the file asks. */
function toleranceOf(golden: GoldenCase, name: string): Tolerance {
  if (name === "losses" || name === "gradientNorms") return { abs: 0, rel: 1e-4 };
  if (name.startsWith("final:")) return { abs: Math.min(2e-4, golden.tolerance.abs), rel: 0 };
  return (golden.tolerance as Tolerance & { readonly firstGradients: Tolerance }).firstGradients;
}

/** Trains a golden net and throws where losses, gradient norms, first gradients or final parameters are not the stored ones. */
export async function replayTraining(golden: GoldenCase): Promise<void> {
  const run = runs[golden.op];
  if (!run) throw new Error(`no net is known for "${golden.op}"`);
  const results = await run(golden);
  for (const [name, want] of Object.entries(golden.outputs))
    expectClose(results[name]!, want, toleranceOf(golden, name), name);
}

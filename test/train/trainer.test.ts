/** Training steps and whole runs: what they carry, how they go on, how they end. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import {
  BatchNorm,
  Dropout,
  freeze,
  initialize,
  Linear,
  loadStateDict,
  Module,
  stateDict,
} from "../../src/nn/index.ts";
import { adamW, sgd } from "../../src/optim/index.ts";
import { type FileStore, getDefaultEngine, memoryFiles, openFolder } from "../../src/runtime/index.ts";
import { relu, type Tensor } from "../../src/tensor/index.ts";
import {
  drawCurves,
  numberedBatches,
  resumeLatest,
  saveCheckpoint,
  shuffledBatches,
  shuffledOrder,
  Trainer,
  TrainStep,
  type TrainStepOptions,
} from "../../src/train/index.ts";
import { NDArray } from "../../src/util/ndarray.ts";
import { Random } from "../../src/util/random.ts";

afterAll(async () => {
  await (await getDefaultEngine()).dispose();
});

class Net extends Module {
  readonly first = new Linear(3, 8, { bias: true });
  readonly norm?: BatchNorm;
  readonly dropout: Dropout;
  readonly second = new Linear(8, 1, { bias: true });

  constructor({ norm = false, dropout = 0 } = {}) {
    super();
    if (norm) this.norm = new BatchNorm(8);
    this.dropout = new Dropout(dropout);
    initialize(this, 3);
  }

  forward(x: Tensor): Tensor {
    const y = this.first.forward(x);
    return this.second.forward(this.dropout.forward(relu(this.norm ? this.norm.forward(y) : y)));
  }
}

const rows = 4;
const inputs = { x: { dtype: "f32", shape: [rows, 3] }, y: { dtype: "f32", shape: [rows, 1] } } as const;
type Inputs = typeof inputs;

const batchAt = (position: number, count = rows) => {
  const random = new Random(8).split(position);
  const x = NDArray.from(random.normals(count * 3), [count, 3]);
  const y = NDArray.from(
    Array.from({ length: count }, (_, i) => x.at(3 * i) - 2 * x.at(3 * i + 1) + 0.5),
    [count, 1],
  );
  return { x, y };
};

const compileNet = (net: Net, options: Partial<TrainStepOptions<Inputs>> = {}) =>
  TrainStep.compile<Inputs>({
    module: net,
    inputs,
    loss: ({ x, y }) => {
      const error = net.forward(x).sub(y);
      return error.mul(error).mean();
    },
    optimizer: adamW(),
    ...options,
  });

const numbers = (module: Module) =>
  Object.fromEntries([...stateDict(module)].map(([path, array]) => [path, array.toNumbers()]));

function expectNear(got: Record<string, number[]>, want: Record<string, number[]>, tolerance: number): void {
  expect(Object.keys(got)).toEqual(Object.keys(want));
  for (const [path, values] of Object.entries(want))
    values.forEach((v, i) => {
      if (!(Math.abs(got[path]![i]! - v) <= tolerance)) expect.fail(`${path}[${i}] is ${got[path]![i]}, not ${v}`);
    });
}

describe("a step", () => {
  it("carries running statistics out of the graph", async () => {
    const net = new Net({ norm: true });
    await using step = await compileNet(net, { optimizer: sgd() });
    const { x } = batchAt(0);
    const { weight, bias } = net.first;
    const [w, b] = [weight, bias!].map(({ value }) => (value as NDArray).toNumbers()) as [number[], number[]];
    const before = Array.from({ length: rows }, (_, i) =>
      Array.from({ length: 8 }, (_, o) => b[o]! + [0, 1, 2].reduce((s, j) => s + x.at(3 * i + j) * w[3 * o + j]!, 0)),
    );
    await step.run(batchAt(0), 0.1);
    for (let channel = 0; channel < 8; channel++) {
      const values = before.map((row) => row[channel]!);
      const mean = values.reduce((a, v) => a + v, 0) / rows;
      const variance = values.reduce((a, v) => a + (v - mean) ** 2, 0) / (rows - 1);
      expect((net.norm!.running_mean.value as NDArray).at(channel)).toBeCloseTo(0.1 * mean, 5);
      expect((net.norm!.running_var.value as NDArray).at(channel)).toBeCloseTo(0.9 + 0.1 * variance, 5);
    }
  });

  it("accumulates gradients to those of one large batch", async () => {
    const [small, large] = [new Net(), new Net()];
    await using one = await compileNet(small, { accumulate: 3 });
    const wide = { x: { dtype: "f32", shape: [3 * rows, 3] }, y: { dtype: "f32", shape: [3 * rows, 1] } } as const;
    await using other = await TrainStep.compile({
      module: large,
      inputs: wide,
      loss: ({ x, y }) => large.forward(x).sub(y).pow(2).mean(),
      optimizer: adamW(),
    });
    for (let i = 0; i < 3; i++) {
      const parts = [0, 1, 2].map((j) => batchAt(3 * i + j));
      const join = (name: "x" | "y", width: number) =>
        NDArray.from(
          parts.flatMap((part) => part[name].toNumbers()),
          [3 * rows, width],
        );
      const got = await one.run(parts, 0.01);
      const want = await other.run({ x: join("x", 3), y: join("y", 1) }, 0.01);
      expect(got.loss).toBeCloseTo(want.loss, 5);
      expect(got.gradientNorm).toBeCloseTo(want.gradientNorm, 4);
    }
    expectNear(numbers(small), numbers(large), 1e-5);
    await expect(one.run([batchAt(0)], 0.01)).rejects.toThrow("takes 3 batches at a time, 1 were given");
  });

  it("accumulates through batch norm and dropout, one part after the other", async () => {
    const [a, b] = [new Net({ norm: true, dropout: 0.5 }), new Net({ norm: true, dropout: 0.5 })];
    await using one = await compileNet(a, { accumulate: 2, seed: 4 });
    await using two = await compileNet(b, { accumulate: 2, seed: 4 });
    for (const step of [one, two]) await step.run([batchAt(0), batchAt(1)], 0.01);
    expect(numbers(a)).toEqual(numbers(b));
    expect((a.norm!.running_var.value as NDArray).at(0)).not.toBe(1);
  });

  it("gives groups another rate and rule, and leaves frozen parameters alone", async () => {
    const net = new Net();
    const before = numbers(net);
    freeze(net, "second.bias");
    await using step = await compileNet(net, {
      optimizer: sgd({ weightDecay: 0.5 }),
      groups: [
        { paths: "first.bias", rate: 0 },
        { paths: "**.bias", optimizer: sgd() },
        { paths: "second.weight", rate: 3, optimizer: sgd() },
      ],
      loss: () => net.second.weight.tensor.sum().add(net.first.weight.tensor.sum().mul(0)),
    });
    await step.run(batchAt(0), 0.1);
    const after = numbers(net);
    expect(after["first.bias"]).toEqual(before["first.bias"]);
    expect(after["second.bias"]).toEqual(before["second.bias"]);
    after["second.weight"]!.forEach((v, i) => {
      expect(v).toBeCloseTo(before["second.weight"]![i]! - 0.3, 5);
    });
    after["first.weight"]!.forEach((v, i) => {
      expect(v).toBeCloseTo(before["first.weight"]![i]! * (1 - 0.1 * 0.5), 5);
    });
    await expect(compileNet(net, { groups: [{ paths: "third.*" }] })).rejects.toThrow(
      'no parameter belongs to the group "third.*"',
    );
  });

  it("keeps a moving average", async () => {
    const net = new Net();
    await using step = await compileNet(net, { averageDecay: (at) => (at ? 0.75 : 0.5) });
    let average = numbers(net);
    for (let i = 0; i < 3; i++) {
      await step.run(batchAt(i), 0.05);
      const now = numbers(net);
      const decay = i ? 0.75 : 0.5;
      average = Object.fromEntries(
        Object.entries(average).map(([path, values]) => [
          path,
          values.map((v, j) => decay * v + (1 - decay) * now[path]![j]!),
        ]),
      );
    }
    const got = Object.fromEntries([...step.averagedState()].map(([path, array]) => [path, array.toNumbers()]));
    expectNear(got, average, 1e-6);
  });

  it("averages a parameter that modules share under each of its paths", async () => {
    class Tied extends Module {
      readonly embedding = new Linear(3, 3);
      readonly head = new Linear(3, 3);

      constructor() {
        super();
        Object.assign(this.head, { weight: this.embedding.weight });
        initialize(this, 2);
      }
    }
    const net = new Tied();
    await using step = await TrainStep.compile({
      module: net,
      inputs: { x: inputs.x },
      loss: ({ x }) =>
        net.head
          .forward(relu(net.embedding.forward(x)))
          .pow(2)
          .mean(),
      optimizer: sgd(),
      averageDecay: 0.5,
    });
    const before = numbers(net)["head.weight"]!;
    await step.run({ x: batchAt(0).x }, 0.1);
    const after = numbers(net)["head.weight"]!;
    const average = step.averagedState();
    const other = new Tied();
    loadStateDict(other, average);
    numbers(other)["embedding.weight"]!.forEach((v, i) => {
      expect(v).toBeCloseTo((before[i]! + after[i]!) / 2, 6);
    });
    expect(after).not.toEqual(before);
  });

  it("refuses batch norm over a single value, which has no variance", async () => {
    const net = new Net({ norm: true });
    const single = { x: { dtype: "f32", shape: [1, 3] }, y: { dtype: "f32", shape: [1, 1] } } as const;
    const compiled = TrainStep.compile({
      module: net,
      inputs: single,
      loss: ({ x, y }) => net.forward(x).sub(y).pow(2).mean(),
      optimizer: sgd(),
    });
    await expect(compiled).rejects.toMatchObject({ code: "shape", message: expect.stringContaining("[1, 8]") });
  });

  it("mixes objectives by weights that may change", async () => {
    const net = new Net();
    await using step = await compileNet(net, {
      optimizer: sgd(),
      loss: ({ x, y }) => ({
        fit: net.forward(x).sub(y).pow(2).mean(),
        size: net.first.weight.tensor.pow(2).sum(),
      }),
      weights: { size: (at) => at * 0.5 },
    });
    const first = await step.run(batchAt(0), 0.01);
    expect(Object.keys(first.terms)).toEqual(["fit", "size"]);
    expect(first.loss).toBeCloseTo(first.terms.fit!, 6);
    const second = await step.run(batchAt(1), 0.01);
    expect(second.loss).toBeCloseTo(second.terms.fit! + 0.5 * second.terms.size!, 5);
    await expect(compileNet(net, { weights: { other: 1 } })).rejects.toThrow(
      'weight for "other", but the losses are unnamed',
    );
  });

  it("drops the same units in the same step, and others in the next", async () => {
    const losses = async (seed: number) => {
      const net = new Net({ dropout: 0.5 });
      await using step = await compileNet(net, { seed, optimizer: sgd() });
      const out: number[] = [];
      for (let i = 0; i < 4; i++) out.push((await step.run(batchAt(0), 0)).loss);
      return out;
    };
    const first = await losses(1);
    expect(await losses(1)).toEqual(first);
    expect(await losses(2)).not.toEqual(first);
    expect(new Set(first).size).toBeGreaterThan(1);
  });

  it("masks sizes that are known only at run time", async () => {
    const net = new Net({ dropout: 0.5 });
    await using step = await TrainStep.compile({
      module: net,
      inputs: { x: { dtype: "f32", shape: ["n", 3] } },
      loss: ({ x }) => net.forward(x).mean(),
      optimizer: sgd(),
    });
    for (const n of [2, 7, 2]) expect((await step.run({ x: batchAt(0, n).x }, 0.1)).loss).toBeTypeOf("number");
  });
});

describe("batches", () => {
  it("show every example once an epoch, in another order each, from any position", async () => {
    const source = () => shuffledBatches({ count: 10, batchSize: 3, seed: 1, make: (examples) => [...examples] });
    const take = async (from: number, count: number) => {
      const batches = source();
      batches.seek(from);
      const out: number[][] = [];
      for await (const batch of batches) {
        out.push(batch);
        if (out.length === count) break;
      }
      expect(batches.position).toBe(from + count);
      return out;
    };
    const all = await take(0, 6);
    expect(new Set(all.slice(0, 3).flat()).size).toBe(9);
    expect(new Set(all.slice(3).flat()).size).toBe(9);
    expect(all.slice(0, 3)).not.toEqual(all.slice(3));
    expect(await take(4, 2)).toEqual(all.slice(4));
    expect([...shuffledOrder(5, 1, 0)].sort()).toEqual([0, 1, 2, 3, 4]);
    expect(() => source().seek(-1)).toThrow(/-1 is no position/);
  });
});

const trainer = async (
  files: FileStore | undefined,
  options: { steps?: number; onStep?: (step: number) => void; signal?: AbortSignal; at?: (i: number) => object } = {},
) => {
  const net = new Net({ norm: true, dropout: 0.2 });
  const step = await compileNet(net, { averageDecay: 0.9, seed: 6 });
  const { steps = 20, at = batchAt, ...rest } = options;
  const run = new Trainer<Inputs>({
    step,
    batches: numberedBatches((position) => at(position) as ReturnType<typeof batchAt>),
    steps,
    learningRate: 0.01,
    files,
    checkpointEvery: 6,
    ...rest,
  });
  return { net, step, run };
};

describe("a run", () => {
  it("goes on after an abort with the bits of an undisturbed one, and keeps one record", async () => {
    const [whole, torn] = [memoryFiles(), memoryFiles()];
    const calm = await trainer(whole);
    const { records, curve, reason } = await calm.run.run();
    expect(reason).toBe("finished");
    expect(records.length).toBe(20);
    expect(curve).toMatch(/^<svg/);
    const controller = new AbortController();
    const first = await trainer(torn, {
      signal: controller.signal,
      onStep: (step) => step === 9 && controller.abort(),
    });
    await expect(first.run.run()).rejects.toMatchObject({ code: "aborted" });
    expect(await torn.names()).toContain("checkpoint-00000009.safetensors");
    const second = await trainer(torn);
    const end = await second.run.run();
    expect(end.records).toEqual(records);
    expect(numbers(second.net)).toEqual(numbers(calm.net));
    expect([...second.step.averagedState()].map(([, a]) => a.toNumbers())).toEqual(
      [...calm.step.averagedState()].map(([, a]) => a.toNumbers()),
    );
    for (const name of ["metrics.jsonl", "loss.svg", "checkpoint-00000020.safetensors"])
      expect(await torn.read(name), name).toEqual(await whole.read(name));
    // there is nothing left to do
    const third = await trainer(torn);
    expect((await third.run.run()).steps).toBe(20);
    expect(numbers(third.net)).toEqual(numbers(calm.net));
    for (const { step } of [calm, first, second, third]) await step.dispose();
  });

  it("loses nothing when a loss is not finite", async () => {
    const files = memoryFiles();
    const bad = (i: number) => {
      const batch = batchAt(i);
      if (i === 10) batch.x.set(0, Number.NaN);
      return batch;
    };
    const { run, step, net } = await trainer(files, { at: bad });
    await expect(run.run()).rejects.toMatchObject({ code: "nan", message: expect.stringContaining("step 11") });
    expect(await files.names()).toContain("checkpoint-00000010.safetensors");
    const kept = numbers(net);
    const again = await trainer(files);
    expect((await resumeLatest(files, again.step))!.position).toBe(10);
    expect(numbers(again.net)).toEqual(kept);
    expect((await again.run.run()).steps).toBe(20);
    for (const s of [step, again.step]) await s.dispose();
  });

  it("stops early by the best evaluation", async () => {
    const net = new Net();
    await using step = await compileNet(net);
    const values = [3, 2, 2.5, 2.4, 2.3, 1];
    let call = 0;
    const result = await new Trainer<Inputs>({
      step,
      batches: numberedBatches(batchAt),
      steps: 100,
      learningRate: 0.01,
      evaluate: { every: 2, run: async () => ({ validation: values[call++]! }) },
      earlyStopping: { metric: "validation", patience: 3 },
    }).run();
    expect([result.reason, result.steps]).toEqual(["early", 10]);
    expect(result.curve).toContain("■ validation");
  });

  it("takes no evaluation that is not finite for the best", async () => {
    const net = new Net();
    await using step = await compileNet(net);
    const values = [Number.NaN, 3, Number.NEGATIVE_INFINITY, 2, 2.5, 2.4, 1];
    let call = 0;
    const result = await new Trainer<Inputs>({
      step,
      batches: numberedBatches(batchAt),
      steps: 100,
      learningRate: 0.01,
      evaluate: { every: 2, run: async () => ({ validation: values[call++]! }) },
      earlyStopping: { metric: "validation", patience: 2 },
    }).run();
    expect([result.reason, result.steps]).toEqual(["early", 12]);
  });

  it("keeps what it saves beside a later checkpoint that cannot be read", async () => {
    const files = memoryFiles();
    await files.write("checkpoint-00000500.safetensors", [new Uint8Array(3)]);
    await files.write("checkpoint-00000003.safetensors", [new Uint8Array(3)]);
    await using step = await compileNet(new Net());
    await step.run(batchAt(0), 0.1);
    await saveCheckpoint(files, step, { step: 4, position: 4, stale: 0 }, 1);
    expect([...(await files.names())].sort()).toEqual([
      "checkpoint-00000004.safetensors",
      "checkpoint-00000500.safetensors",
    ]);
  });

  it("reports progress, and says when batches end too soon or a checkpoint is of another run", async () => {
    const net = new Net();
    await using step = await compileNet(net);
    const seen: unknown[] = [];
    const files = memoryFiles();
    await expect(
      new Trainer<Inputs>({
        step,
        batches: numberedBatches(batchAt, 3),
        steps: 5,
        learningRate: 0.01,
        files,
        checkpointEvery: 1,
        onProgress: (progress) => seen.push(progress),
      }).run(),
    ).rejects.toThrow("the batches ended after 3, before step 4 of 5");
    expect(seen.length).toBe(3);
    expect(seen[2]).toMatchObject({
      task: "train",
      done: 3,
      total: 5,
      unit: "steps",
      detail: expect.stringMatching(/^loss /),
    });
    await using other = await compileNet(new Net(), { seed: 1 });
    await expect(resumeLatest(files, other)).rejects.toThrow("was made with seed 0, this run has 1");
    expect(() => new Trainer<Inputs>({ step, batches: numberedBatches(batchAt), steps: 0, learningRate: 1 })).toThrow(
      "steps is 0",
    );
  });

  it("keeps its files in a folder, whole or not at all", async () => {
    const path = await mkdtemp(join(tmpdir(), "bletchley-train-"));
    try {
      const files = await openFolder(join(path, "run"));
      const { run, step } = await trainer(files);
      await run.run();
      expect(await files.names()).toEqual([
        "checkpoint-00000018.safetensors",
        "checkpoint-00000020.safetensors",
        "loss.svg",
        "metrics.jsonl",
      ]);
      // a broken file gives way to the one before it
      await writeFile(join(path, "run", "checkpoint-00000020.safetensors"), "cut");
      expect((await resumeLatest(files, step))!.step).toBe(18);
      const failing = files.write("x.bin", {
        *[Symbol.iterator]() {
          yield new Uint8Array(3);
          throw new Error("stopped");
        },
      });
      await expect(failing).rejects.toMatchObject({ code: "disk" });
      expect(await readdir(join(path, "run"))).not.toContain("x.bin.partial");
      await expect(files.read("../secret")).rejects.toMatchObject({ code: "name" });
      expect((await readFile(join(path, "run", "metrics.jsonl"), "utf8")).trim().split("\n").length).toBe(20);
      await step.dispose();
    } finally {
      await rm(path, { recursive: true, force: true });
    }
  });
});

describe("curves", () => {
  it("are drawn with ticks and legend, whatever the numbers", () => {
    const svg = drawCurves([
      { name: "a<b", points: Array.from({ length: 2000 }, (_, i) => [i, Math.exp(-i / 500)] as const) },
      { name: "odd", points: [[0, Number.NaN]] },
    ]);
    expect(svg).toContain("a&#60;b");
    expect(svg.length).toBeLessThan(20_000);
    expect(svg).not.toContain("NaN");
    expect(drawCurves([])).toMatch(/<\/svg>\n$/);
  });
});

/** Whole training runs against a float64 reference, and what steps promise beside. */
import { afterAll, describe, expect, it } from "vitest";
import { Module } from "../../src/nn/index.ts";
import { adamW, sgd } from "../../src/optim/index.ts";
import { getDefaultEngine } from "../../src/runtime/index.ts";
import { Parameter } from "../../src/tensor/index.ts";
import { TrainStep } from "../../src/train/index.ts";
import { BletchleyError } from "../../src/util/errors.ts";
import { NDArray } from "../../src/util/ndarray.ts";
import { goldenCases, toArray } from "./golden.ts";
import { type CharRun, CharTransformer, charBatch, compileChar, initialize, replayTraining } from "./training-nets.ts";

afterAll(async () => {
  await (await getDefaultEngine()).dispose();
});

const cases = goldenCases("training");
const named = (op: string) => cases.find((golden) => golden.op === op)!;

describe("golden runs", () => {
  for (const golden of cases) it(golden.name, () => replayTraining(golden));
});

describe("a character transformer", () => {
  const golden = named("trainCharTransformer");
  const size = golden.attrs as CharRun;
  const compiled = (module: CharTransformer) => compileChar(module, golden);
  const batch = (step: number) => charBatch(golden, step);

  it("goes on from a saved state as if it had not stopped", async () => {
    const whole = new CharTransformer(size);
    initialize(whole, golden);
    const stopped = new CharTransformer(size);
    initialize(stopped, golden);
    await using one = await compiled(whole);
    for (let i = 0; i < 6; i++) await one.run(batch(i), 0.01);
    const values: Record<string, NDArray> = {};
    let state: Record<string, NDArray>;
    {
      await using before = await compiled(stopped);
      for (let i = 0; i < 3; i++) await before.run(batch(i), 0.01);
      for (const [path, { value }] of stopped.parameters()) values[path] = (value as NDArray).copy();
      state = Object.fromEntries(Object.entries(before.state).map(([name, array]) => [name, array.copy()]));
    }
    const resumed = new CharTransformer(size);
    for (const [path, parameter] of resumed.parameters()) parameter.value = values[path];
    await using after = await compiled(resumed);
    after.restore(3, state);
    for (let i = 3; i < 6; i++) await after.run(batch(i), 0.01);
    expect(after.steps).toBe(6);
    const wholeValues = new Map(whole.parameters());
    for (const [path, { value }] of resumed.parameters())
      expect((value as NDArray).toNumbers(), path).toEqual((wholeValues.get(path)!.value as NDArray).toNumbers());
    expect(() => after.restore(3, { ...state, stranger: NDArray.zeros([1]) })).toThrow(
      /belongs to no trained parameter/,
    );
    expect(() => after.restore(-1, state)).toThrow(/cannot go on from step -1/);
    const first = after.run(batch(6), 0.01);
    await expect(after.run(batch(6), 0.01)).rejects.toThrow(/while another runs/);
    await first;
    expect(after.steps).toBe(7);
    expect(() => after.restore(3, {})).toThrow(/lacks "tokenEmbedding:mean"/);
  });

  it("keeps everything as it was when the loss is not finite", async () => {
    const module = new CharTransformer(size);
    initialize(module, golden);
    await using step = await compiled(module);
    await step.run(batch(0), 0.01);
    const head = module.head.weight;
    const before = (head.value as NDArray).toNumbers();
    const good = head.value as NDArray;
    head.value = NDArray.from(
      before.map((v, i) => (i ? v : Number.NaN)),
      head.shape,
    );
    const thrown = await step.run(batch(1), 0.01).catch((error: unknown) => error);
    expect(thrown).toBeInstanceOf(BletchleyError);
    expect(thrown).toMatchObject({ code: "nan", message: expect.stringContaining("step 2: the loss is NaN") });
    head.value = good;
    expect(step.steps).toBe(1);
    const { loss } = await step.run(batch(1), 0.01);
    const want = toArray(golden.outputs.losses!).at(1);
    expect(Math.abs(loss - want)).toBeLessThan(1e-4 * want);
  });

  it("clips by the norm of all gradients together, and leaves out what is not to be trained", async () => {
    const module = new CharTransformer(size);
    initialize(module, golden);
    const frozen = (module.tokenEmbedding.value as NDArray).toNumbers();
    const head = (module.head.weight.value as NDArray).toNumbers();
    await using step = await TrainStep.compile({
      module,
      inputs: { tokens: { dtype: "i64", shape: [size.batch, size.context] } },
      loss: ({ tokens }) => module.forward(tokens).mul(100).sum(),
      optimizer: sgd(),
      clipNorm: 1,
      trains: (path) => path !== "tokenEmbedding",
    });
    const { gradientNorm } = await step.run({ tokens: batch(0).tokens }, 1);
    expect(gradientNorm).toBeGreaterThan(1);
    expect((module.tokenEmbedding.value as NDArray).toNumbers()).toEqual(frozen);
    let moved = 0;
    const after = (module.head.weight.value as NDArray).toNumbers();
    after.forEach((v, i) => {
      moved += (v - head[i]!) ** 2;
    });
    expect(moved).toBeGreaterThan(0);
    expect(Math.sqrt(moved)).toBeLessThanOrEqual(1 + 1e-5);
  });

  it("trains a shared parameter once", async () => {
    class Tied extends Module {
      readonly first = new Parameter("first", "f32", [3]);
      readonly second = this.first;
    }
    const module = new Tied();
    module.first.value = NDArray.from([1, 2, 3]);
    await using step = await TrainStep.compile({
      module,
      inputs: {},
      loss: () => module.first.tensor.mul(module.second.tensor).sum(),
      optimizer: adamW(),
    });
    const { gradientNorm } = await step.run({}, 0.1);
    expect(gradientNorm).toBeCloseTo(2 * Math.sqrt(14), 5);
    expect(Object.keys(step.state)).toEqual(["first:mean", "first:square"]);
    const once = (module.first.value as NDArray).toNumbers();
    expect(once[0]).toBeCloseTo(0.899, 5);
    await step.run({}, 0.1);
    expect((module.first.value as NDArray).toNumbers()).not.toEqual(once);
  });

  it("says what is wrong before anything runs", async () => {
    const module = new CharTransformer(size);
    await expect(compiled(module)).rejects.toThrow(/parameter "tokenEmbedding" has no value/);
    initialize(module, golden);
    const inputs = { tokens: { dtype: "i64", shape: [size.batch, size.context] } } as const;
    const bad = { module, inputs, optimizer: sgd() };
    await expect(TrainStep.compile({ ...bad, loss: ({ tokens }) => module.forward(tokens) })).rejects.toThrow(
      /needs a scalar, got \[4, 8, 11\]/,
    );
    await expect(
      TrainStep.compile({ ...bad, loss: ({ tokens }) => module.forward(tokens).sum(), trains: () => false }),
    ).rejects.toThrow(/no parameter to train/);
  });
});

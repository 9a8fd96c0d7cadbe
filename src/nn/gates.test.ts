import { describe, expect, it } from "vitest";
import { compile } from "../runtime/index.ts";
import type { Tensor } from "../tensor/index.ts";
import { NDArray } from "../util/ndarray.ts";
import {
  ChannelGate,
  ChannelSpatialGate,
  type GateMerge,
  initialize,
  type Module,
  ProjectExciteGate,
  SpatialGate,
  trace,
  UNet,
} from "./index.ts";

const logistic = (x: number) => 1 / (1 + Math.exp(-x));

/** Sets every parameter to numbers by path. */
function set(module: Module, values: Readonly<Record<string, readonly number[]>>): void {
  for (const [path, parameter] of module.parameters())
    parameter.value = NDArray.from(values[path]!, parameter.shape as number[]);
}

async function run(f: (x: Tensor) => Tensor, x: NDArray): Promise<NDArray> {
  await using executable = await compile(({ x }) => ({ y: f(x) }), { inputs: { x: { dtype: "f32", shape: x.shape } } });
  return (await executable.run({ x })).y;
}

function expectNear(y: NDArray, wanted: readonly number[]): void {
  expect(y.size).toBe(wanted.length);
  wanted.forEach((value, i) => {
    expect(y.at(i), `element ${i}`).toBeCloseTo(value, 5);
  });
}

/** Two channels of two places. */
const x = NDArray.from([1, 3, -2, 4], [1, 2, 2]);
const channelValues = {
  "fc1.weight": [0.5, -1],
  "fc1.bias": [0.25],
  "fc2.weight": [1, -2],
  "fc2.bias": [0.5, 0],
};
/** means 2 and 1: hidden 0.25, before the gates 0.75 and −0.5. */
const channelGates = [logistic(0.75), logistic(-0.5)] as const;
const placeValues = { "conv.weight": [1, 0.5], "conv.bias": [-1] };
/** of places: 1 − 1 − 1 and 3 + 2 − 1. */
const placeGates = [logistic(-1), logistic(4)] as const;

describe("a gate of channels", () => {
  it("weighs each channel by the means of all", async () => {
    const gate = new ChannelGate(2);
    set(gate, channelValues);
    const [a, b] = channelGates;
    expectNear(await run((x) => gate.forward(x), x), [a, 3 * a, -2 * b, 4 * b]);
  });

  it("adds its input as MONAI's residual layer does, with activations of one's own", async () => {
    const gate = new ChannelGate(2, { residual: true, outer: (x) => x.mul(2) });
    set(gate, channelValues);
    expectNear(await run((x) => gate.forward(x), x), [2.5, 7.5, 0, 0]);
  });

  it("rounds hidden units down, and refuses to have none", () => {
    expect(new ChannelGate(5).fc1.outFeatures).toBe(2);
    expect(new ChannelGate(3, { r: 3 }).fc1.outFeatures).toBe(1);
    expect(() => new ChannelGate(3, { r: 4 })).toThrow(/r is 4; of 3 channels it must be from 1 to 3/);
    expect(() => new ChannelGate(3, { r: 0 })).toThrow(/r is 0/);
  });
});

describe("a gate of places", () => {
  it("weighs each place by its channels", async () => {
    const gate = new SpatialGate(2, { dimensions: 1 });
    set(gate, placeValues);
    const [a, b] = placeGates;
    expectNear(await run((x) => gate.forward(x), x), [a, 3 * b, -2 * a, 4 * b]);
  });

  it.each([1, 2, 3] as const)(
    "takes weights from outside, their mean and no bias, in %i dimensions",
    async (dimensions) => {
      const gate = new SpatialGate(2, { dimensions });
      initialize(gate, 1);
      const shaped = x.reshape([1, 2, ...Array.from({ length: dimensions - 1 }, () => 1), 2]);
      await using executable = await compile(({ x, weights }) => ({ y: gate.forward(x, weights) }), {
        inputs: { x: { dtype: "f32", shape: shaped.shape }, weights: { dtype: "f32", shape: ["shots", 2] } },
      });
      const { y } = await executable.run({ x: shaped, weights: NDArray.from([2, 0, 0, 1], [2, 2]) });
      expect(y.shape).toEqual(shaped.shape);
      // 1 · 1 + ½ · −2 and 1 · 3 + ½ · 4
      expectNear(y, [logistic(0), 3 * logistic(5), -2 * logistic(0), 4 * logistic(5)]);
    },
  );

  it("refuses weights of other channels", async () => {
    const gate = new SpatialGate(2, { dimensions: 1 });
    initialize(gate, 1);
    await expect(
      compile(({ x, weights }) => ({ y: gate.forward(x, weights) }), {
        inputs: { x: { dtype: "f32", shape: [1, 2, 2] }, weights: { dtype: "f32", shape: [4, 3] } },
      }),
    ).rejects.toThrow(/weights \[4, 3\] must end in 2 channels/);
  });
});

describe("gates of channels and places", () => {
  const [a, b] = channelGates;
  const [p, q] = placeGates;
  const merges: Readonly<Record<GateMerge, readonly number[]>> = {
    // of −2 the smaller gate makes the larger value
    max: [Math.max(a, p), 3 * Math.max(a, q), -2 * Math.min(b, p), 4 * Math.max(b, q)],
    maxGate: [Math.max(a, p), 3 * Math.max(a, q), -2 * Math.max(b, p), 4 * Math.max(b, q)],
    add: [a + p, 3 * (a + q), -2 * (b + p), 4 * (b + q)],
    multiply: [a * p, 9 * a * q, 4 * b * p, 16 * b * q],
    concat: [a, 3 * a, -2 * b, 4 * b, p, 3 * q, -2 * p, 4 * q],
  };
  const named = (prefix: string, values: Readonly<Record<string, readonly number[]>>) =>
    Object.entries(values).map(([path, numbers]) => [`${prefix}.${path}`, numbers] as const);
  const values = Object.fromEntries([...named("cSE", channelValues), ...named("sSE", placeValues)]);

  it.each(Object.keys(merges) as GateMerge[])("come together by %s", async (merge) => {
    const gate = new ChannelSpatialGate(2, { merge, dimensions: 1 });
    set(gate, values);
    expect(gate.outChannels).toBe(merge === "concat" ? 4 : 2);
    expectNear(await run((x) => gate.forward(x), x), merges[merge]);
  });

  it("are sites", async () => {
    const gate = new ChannelSpatialGate(2, { dimensions: 1 });
    set(gate, values);
    const y = await run((x) => trace({ taps: "sSE.gate" }, () => gate.forward(x)).taps["sSE.gate"]!, x);
    expect(y.shape).toEqual([1, 1, 2]);
    expectNear(y, placeGates);
  });

  it("begin near 1 with a bias of 3, and near a half without", async () => {
    const ones = NDArray.from(new Array(8 * 16).fill(0.1), [1, 8, 4, 4]);
    for (const [initialBias, low, high] of [
      [3, 0.93, 0.97],
      [undefined, 0.35, 0.65],
    ] as const) {
      const gate = new ChannelSpatialGate(8, { merge: "multiply", initialBias });
      initialize(gate, 3);
      for (const part of [gate.cSE, gate.sSE])
        for (const value of (await run((x) => part.gateOf(x), ones)).toNumbers()) {
          expect(value).toBeGreaterThan(low);
          expect(value).toBeLessThan(high);
        }
    }
  });
});

describe("project and excite", () => {
  it("gates every place by the sum of the means of its three planes", async () => {
    const gate = new ProjectExciteGate(2);
    set(gate, { "conv_c.weight": [1, 0], "conv_c.bias": [0], "conv_cT.weight": [1, -1], "conv_cT.bias": [0, 0] });
    const volume = NDArray.from([1, 2, 3, 6, 1, 1, 1, 1], [1, 2, 1, 2, 2]);
    // columns 2 and 4, rows 1.5 and 4.5, the one plane 3
    const sums = [2 + 1.5 + 3, 4 + 1.5 + 3, 2 + 4.5 + 3, 4 + 4.5 + 3];
    expectNear(
      await run((x) => gate.forward(x), volume),
      [1, 2, 3, 6].map((value, i) => value * logistic(sums[i]!)).concat(sums.map((sum) => logistic(-sum))),
    );
  });

  it("refuses pictures", async () => {
    const gate = new ProjectExciteGate(2);
    initialize(gate, 1);
    await expect(run((x) => gate.forward(x), NDArray.zeros([1, 2, 4, 4]))).rejects.toThrow(/other gates take pictures/);
  });
});

describe("a U-Net with gates", () => {
  it("has them behind every block and makes room for twice the channels", async () => {
    const model = new UNet({
      inChannels: 1,
      outChannels: 3,
      channels: [4, 6, 8],
      enlarging: "linear",
      behind: (channels) => new ChannelSpatialGate(channels, { merge: "concat" }),
    });
    initialize(model, 1);
    expect(model.down.map((block) => block.first.conv.weight.shape[1])).toEqual([1, 8, 12]);
    expect(model.up.map((block) => block.first.conv.weight.shape[1])).toEqual([8 + 12, 12 + 16]);
    expect(model.head.weight.shape[1]).toBe(8);
    expect([...model.children()].filter(([name]) => name.startsWith("behind")).length).toBe(5);
    const y = await run((x) => model.forward(x), NDArray.zeros([2, 1, 8, 8]));
    expect(y.shape).toEqual([2, 3, 8, 8]);
  });
});

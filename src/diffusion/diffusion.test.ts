import { describe, expect, it } from "vitest";
import { compile } from "../runtime/index.ts";
import { NDArray, sizeOf } from "../util/ndarray.ts";
import { Random } from "../util/random.ts";
import { denoisingLoss, drawNoiseLevels, noiseLevels, precondition } from "./edm.ts";
import { followFlow } from "./samplers.ts";
import { skipFactors, tuneSkips } from "./skip-tuning.ts";
import { DiffusionUNet, type DiffusionUNetConfig, initializeDiffusion } from "./unet.ts";

describe("noise levels", () => {
  it("fall from the greatest to the least, and end at 0", () => {
    const levels = noiseLevels(18);
    expect(levels).toHaveLength(19);
    expect(levels[0]).toBeCloseTo(80, 10);
    expect(levels[17]).toBeCloseTo(0.002, 12);
    expect(levels[18]).toBe(0);
    for (let i = 0; i < 18; i++) expect(levels[i + 1]).toBeLessThan(levels[i]!);
    // the second of 18 levels, by the formula
    const [a, b] = [80 ** (1 / 7), 0.002 ** (1 / 7)];
    expect(levels[1]).toBeCloseTo((a + (b - a) / 17) ** 7, 10);
  });

  it("refuse steps and ends that make no sense", () => {
    expect(() => noiseLevels(0)).toThrow(/0 steps/);
    expect(() => noiseLevels(5, { most: 1, least: 2 })).toThrow(/do not fall/);
  });

  it("to learn at are log-normal", () => {
    const logs = [...drawNoiseLevels(new Random(1), 20_000)].map(Math.log);
    const mean = logs.reduce((a, b) => a + b) / logs.length;
    const variance = logs.reduce((sum, x) => sum + (x - mean) ** 2, 0) / logs.length;
    expect(mean).toBeCloseTo(-1.2, 1);
    expect(Math.sqrt(variance)).toBeCloseTo(1.2, 1);
  });
});

describe("preconditioning", () => {
  it("is the best denoiser of normal data where the network says nothing", async () => {
    await using f = await compile(
      ({ x, sigma, clean }) => {
        const denoised = precondition((scaled) => scaled.mul(0), x, sigma);
        return { denoised, loss: denoisingLoss(denoised, clean, sigma) };
      },
      {
        inputs: {
          x: { dtype: "f32", shape: [2, 3] },
          clean: { dtype: "f32", shape: [2, 3] },
          sigma: { dtype: "f32", shape: [2] },
        },
      },
    );
    const x = [1, 2, 3, -1, 0, 4];
    const sigma = [0.5, 2];
    const clean = [0, 1, 0, 1, 0, 1];
    const { denoised, loss } = await f.run({
      x: NDArray.from(x, [2, 3]),
      sigma: NDArray.from(sigma),
      clean: NDArray.from(clean, [2, 3]),
    });
    const wanted = x.map((value, i) => (value * 0.25) / (0.25 + sigma[Math.floor(i / 3)]! ** 2));
    denoised.toNumbers().forEach((value, i) => {
      expect(value).toBeCloseTo(wanted[i]!, 6);
    });
    const terms = wanted.map((value, i) => {
      const s = sigma[Math.floor(i / 3)]!;
      return (((s * s + 0.25) / (s * 0.5) ** 2) * (value - clean[i]!) ** 2) / 6;
    });
    expect(loss.at(0)).toBeCloseTo(
      terms.reduce((a, b) => a + b),
      5,
    );
  });
});

/** What clean data normal ones of deviation `deviation` come from. */
const normalDenoiser = (deviation: number) => async (x: Float64Array, sigma: number) =>
  x.map((value) => (value * deviation ** 2) / (sigma ** 2 + deviation ** 2));

describe("a flow", () => {
  const exact = (80 * 0.5) / Math.sqrt(80 ** 2 + 0.25);
  const errorOf = async (steps: number, solver: "heun" | "euler") => {
    const { x, evaluations } = await followFlow(normalDenoiser(0.5), [80], noiseLevels(steps), { solver });
    return { error: Math.abs(x[0]! - exact), evaluations };
  };

  it("is solved to second order by Heun's method, which looks 2 N − 1 times", async () => {
    const found = await Promise.all([10, 20, 40, 80].map((steps) => errorOf(steps, "heun")));
    expect(found.map(({ evaluations }) => evaluations)).toEqual([19, 39, 79, 159]);
    for (let i = 0; i + 1 < found.length; i++) expect(found[i]!.error / found[i + 1]!.error).toBeGreaterThan(3.5);
    // values of an independent implementation
    [0.11, 0.0218, 0.0049, 0.0012].forEach((error, i) => {
      expect(Math.abs(found[i]!.error / error - 1)).toBeLessThan(0.05);
    });
  });

  it("is solved to first order by Euler's, which looks N times", async () => {
    const [a, b] = [await errorOf(40, "euler"), await errorOf(80, "euler")];
    expect(a.evaluations).toBe(40);
    expect(a.error / b.error).toBeGreaterThan(1.6);
    expect(a.error / b.error).toBeLessThan(2.6);
    expect(a.error).toBeGreaterThan((await errorOf(40, "heun")).error);
  });

  it("leads back from data to the noise that they came from", async () => {
    const down = noiseLevels(80).slice(0, 80);
    const { x } = await followFlow(normalDenoiser(0.5), [80, -30], down);
    const back = await followFlow(normalDenoiser(0.5), x, down.toReversed());
    expect(back.x[0]).toBeCloseTo(80, 0);
    expect(back.x[1]).toBeCloseTo(-30, 0);
  });

  it("keeps the law of the data when noise is added on the way", async () => {
    const random = new Random(5);
    const start = Float64Array.from({ length: 4000 }, () => 80 * random.normal());
    const options = { churn: { amount: 20, seed: 1 } } as const;
    const { x } = await followFlow(normalDenoiser(0.5), start, noiseLevels(40), options);
    const again = await followFlow(normalDenoiser(0.5), start, noiseLevels(40), options);
    expect(again.x).toEqual(x);
    const plain = await followFlow(normalDenoiser(0.5), start, noiseLevels(40));
    expect(plain.x).not.toEqual(x);
    const deviation = Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / x.length);
    expect(Math.abs(deviation - 0.5)).toBeLessThan(0.03);
  });

  it("refuses noise on the way back, and a way without an end", async () => {
    await expect(followFlow(normalDenoiser(1), [1], [1])).rejects.toThrow(/1 noise levels/);
    const churn = { amount: 1, seed: 1 };
    await expect(followFlow(normalDenoiser(1), [1], [1, 2], { churn })).rejects.toThrow(/way back/);
  });
});

const config: DiffusionUNetConfig = { channels: 1, widths: [8, 16], blocks: 1, classes: 3 };

async function outputs(
  model: DiffusionUNet,
  edits: readonly { readonly skips?: readonly number[]; readonly backbone?: readonly number[] }[],
): Promise<readonly (readonly number[])[]> {
  const count = model.skipCount;
  await using f = await compile(
    ({ x, noise, labels, skips, backbone }) => ({ y: model.forward(x, noise, labels, { skips, backbone }) }),
    {
      inputs: {
        x: { dtype: "f32", shape: [2, 1, 8, 8] },
        noise: { dtype: "f32", shape: [2] },
        labels: { dtype: "f32", shape: [2, 3] },
        skips: { dtype: "f32", shape: [count] },
        backbone: { dtype: "f32", shape: [count] },
      },
    },
  );
  const random = new Random(3);
  const x = NDArray.from(random.normals(128), [2, 1, 8, 8]);
  const found: number[][] = [];
  for (const { skips = Array(count).fill(1), backbone = Array(count).fill(1) } of edits) {
    const { y } = await f.run({
      x,
      noise: NDArray.from([0.1, -0.4]),
      labels: NDArray.from([0, 1, 0, 0, 0, 0], [2, 3]),
      skips: NDArray.from(skips),
      backbone: NDArray.from(backbone),
    });
    found.push(y.toNumbers());
  }
  return found;
}

/** With values everywhere, so that nothing is 0 by design. */
function filled(of: DiffusionUNetConfig): DiffusionUNet {
  const model = new DiffusionUNet(of);
  initializeDiffusion(model, 4);
  const random = new Random(9);
  for (const [path, parameter] of model.parameters())
    if (/conv1|last|output/.test(path))
      parameter.value = NDArray.from(random.normals(sizeOf(parameter.shape), 0.2), parameter.shape);
  return model;
}

const largest = (a: readonly number[], b: readonly number[]) =>
  Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));

describe("the network", () => {
  it("has a skip of its first convolution and of every block on the way down", () => {
    expect(new DiffusionUNet(config).skipCount).toBe(4);
    expect(new DiffusionUNet({ ...config, widths: [12, 24, 48] }).skipCount).toBe(6);
  });

  it("begins as nothing, and refuses labels that it does not know", async () => {
    const model = new DiffusionUNet(config);
    initializeDiffusion(model, 1);
    expect((await outputs(model, [{}]))[0]!.every((value) => value === 0)).toBe(true);
    const bare = new DiffusionUNet({ ...config, classes: 0 });
    initializeDiffusion(bare, 1);
    await expect(outputs(bare, [{}])).rejects.toThrow(/labels of 0 classes/);
  });

  it("is changed by factors on skips, each of them, and not by ones", async () => {
    const model = filled(config);
    const one = Array.from({ length: 4 }, (_, i) => ({ skips: [0, 1, 2, 3].map((k) => (k === i ? 0.5 : 1)) }));
    const [plain, ones, ...changed] = await outputs(model, [{}, { skips: [1, 1, 1, 1] }, ...one]);
    expect(ones).toEqual(plain);
    for (const y of changed) expect(largest(plain!, y)).toBeGreaterThan(1e-3);
  });

  it("does not see factors behind a norm whose groups do not straddle the seam", async () => {
    const model = filled({ ...config, shortcut: "normalised" });
    const [plain, scaled, gone] = await outputs(model, [{}, { skips: [0.5, 0.6, 0.7, 0.8] }, { skips: [0, 0, 0, 0] }]);
    expect(largest(plain!, scaled!)).toBeLessThan(1e-4);
    // unless nothing is left to normalise
    expect(largest(plain!, gone!)).toBeGreaterThan(1e-2);
  });
});

describe("skip factors", () => {
  it("lie on a line from the deepest to the topmost, within their window", () => {
    expect([...skipFactors({ bottom: 0.5, top: 1 }, 3)]).toEqual([0.5, 0.75, 1]);
    expect([...skipFactors({ bottom: 0.5, top: 1, window: [0.1, 2] }, 2, 3)]).toEqual([1, 1]);
    expect([...skipFactors({ bottom: 0.5, top: 1, window: [0.1, 2] }, 2, 2)]).toEqual([0.5, 1]);
    expect([...skipFactors({ bottom: 0.5, top: 1 }, 1)]).toEqual([0.5]);
    expect(() => skipFactors({ bottom: Number.NaN, top: 1 }, 2)).toThrow(/finite/);
  });

  it("are found by giving more samples to better cells", async () => {
    const asked: number[] = [];
    const found = await tuneSkips({
      bottoms: [0.6, 0.8, 1],
      tops: [0.9, 1, 1.1],
      rounds: [10, 100],
      distance: async ({ bottom, top }, samples) => {
        asked.push(samples);
        return (bottom - 0.8) ** 2 + (top - 1.1) ** 2;
      },
    });
    expect(found.best).toEqual({ bottom: 0.8, top: 1.1 });
    expect(asked.filter((samples) => samples === 10)).toHaveLength(9);
    expect(asked.filter((samples) => samples === 100)).toHaveLength(3);
    expect(found.cells.filter(({ distances }) => distances.length === 2)).toHaveLength(3);
    await expect(tuneSkips({ bottoms: [], tops: [1], rounds: [1], distance: async () => 0 })).rejects.toThrow(
      /0 cells/,
    );
    const lost = { bottoms: [1], tops: [1], rounds: [1], distance: async () => Number.NaN };
    await expect(tuneSkips(lost)).rejects.toThrow(/is NaN/);
  });
});

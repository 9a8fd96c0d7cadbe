/**
 * SSIM and MS-SSIM against plain loops in double precision, by hand where that is possible, and their gradients against finite differences.
 */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/runtime/index.ts";
import { grad, msSsim, ssim } from "../../src/tensor/index.ts";
import { NDArray, Random } from "../../src/util/index.ts";

type Plane = readonly number[];

/** SSIM and its structure part of two planes, window by window, as the definition has it. */
function reference(x: Plane, y: Plane, height: number, width: number): readonly [whole: number, structure: number] {
  const taps = Array.from({ length: 11 }, (_, i) => Math.exp(-((i - 5) ** 2) / 4.5));
  const sum = taps.reduce((a, b) => a + b, 0);
  let [whole, structure, windows] = [0, 0, 0];
  for (let top = 0; top + 11 <= height; top++)
    for (let left = 0; left + 11 <= width; left++) {
      const mean = (of: (i: number) => number) => {
        let total = 0;
        for (let v = 0; v < 11; v++)
          for (let u = 0; u < 11; u++) total += ((taps[v]! * taps[u]!) / sum ** 2) * of((top + v) * width + left + u);
        return total;
      };
      const [mx, my] = [mean((i) => x[i]!), mean((i) => y[i]!)];
      const vx = mean((i) => (x[i]! - mx) ** 2);
      const vy = mean((i) => (y[i]! - my) ** 2);
      const covariance = mean((i) => (x[i]! - mx) * (y[i]! - my));
      const s = (2 * covariance + 0.0009) / (vx + vy + 0.0009);
      structure += s;
      whole += (s * (2 * mx * my + 0.0001)) / (mx ** 2 + my ** 2 + 0.0001);
      windows++;
    }
  return [whole / windows, structure / windows];
}

function halved(x: Plane, height: number, width: number): Plane {
  return Array.from({ length: (height >> 1) * (width >> 1) }, (_, i) => {
    const at = Math.floor(i / (width >> 1)) * 2 * width + (i % (width >> 1)) * 2;
    return (x[at]! + x[at + 1]! + x[at + width]! + x[at + width + 1]!) / 4;
  });
}

const [height, width] = [24, 30];
const random = new Random(3);
const smooth = Array.from(
  { length: height * width },
  (_, i) => 0.5 + 0.4 * Math.sin(i / 7) * Math.cos(Math.floor(i / width) / 3),
);
const noisy = smooth.map((value) => Math.min(1, Math.max(0, value + 0.1 * random.normal())));
const shape = [2, 1, height, width];
const x = NDArray.from([...smooth, ...smooth], shape);
const y = NDArray.from([...noisy, ...smooth], shape);
const types = { x: { dtype: "f32", shape }, y: { dtype: "f32", shape } } as const;

describe("ssim", () => {
  it("is what the definition says, and 1 for a picture and itself", async () => {
    await using f = await compile(({ x, y }) => ({ s: ssim(x, y) }), { inputs: types });
    const [first, second] = (await f.run({ x, y })).s.toNumbers() as [number, number];
    const [expected] = reference(smooth, noisy, height, width);
    expect(first).toBeCloseTo(expected, 4);
    expect(expected).toBeLessThan(0.9);
    expect(second).toBeCloseTo(1, 5);
  });

  it("of flat pictures is their brightness alone: (2ab + c) / (a² + b² + c)", async () => {
    await using f = await compile(({ x, y }) => ({ s: ssim(x, y) }), { inputs: types });
    const flat = (value: number) => NDArray.from(new Array<number>(2 * height * width).fill(value), shape);
    const { s } = await f.run({ x: flat(0.5), y: flat(0.25) });
    expect(s.at(0)).toBeCloseTo((2 * 0.125 + 0.0001) / (0.25 + 0.0625 + 0.0001), 3);
  });

  it("and msSsim have gradients that agree with finite differences", async () => {
    for (const of of [
      ssim,
      (a: Parameters<typeof ssim>[0], b: Parameters<typeof ssim>[1]) => msSsim(a, b, { weights: [0.4, 0.6] }),
    ]) {
      await using f = await compile(({ x, y }) => ({ s: of(x, y), g: grad((x) => of(x, y).sum())(x)[0]! }), {
        inputs: types,
      });
      const start = NDArray.from([...noisy, ...noisy.toReversed()], shape);
      const { g } = await f.run({ x: start, y: x });
      const norm = Math.hypot(...g.toNumbers());
      const at = async (step: number) => {
        const moved = NDArray.from(
          start.toNumbers().map((v, i) => v + (step * g.at(i)) / norm),
          shape,
        );
        return (await f.run({ x: moved, y: x })).s.toNumbers().reduce((a, b) => a + b, 0);
      };
      expect(((await at(0.02)) - (await at(-0.02))) / 0.04 / norm).toBeCloseTo(1, 1);
      expect(norm).toBeGreaterThan(0.1);
    }
  });

  it("refuses what is too small or of two sizes", async () => {
    const small = { dtype: "f32", shape: [1, 1, 10, 30] } as const;
    await expect(compile(({ x, y }) => ({ s: ssim(x, y) }), { inputs: { x: small, y: small } })).rejects.toThrow(
      /at least 11/,
    );
    await expect(compile(({ x, y }) => ({ s: ssim(x, y) }), { inputs: { x: types.x, y: small } })).rejects.toThrow(
      /one known size/,
    );
    await expect(compile(({ x, y }) => ({ s: msSsim(x, y) }), { inputs: types })).rejects.toThrow(/at least 176/);
  });
});

describe("msSsim", () => {
  it("multiplies structure at full size with the whole index at half of it", async () => {
    await using f = await compile(({ x, y }) => ({ s: msSsim(x, y, { weights: [0.3, 0.7] }) }), { inputs: types });
    const [, structure] = reference(smooth, noisy, height, width);
    const [whole] = reference(halved(smooth, height, width), halved(noisy, height, width), height >> 1, width >> 1);
    expect((await f.run({ x, y })).s.at(0)).toBeCloseTo(structure ** 0.3 * whole ** 0.7, 4);
  });
});

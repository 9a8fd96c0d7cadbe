/**
 * Fourier transforms that are too long for one matrix, against sums in float64: composite, prime and very prime lengths.
 */
import { afterAll, describe, expect, it } from "vitest";
import { compile, getDefaultEngine } from "../../src/runtime/index.ts";
import type { Tensor } from "../../src/tensor/index.ts";
import * as t from "../../src/tensor/index.ts";
import { NDArray } from "../../src/util/ndarray.ts";
import { Random } from "../../src/util/random.ts";

afterAll(async () => {
  await (await getDefaultEngine()).dispose();
});

async function evaluate(f: (x: Tensor) => Tensor, x: NDArray): Promise<number[]> {
  await using executable = await compile(({ x }) => ({ y: f(x) }), { inputs: { x: { dtype: "f32", shape: x.shape } } });
  return (await executable.run({ x })).y.toNumbers();
}

const noise = (shape: readonly number[], seed = 1) => {
  const random = new Random(seed);
  const size = shape.reduce((a, b) => a * b, 1);
  return NDArray.from(
    Array.from({ length: size }, () => random.normal()),
    shape,
  );
};

/** Some bins of the transform of interleaved complex numbers, by their sums. */
function bin(x: readonly number[], n: number, k: number): [number, number] {
  let [re, im] = [0, 0];
  for (let i = 0; i < n; i++) {
    const angle = (-2 * Math.PI * ((i * k) % n)) / n;
    const [a, b] = [x[2 * i]!, x[2 * i + 1]!];
    re += a * Math.cos(angle) - b * Math.sin(angle);
    im += a * Math.sin(angle) + b * Math.cos(angle);
  }
  return [re, im];
}

describe.each([600, 1009, 2053, 4096])("transforms of %i", (n) => {
  const bins = [0, 1, 2, 17, Math.floor(n / 2), n - 1];
  const close = (y: readonly number[], k: number, [re, im]: readonly [number, number]) => {
    expect(Math.abs(y[2 * k]! - re)).toBeLessThan(2e-5 * n);
    expect(Math.abs(y[2 * k + 1]! - im)).toBeLessThan(2e-5 * n);
  };

  it("agree with their sums", async () => {
    const x = noise([n, 2]);
    const y = await evaluate((v) => t.fft(v), x);
    for (const k of bins) close(y, k, bin(x.toNumbers(), n, k));
  });

  it("come back", async () => {
    const x = noise([2, n, 2], 2);
    const y = await evaluate((v) => t.ifft(t.fft(v)), x);
    y.forEach((v, i) => {
      if (Math.abs(v - x.at(i)) > 1e-4) expect.fail(`element ${i} came back as ${v}, not ${x.at(i)}`);
    });
  });

  it("of real numbers are half of it, and come back", async () => {
    const x = noise([n], 3);
    const complex = x.toNumbers().flatMap((v) => [v, 0]);
    const y = await evaluate((v) => t.rfft(v), x);
    expect(y.length).toBe(2 * (Math.floor(n / 2) + 1));
    for (const k of bins.filter((k) => k <= n / 2)) close(y, k, bin(complex, n, k));
    const back = await evaluate((v) => t.irfft(t.rfft(v), { length: n }), x);
    back.forEach((v, i) => {
      if (Math.abs(v - x.at(i)) > 1e-4) expect.fail(`element ${i} came back as ${v}, not ${x.at(i)}`);
    });
  });

  it("have gradients that are transforms themselves", async () => {
    // Σ |y|² = n Σ |x|²
    const x = noise([n, 2], 4);
    const g = await evaluate(
      (v) =>
        t.grad((u: Tensor) =>
          t
            .fft(u)
            .square()
            .sum()
            .div(2 * n),
        )(v)[0]!,
      x,
    );
    g.forEach((v, i) => {
      if (Math.abs(v - x.at(i)) > 1e-3) expect.fail(`gradient ${i} is ${v}, not ${x.at(i)}`);
    });
  });
});

it("transforms name what they cannot take", () => {
  const x = t.input("x", "f32", [4, 3]);
  expect(() => t.fft(x)).toThrow(/fft: complex numbers have a last axis of size 2, got \[4, 3\]/);
  expect(() => t.rfft(x, { length: 0 })).toThrow(/at least one element, got length 0/);
  expect(() => t.rfft(t.input("y", "f32", ["n"]))).toThrow(/must have a known size/);
  expect(() => t.stft(t.input("z", "f32", [64]), { fftLength: 16, windowLength: 20 })).toThrow(
    /no wider than the frame/,
  );
  expect(() => t.istft(t.input("s", "f32", [9, 4, 2]), { fftLength: 16, hop: 16, center: false })).toThrow(
    /no window reaches sample 0/,
  );
});

import { describe, expect, it } from "vitest";
import { Random } from "../util/random.ts";
import { symmetricEigen, symmetricRoot } from "../util/symmetric.ts";
import { frechetDistance, frechetOfMoments, meanDiscrepancy, nearestDistances, slicedWasserstein } from "./quality.ts";

function normals(count: number, size: number, seed: number, shift = 0, scale = 1) {
  const data = new Random(seed).normals(count * size).map((value) => shift + scale * value);
  return { data, size };
}

describe("symmetric matrices", () => {
  it("are taken apart and put together again", () => {
    const n = 12;
    const b = new Random(1).normals(n * n);
    const a = Float64Array.from({ length: n * n }, (_, at) => {
      const [i, j] = [Math.floor(at / n), at % n];
      let sum = 0;
      for (let k = 0; k < n; k++) sum += b[i * n + k]! * b[j * n + k]!;
      return sum;
    });
    const { values, vectors } = symmetricEigen(a, n);
    const root = symmetricRoot(a, n);
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) {
        let [whole, square, dot] = [0, 0, 0];
        for (let k = 0; k < n; k++) {
          whole += vectors[i * n + k]! * values[k]! * vectors[j * n + k]!;
          square += root[i * n + k]! * root[k * n + j]!;
          dot += vectors[k * n + i]! * vectors[k * n + j]!;
        }
        expect(whole).toBeCloseTo(a[i * n + j]!, 9);
        expect(square).toBeCloseTo(a[i * n + j]!, 9);
        expect(dot).toBeCloseTo(i === j ? 1 : 0, 10);
      }
    expect([...symmetricEigen([2, 1, 1, 2], 2).values].sort()).toEqual([expect.closeTo(1, 12), expect.closeTo(3, 12)]);
  });

  it("must be square, and of numbers", () => {
    expect(() => symmetricEigen([1, 2, 3], 2)).toThrow(/3 numbers/);
    expect(() => symmetricEigen([1, Number.NaN, 1, 1], 2)).toThrow(/NaN/);
  });
});

describe("the Fréchet distance", () => {
  it("is exact for known distributions", () => {
    const diagonal = (...values: number[]) =>
      Float64Array.from({ length: values.length ** 2 }, (_, at) =>
        at % (values.length + 1) === 0 ? values[at / (values.length + 1)]! : 0,
      );
    const a = { mean: Float64Array.of(0, 0), covariance: diagonal(1, 4) };
    const b = { mean: Float64Array.of(3, 4), covariance: diagonal(9, 4) };
    // 25 from the means, (1 − 3)² from the first deviation
    expect(frechetOfMoments(a, b)).toBeCloseTo(29, 9);
    expect(frechetOfMoments(b, a)).toBeCloseTo(29, 9);
    expect(frechetOfMoments(a, a)).toBeCloseTo(0, 9);
  });

  it("is small between samples of one distribution, and grows with shift and scale", () => {
    const a = normals(2000, 4, 1);
    expect(frechetDistance(a, normals(2000, 4, 2))).toBeLessThan(0.02);
    expect(frechetDistance(a, normals(2000, 4, 3, 1))).toBeCloseTo(4, 0);
    expect(frechetDistance(a, normals(2000, 4, 4, 0, 2))).toBeCloseTo(4, 0);
    expect(() => frechetDistance(a, normals(10, 3, 1))).toThrow(/4 and of 3/);
    expect(() => frechetDistance(a, { data: [1, 2, 3, 4], size: 4 })).toThrow(/1 vectors/);
  });
});

describe("other distances", () => {
  it("sliced Wasserstein is the shift's share along random directions", () => {
    const a = normals(3000, 3, 1);
    expect(slicedWasserstein(a, a)).toBe(0);
    expect(slicedWasserstein(a, normals(3000, 3, 2))).toBeLessThan(0.1);
    // a shift of 2 along each of 3 axes: length √12, of which a random direction sees √(1 / 3) in the mean square
    expect(slicedWasserstein(a, normals(3000, 3, 2, 2), { directions: 400 })).toBeCloseTo(2, 0);
  });

  it("mean discrepancy is nothing in the mean for one distribution", () => {
    const same = [1, 2, 3, 4].map((seed) => meanDiscrepancy(normals(200, 3, seed), normals(200, 3, 10 + seed)));
    expect(Math.abs(same.reduce((sum, value) => sum + value) / 4)).toBeLessThan(0.004);
    expect(meanDiscrepancy(normals(200, 3, 1), normals(200, 3, 2, 1))).toBeGreaterThan(0.1);
  });

  it("nearest distances are those to the nearest", () => {
    const b = { data: [0, 0, 3, 4], size: 2 };
    expect([...nearestDistances({ data: [0, 1, 3, 3], size: 2 }, b)]).toEqual([1, 1]);
  });
});

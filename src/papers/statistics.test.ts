import jstat from "jstat";
import { describe, expect, it } from "vitest";
import { bootstrapMean, chiSquareTail, ratioOfSums, testLaw } from "./statistics.ts";

describe("chi-square", () => {
  it("agrees with an independent implementation", () => {
    for (const freedom of [1, 2, 7, 24, 124, 600])
      for (const share of [0.01, 0.5, 1, 1.3, 2])
        expect(chiSquareTail(share * freedom, freedom)).toBeCloseTo(
          1 - jstat.chisquare.cdf(share * freedom, freedom),
          8,
        );
    // far out, where 1 − cdf has no digits left: 2 degrees of freedom are an exponential
    expect(chiSquareTail(200, 2) / Math.exp(-100)).toBeCloseTo(1, 10);
    expect(chiSquareTail(0, 3)).toBe(1);
  });

  it("finds counts that fit, that do not, and that cannot be", () => {
    const law = new Map([
      ["a", 0.5],
      ["b", 0.3],
      ["c", 0.2],
    ]);
    const exact = testLaw(new Map(Object.entries({ a: 500, b: 300, c: 200 })), law);
    expect(exact).toMatchObject({ chiSquare: 0, degreesOfFreedom: 2, pValue: 1, totalVariation: 0 });
    const off = testLaw(new Map(Object.entries({ a: 400, b: 300, c: 300 })), law);
    expect(off.chiSquare).toBeCloseTo(100 ** 2 / 500 + 100 ** 2 / 200, 10);
    expect(off.totalVariation).toBeCloseTo(0.1, 12);
    expect(off.pValue).toBeLessThan(1e-14);
    expect(testLaw(new Map([["d", 10]]), law)).toMatchObject({ pValue: 0, totalVariation: 1 });
    expect(() => testLaw(new Map(), law)).toThrow(/nothing/);
  });

  it("joins outcomes that are rare", () => {
    const law = new Map([["a", 0.97], ...Array.from({ length: 10 }, (_, i) => [`r${i}`, 0.003] as const)]);
    expect(testLaw(new Map([["a", 100]]), law).degreesOfFreedom).toBe(1);
  });
});

describe("a ratio of sums", () => {
  it("has the error of its parts", () => {
    const parts = [
      { numerator: 10, denominator: 5 },
      { numerator: 14, denominator: 5 },
    ];
    expect(ratioOfSums(parts).value).toBe(2.4);
    // two means, 2 and 2.8, with a standard deviation of 0.566
    expect(ratioOfSums(parts).error).toBeCloseTo(0.4, 12);
    expect(() => ratioOfSums([])).toThrow(/no parts/);
  });
});

describe("bootstrap", () => {
  it("is as wide as the standard error of a mean says, and the same for the same seed", () => {
    // mean 0.5, standard deviation 0.5: standard error 0.025
    const values = Array.from({ length: 400 }, (_, i) => i % 2);
    const { value, low, high } = bootstrapMean(values, 1);
    expect(value).toBe(0.5);
    expect(Math.abs(low - (0.5 - 1.96 * 0.025))).toBeLessThan(0.006);
    expect(Math.abs(high - (0.5 + 1.96 * 0.025))).toBeLessThan(0.006);
    expect(bootstrapMean(values, 1)).toEqual({ value, low, high });
    expect(bootstrapMean([3, 3], 1)).toEqual({ value: 3, low: 3, high: 3 });
    expect(() => bootstrapMean([], 1)).toThrow(/no values/);
  });
});

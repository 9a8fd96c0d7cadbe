import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Random } from "../util/random.ts";
import { argmax, logSumExp, Sampler, tokenLogprob } from "./sampler.ts";

const draws = 20_000;

/** Pearson's statistic of `draws` samples against the distribution that the sampler states. */
function chiSquare(sampler: Sampler, logits: Float32Array): { statistic: number; freedom: number } {
  const counts = new Float64Array(logits.length);
  for (let i = 0; i < draws; i++) counts[sampler.sample(logits)]!++;
  let statistic = 0;
  let freedom = -1;
  sampler.distribution(logits).forEach((p, id) => {
    if (p === 0) {
      expect(counts[id]).toBe(0);
      return;
    }
    freedom++;
    statistic += (counts[id]! - p * draws) ** 2 / (p * draws);
  });
  return { statistic, freedom };
}

/** Above this a chi-square variable lies with probability 1e-4 (Wilson and Hilferty's approximation). */
function bound(freedom: number): number {
  return freedom * (1 - 2 / (9 * freedom) + 3.719 * Math.sqrt(2 / (9 * freedom))) ** 3;
}

describe("Sampler", () => {
  const logits = new Random(5).normals(24, 1.2);

  it.each([
    { temperature: 1 },
    { temperature: 0.6 },
    { temperature: 1.5, topK: 8 },
    { temperature: 1, topP: 0.8 },
    { temperature: 1, minP: 0.05 },
    { temperature: 1, typicalP: 0.7 },
    { temperature: 0.9, topK: 12, topP: 0.9, minP: 0.05 },
  ])("draws from the stated distribution with $temperature $topK $topP $minP $typicalP", (options) => {
    const { statistic, freedom } = chiSquare(new Sampler({ ...options, seed: 11 }), logits);
    expect(freedom).toBeGreaterThan(1);
    expect(statistic).toBeLessThan(bound(freedom));
  });

  it("fails that test for another distribution", () => {
    const sampler = new Sampler({ temperature: 1, seed: 11 });
    const other = new Sampler({ temperature: 0.9 }).distribution(logits);
    const counts = new Float64Array(logits.length);
    for (let i = 0; i < draws; i++) counts[sampler.sample(logits)]!++;
    const statistic = counts.reduce(
      (sum, count, id) => sum + (count - other[id]! * draws) ** 2 / (other[id]! * draws),
      0,
    );
    expect(statistic).toBeGreaterThan(bound(logits.length - 1));
  });

  it("repeats itself with the same seed only", () => {
    const run = (seed?: number) => {
      const sampler = new Sampler({ temperature: 1, seed });
      return Array.from({ length: 40 }, () => sampler.sample(logits));
    };
    expect(run(3)).toEqual(run(3));
    expect(run(3)).not.toEqual(run(4));
    expect(run()).not.toEqual(run());
  });

  it("is greedy by default and takes the first of equals", () => {
    const sampler = new Sampler({});
    expect(sampler.greedy).toBe(true);
    expect(sampler.sample(Float32Array.of(1, 3, 3, 2))).toBe(1);
    expect([...sampler.distribution(Float32Array.of(1, 3, 3, 2))]).toEqual([0, 1, 0, 0]);
  });

  it("refuses logits that leave nothing to choose", () => {
    const nothing = new Float32Array(3).fill(Number.NaN);
    for (const temperature of [0, 1]) {
      expect(() => new Sampler({ temperature }).sample(nothing)).toThrow(expect.objectContaining({ code: "nan" }));
      const infinite = new Float32Array(3).fill(Number.NEGATIVE_INFINITY);
      expect(() => new Sampler({ temperature }).sample(infinite)).toThrow(expect.objectContaining({ code: "nan" }));
    }
  });

  it("penalises repetition of prompt and answer, dividing what is positive and multiplying what is negative", () => {
    const sampler = new Sampler({ repetitionPenalty: 2 }, [0, 1]);
    sampler.accept(3);
    expect([...sampler.adjust(Float32Array.of(4, -4, 4, 6))]).toEqual([2, -8, 4, 3]);
  });

  it("penalises presence once and frequency each time, of the answer only", () => {
    const sampler = new Sampler({ presencePenalty: 1, frequencyPenalty: 0.25 }, [0]);
    for (const token of [1, 1, 2]) sampler.accept(token);
    expect([...sampler.adjust(Float32Array.of(5, 5, 5, 5))]).toEqual([5, 3.5, 3.75, 5]);
  });

  it("adds biases, and leaves the caller's logits alone", () => {
    const original = Float32Array.of(1, 2, 3);
    const sampler = new Sampler({ logitBias: { 0: 5, 2: -100 } });
    expect([...sampler.adjust(original)]).toEqual([6, 2, -97]);
    expect(sampler.sample(original)).toBe(0);
    expect([...original]).toEqual([1, 2, 3]);
  });
});

describe("log-probabilities", () => {
  it("sum to one, sorted, with the chosen token's own", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -30, max: 30, noNaN: true }), { minLength: 2, maxLength: 60 }),
        fc.nat(),
        (values, which) => {
          const logits = Float32Array.from(values);
          const token = which % logits.length;
          const { logprob, top } = tokenLogprob(logits, token, logits.length);
          expect(logprob).toBeCloseTo(logits[token]! - logSumExp(logits), 6);
          expect(top.reduce((sum, entry) => sum + Math.exp(entry.logprob), 0)).toBeCloseTo(1, 5);
          expect(top.map((entry) => entry.logprob)).toEqual(top.map((entry) => entry.logprob).sort((a, b) => b - a));
          expect(new Set(top.map((entry) => entry.token)).size).toBe(logits.length);
          expect(top[0]!.token).toBe(argmax(logits));
          expect(tokenLogprob(logits, token, 2).top).toEqual(top.slice(0, 2));
        },
      ),
      { seed: 3 },
    );
  });

  it("reports no alternatives when none were asked for", () => {
    expect(tokenLogprob(Float32Array.of(0, 0), 1, 0)).toEqual({
      token: 1,
      logprob: expect.closeTo(-Math.LN2, 6),
      top: [],
    });
  });
});

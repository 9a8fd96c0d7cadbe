import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { candidatesOf } from "./filters.ts";
import type { SamplingOptions } from "./options.ts";
import { argmax } from "./sampler.ts";

const logitsOf = fc
  .array(fc.double({ min: -20, max: 20, noNaN: true }), { minLength: 1, maxLength: 200 })
  .map((values) => Float32Array.from(values));

function kept(logits: Float32Array, options: SamplingOptions): Map<number, number> {
  const { ids, probabilities } = candidatesOf(logits, logits[argmax(logits)]!, options);
  return new Map(Array.from(ids, (id, i) => [id, probabilities[i]!]));
}

/** What the filters should do, written as plainly as possible: sort everything, cut, repeat. */
function plainly(logits: Float32Array, options: SamplingOptions): Map<number, number> {
  const { temperature = 1, topK = 0, topP = 1, minP = 0, typicalP = 1 } = options;
  const highest = Math.max(...logits);
  let left = Array.from(logits, (logit, id) => ({ id, cost: Math.fround((highest - logit) / temperature) }));
  const normalized = () => {
    const total = left.reduce((sum, { cost }) => sum + Math.exp(-cost), 0);
    return left.map(({ cost }) => Math.exp(-cost) / total);
  };
  const byCost = () => left.sort((a, b) => a.cost - b.cost || a.id - b.id);
  const cut = (mass: number) => {
    const p = normalized();
    let sum = 0;
    left = left.filter((_, i) => {
      const keep = i === 0 || sum < mass;
      sum += p[i]!;
      return keep;
    });
  };
  if (topK > 0) left = byCost().slice(0, topK);
  if (typicalP < 1) {
    const p = normalized();
    const entropy = p.reduce((sum, x) => sum - (x > 0 ? x * Math.log(x) : 0), 0);
    const distance = new Map(left.map(({ id }, i) => [id, Math.abs(-Math.log(p[i]!) - entropy)]));
    left.sort((a, b) => distance.get(a.id)! - distance.get(b.id)!);
    cut(typicalP);
  }
  if (topP < 1) {
    byCost();
    cut(topP);
  }
  const best = Math.min(...left.map(({ cost }) => cost));
  if (minP > 0) left = left.filter(({ cost }) => Math.exp(-(cost - best)) >= minP);
  const p = normalized();
  return new Map(left.map(({ id }, i) => [id, p[i]!]));
}

describe("candidatesOf", () => {
  it("leaves the model's distribution alone without filters", () => {
    const p = kept(Float32Array.of(0, Math.log(2), Math.log(5)), {});
    expect([0, 1, 2].map((id) => p.get(id)!)).toEqual([1 / 8, 2 / 8, 5 / 8].map((x) => expect.closeTo(x, 6)));
  });

  it("divides by the temperature, however small", () => {
    const p = kept(Float32Array.of(0, Math.log(4)), { temperature: 2 });
    expect(p.get(1)).toBeCloseTo(2 / 3, 6);
    expect(kept(Float32Array.of(90, 89.9, -50), { temperature: 1e-30 }).get(0)).toBe(1);
  });

  it("does what plain sorting does, in any combination", () => {
    fc.assert(
      fc.property(
        logitsOf,
        fc.record(
          {
            temperature: fc.double({ min: 0.1, max: 4, noNaN: true }),
            topK: fc.integer({ min: 0, max: 50 }),
            topP: fc.double({ min: 0.01, max: 0.99, noNaN: true }),
            minP: fc.double({ min: 0.01, max: 0.9, noNaN: true }),
          },
          { requiredKeys: ["temperature"] },
        ),
        (logits, options) => {
          const actual = kept(logits, options);
          const expected = plainly(logits, options);
          // a sum that lands on the bound within rounding may take one token more or less
          expect(Math.abs(actual.size - expected.size)).toBeLessThanOrEqual(1);
          if (actual.size !== expected.size) return;
          for (const [id, p] of expected) expect(actual.get(id)).toBeCloseTo(p, 5);
        },
      ),
      { seed: 7, numRuns: 400 },
    );
  });

  it("takes the nucleus of what top-k has left", () => {
    // ten equal tokens: top-k keeps four, half of their mass is two
    const logits = new Float32Array(10);
    expect([...kept(logits, { topK: 4, topP: 0.5 }).keys()]).toEqual([0, 1]);
    // the two likeliest hold half of everything; after top-k of three a nucleus of 0.9 still needs all three
    const spread = Float32Array.from([0.3, 0.2, 0.15, ...new Array(35).fill(0.01)], Math.log);
    expect([...kept(spread, { topK: 3, topP: 0.9 }).keys()]).toEqual([0, 1, 2]);
  });

  it("keeps what is typical, which need not be the likeliest", () => {
    // one token of 0.4 and sixty of 0.01: the entropy is 3.1, surprises are 0.9 and 4.6
    const logits = Float32Array.from([0.4, ...new Array(60).fill(0.01)], Math.log);
    const few = kept(logits, { typicalP: 0.295 });
    expect(few.has(0)).toBe(false);
    expect(few.size).toBe(30);
    fc.assert(
      fc.property(logitsOf, fc.double({ min: 0.05, max: 0.95, noNaN: true }), (values, typicalP) => {
        const actual = kept(values, { typicalP });
        const all = kept(values, {});
        const mass = [...actual.keys()].reduce((sum, id) => sum + all.get(id)!, 0);
        expect(mass).toBeGreaterThanOrEqual(typicalP - 1e-6);
        expect(Math.abs(actual.size - plainly(values, { typicalP }).size)).toBeLessThanOrEqual(1);
      }),
      { seed: 8, numRuns: 200 },
    );
  });

  it("always leaves at least one token and probabilities that sum to 1", () => {
    fc.assert(
      fc.property(logitsOf, fc.constantFrom(0, 1e-9, 0.5, 1), fc.constantFrom(0, 1e-9, 0.5, 1), (logits, a, b) => {
        const p = kept(logits, { topP: a, typicalP: b, minP: 1 });
        expect(p.size).toBeGreaterThan(0);
        expect([...p.values()].reduce((x, y) => x + y)).toBeCloseTo(1, 9);
      }),
      { seed: 9 },
    );
  });

  it("never chooses what is not a number or infinitely unlikely", () => {
    const p = kept(Float32Array.of(1, Number.NaN, Number.NEGATIVE_INFINITY), { temperature: 0.5, topP: 0.999 });
    expect(p.get(0)).toBe(1);
    expect(p.get(1) ?? 0).toBe(0);
    expect(p.get(2) ?? 0).toBe(0);
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type MergeRules, mergeSymbols, PairTable } from "./merge.ts";

/** The definition, step by step: merge the leftmost pair of lowest rank until none is left. */
function mergeSlowly(ids: number[], rules: MergeRules): number[] {
  const out = [...ids];
  for (;;) {
    let best = -1;
    let bestRank = Number.POSITIVE_INFINITY;
    for (let i = 0; i + 1 < out.length; i++) {
      const rank = rules.rankOf(out[i], out[i + 1]);
      if (rank >= 0 && rank < bestRank) [best, bestRank] = [i, rank];
    }
    if (best < 0) return out;
    out.splice(best, 2, rules.mergedOf(out[best], out[best + 1]));
  }
}

describe("mergeSymbols", () => {
  it("does what the definition says, for short and long words", () => {
    const merges = fc.uniqueArray(fc.tuple(fc.nat(12), fc.nat(12)), {
      selector: ([a, b]) => a * 100 + b,
      maxLength: 30,
    });
    const word = fc.oneof(
      fc.array(fc.nat(3), { maxLength: 40 }),
      fc.array(fc.nat(3), { minLength: 60, maxLength: 300 }),
    );
    fc.assert(
      fc.property(merges, word, fc.boolean(), (pairs, ids, ties) => {
        const table = new PairTable(4);
        pairs.forEach(([a, b], i) => {
          table.set(a, b, i);
        });
        const rules: MergeRules = {
          rankOf: (a, b) => {
            const i = table.get(a, b);
            return i === undefined ? -1 : ties ? i >> 2 : i;
          },
          // with ties, pairs of one rank merge to one id, as equal scores of one token do
          mergedOf: (a, b) => 4 + ((table.get(a, b)! >> (ties ? 2 : 0)) % 9),
        };
        const symbols = Int32Array.from(ids);
        const count = mergeSymbols(symbols, symbols.length, rules);
        expect(Array.from(symbols.subarray(0, count))).toEqual(mergeSlowly(ids, rules));
      }),
      { numRuns: 400 },
    );
  });

  it("keeps the first of equal pairs when asked to, and grows", () => {
    const table = new PairTable(1);
    for (let i = 0; i < 1000; i++) table.set(i, 2 * i, i);
    table.set(5, 10, 77, true);
    expect(table.count).toBe(1000);
    for (let i = 0; i < 1000; i++) expect(table.get(i, 2 * i)).toBe(i);
    expect(table.get(1, 1)).toBeUndefined();
  });
});

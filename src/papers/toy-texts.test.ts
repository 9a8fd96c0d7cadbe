import { describe, expect, it } from "vitest";
import { kSeqVerifier, recursiveRejection, speculativeSampling } from "../decode/index.ts";
import { Random } from "../util/random.ts";
import { testLaw } from "./statistics.ts";
import { drawToyTexts, randomDistributions, toyLaw, toyPair } from "./toy-texts.ts";

const pair = toyPair(5, 3);
const settings = { pair, length: 2, draws: 10_000, seed: 4 } as const;
const law = toyLaw(pair, 2);

describe("toy texts", () => {
  it("have a law that sums to 1, and random distributions do too", () => {
    expect(law.size).toBe(25);
    expect([...law.values()].reduce((a, b) => a + b)).toBeCloseTo(1, 12);
    const random = new Random(1);
    for (const concentration of [0.1, 1, 5]) {
      const { p, q } = randomDistributions(6, random, concentration);
      for (const x of [p, q]) expect(x.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
    }
  });

  it.each([
    ["with replacement", { kind: "branching", widths: [3, 2], replacement: true }, speculativeSampling],
    ["with replacement under k-SEQ", { kind: "branching", widths: [2, 2], replacement: true }, kSeqVerifier],
    ["without replacement", { kind: "branching", widths: [3, 2] }, recursiveRejection],
    ["of a beam", { kind: "beam", width: 3, depth: 2 }, recursiveRejection],
  ] as const)("of trees %s follow it", async (_, shape, verifier) => {
    expect(testLaw(await drawToyTexts({ ...settings, shape, verifier }), law).pValue).toBeGreaterThan(0.001);
  });

  it("of spoilt drafts do not", async () => {
    const counts = await drawToyTexts({
      ...settings,
      shape: { kind: "branching", widths: [3] },
      verifier: recursiveRejection,
      spoil: (draft) => ({ ...draft, draws: new Map([...draft.draws!].map(([i, drawn]) => [i, drawn.toReversed()])) }),
    });
    expect(testLaw(counts, law).pValue).toBeLessThan(1e-9);
  });

  it("stop when they are told to", async () => {
    const drawing = drawToyTexts({
      ...settings,
      shape: { kind: "chain", length: 2 },
      verifier: speculativeSampling,
      signal: AbortSignal.abort(),
    });
    await expect(drawing).rejects.toThrow(/abort/);
  });
});

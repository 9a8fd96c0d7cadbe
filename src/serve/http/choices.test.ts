import { describe, expect, it } from "vitest";
import { nthOptions } from "./choices.ts";

describe("nthOptions", () => {
  const { signal } = new AbortController();

  it("gives every answer a seed of its own, also where seeds end", () => {
    for (const seed of [0, -3, Number.MAX_SAFE_INTEGER - 1, Number.MAX_SAFE_INTEGER]) {
      const seeds = [0, 1, 2].map((index) => nthOptions({ seed }, index, signal).seed);
      expect(seeds[0]).toBe(seed);
      expect(new Set(seeds).size).toBe(3);
      expect(seeds.every(Number.isSafeInteger)).toBe(true);
    }
    expect(nthOptions({}, 1, signal).seed).toBeUndefined();
  });
});

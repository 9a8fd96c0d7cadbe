import { describe, expect, it } from "vitest";
import { Random } from "../../util/random.ts";
import { NgramCounts } from "./ngram-counts.ts";

const random = new Random(3);
const documents = Array.from({ length: 40 }, () => Array.from({ length: 60 }, () => random.integer(12)));

/** Counts by comparing, the slow way. */
function countBySearch(wanted: readonly number[]): number {
  let count = 0;
  for (const tokens of documents)
    for (let i = 0; i + wanted.length <= tokens.length; i++)
      if (wanted.every((token, j) => tokens[i + j] === token)) count++;
  return count;
}

describe("n-gram counts", () => {
  const counts = NgramCounts.fromDocuments(documents, 4);

  it("are those of a search, within documents only", () => {
    for (let i = 0; i < 300; i++) {
      const wanted = Array.from({ length: 1 + random.integer(4) }, () => random.integer(13));
      expect(counts.count(wanted), String(wanted)).toBe(countBySearch(wanted));
    }
    expect(counts.count([1, 2, 3, 4, 5])).toBe(0);
  });

  it("leave unseen contexts out, and count an unseen continuation of a seen one as nothing", () => {
    const store = NgramCounts.fromDocuments([
      [1, 2, 3],
      [1, 2, 4],
      [5, 2, 3],
    ]);
    const weights = [0.5, 0.25, 0.125];
    // after 2: 3 twice in three; after 1 2: 3 once in two
    expect(store.after([1, 2], weights).share(3)).toBeCloseTo(0.5 * (2 / 3) + 0.25 * (1 / 2), 12);
    // "9 2" was never seen: only the context "2" speaks
    expect(store.after([9, 2], weights).share(3)).toBeCloseTo(0.5 * (2 / 3), 12);
    // "5 2" was seen, and 4 never after it
    expect(store.after([5, 2], weights).share(4)).toBeCloseTo(0.5 * (1 / 3), 12);
    expect(store.after([1, 2], weights).share(9)).toBe(0);
    expect(store.after([9], weights).share(1)).toBe(0);
  });

  it("grow by merging, shrink by pruning, and survive a file", () => {
    const half = documents.length / 2;
    const merged = NgramCounts.fromDocuments(documents.slice(0, half), 4).merge(
      NgramCounts.fromDocuments(documents.slice(half), 4),
    );
    expect(merged.bytes()).toEqual(counts.bytes());
    const file = counts.bytes();
    const shifted = new Uint8Array(file.length + 4).subarray(4);
    shifted.set(file);
    for (const bytes of [file, shifted]) expect(NgramCounts.fromBytes(bytes).bytes()).toEqual(file);
    const pruned = counts.prune(3);
    expect(pruned.size).toBeLessThan(counts.size);
    for (let a = 0; a < 12; a++)
      for (let b = 0; b < 12; b++) {
        const count = counts.count([a, b]);
        expect(pruned.count([a, b])).toBe(count >= 3 ? count : 0);
      }
    expect(() => counts.merge(NgramCounts.fromDocuments(documents, 3))).toThrow(/orders 4 and 3/);
    expect(() => NgramCounts.fromDocuments(documents, 1)).toThrow(/order 1/);
    expect(() => NgramCounts.fromBytes(file.subarray(0, file.length - 1))).toThrow(/was cut/);
    expect(() => NgramCounts.fromBytes(new Uint8Array(64))).toThrow(/no n-gram counts/);
  });
});

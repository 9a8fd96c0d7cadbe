import { describe, expect, it } from "vitest";
import { parseConll } from "./conll.ts";
import { causalCueCeiling, cueNames, cueTypes, cueVocabulary, drawCueSentences } from "./cue-sentences.ts";

describe("sentences with a cue", () => {
  const sentences = drawCueSentences({ count: 4000, rightShare: 0.5, seed: 1 });

  it("tag one of 40 names, in words of the vocabulary", () => {
    expect(cueNames).toHaveLength(40);
    expect(new Set(cueNames.map(([first]) => first)).size).toBe(40);
    const known = new Set(cueVocabulary);
    for (const { words, tags, type } of sentences) {
      expect(words.every((word) => known.has(word))).toBe(true);
      const at = tags.findIndex((tag) => tag !== "O");
      const name = cueNames.find(([first]) => first === words[at])!;
      expect(tags.filter((tag) => tag !== "O")).toEqual(name.map((_, i) => `${i ? "I" : "B"}-${type}`));
      expect(words.slice(at, at + name.length)).toEqual(name);
    }
  });

  it("say nothing to a reader from left to right when the cue is behind, and all when it is before", () => {
    const byLeft = new Map<string, Set<string>>();
    for (const { words, tags, type, cueBehind } of sentences) {
      const left = `${cueBehind} ${words
        .slice(
          0,
          tags.findIndex((tag) => tag !== "O"),
        )
        .join(" ")}`;
      byLeft.set(left, (byLeft.get(left) ?? new Set()).add(type));
    }
    for (const [left, types] of byLeft) expect([left, types.size]).toEqual([left, left.startsWith("true") ? 3 : 1]);
    const behind = sentences.filter(({ cueBehind }) => cueBehind).length;
    expect(Math.abs(behind / sentences.length - 0.5)).toBeLessThan(0.03);
    for (const type of cueTypes)
      expect(sentences.filter((sentence) => sentence.type === type).length).toBeGreaterThan(1200);
    expect(causalCueCeiling(1)).toBeCloseTo(1 / 3, 12);
    expect(causalCueCeiling(0)).toBe(1);
    expect(() => drawCueSentences({ count: 1, rightShare: 2, seed: 1 })).toThrow(/rightShare is 2/);
    expect(drawCueSentences({ count: 3, rightShare: 0.5, seed: 1 })).toEqual(sentences.slice(0, 3));
  });
});

describe("CoNLL columns", () => {
  it("are words with tags, a text for each block of lines", () => {
    expect(parseConll("EU\tNNP\tB-ORG\r\nrejects\tVBZ\tO\n\n\t\nPeter\tB-PER\n")).toEqual([
      { words: ["EU", "rejects"], tags: ["B-ORG", "O"] },
      { words: ["Peter"], tags: ["B-PER"] },
    ]);
    expect(() => parseConll("one\tO\ntwo\n")).toThrow(/line 2 is "two"/);
  });
});

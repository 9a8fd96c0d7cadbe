import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bestTags, mayFollow, type Span, spanScores, spansOf, tagsOf } from "./iob2.ts";

const words = (text: string) => text.split(" ");

describe("spans", () => {
  it.each<[string, string]>([
    ["O B-PER I-PER O", "1-3 PER"],
    ["B-PER B-PER", "0-1 PER, 1-2 PER"],
    ["B-PER I-PER B-PER", "0-2 PER, 2-3 PER"],
    // an I that does not go on with its type ends the span and belongs to none
    ["B-PER I-LOC", "0-1 PER"],
    ["B-PER I-LOC I-PER", "0-1 PER"],
    ["I-PER I-PER O", ""],
    ["O I-LOC B-LOC I-LOC", "2-4 LOC"],
    ["B-a-b I-a-b", "0-2 a-b"],
  ])("of %s are %s", (tags, spans) => {
    expect(
      spansOf(words(tags))
        .map(({ start, end, type }) => `${start}-${end} ${type}`)
        .join(", "),
    ).toBe(spans);
  });

  it("come back from their tags", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 0, max: 2 }), fc.constantFrom("X", "Y"))),
        (parts) => {
          const spans: Span[] = [];
          let at = 0;
          for (const [length, gap, type] of parts) {
            spans.push({ start: at, end: at + length, type });
            at += length + gap;
          }
          expect(spansOf(tagsOf(spans, at))).toEqual(spans);
        },
      ),
    );
    expect(() =>
      tagsOf(
        [
          { start: 0, end: 2, type: "X" },
          { start: 1, end: 3, type: "Y" },
        ],
        3,
      ),
    ).toThrow(/overlaps/);
    expect(() => spansOf(["B-X", "E-X"])).toThrow(/"E-X"/);
  });
});

describe("span scores", () => {
  it("count spans that are right in type and both ends", () => {
    const truth = [words("B-PER I-PER O B-LOC"), words("O B-ORG I-ORG I-ORG")];
    const found = [words("B-PER O O B-LOC"), words("B-ORG I-ORG I-ORG O")];
    const scores = spanScores(found, truth);
    expect(scores).toMatchObject({ precision: 1 / 3, recall: 1 / 3, f1: 1 / 3, support: 3 });
    expect(scores.byType).toEqual({
      LOC: { precision: 1, recall: 1, f1: 1, support: 1 },
      ORG: { precision: 0, recall: 0, f1: 0, support: 1 },
      PER: { precision: 0, recall: 0, f1: 0, support: 1 },
    });
    expect(spanScores(truth, truth).f1).toBe(1);
    expect(spanScores([words("O O")], [words("O O")])).toMatchObject({ precision: 0, recall: 0, f1: 0, support: 0 });
    expect(() => spanScores([["O"]], [["O", "O"]])).toThrow(/2 tags and 1/);
    expect(() => spanScores([], [["O"]])).toThrow(/0 predicted sequences for 1/);
  });

  // what seqeval 1.2.2 gives with mode "strict" and scheme IOB2 for the same tags
  it("are those of seqeval in strict mode", () => {
    const truth = [words("B-A I-A O B-B I-B I-B"), words("B-A B-A I-A O O"), words("O O B-C I-C O B-B")];
    const found = [words("B-A I-A I-A B-B I-B I-B"), words("I-A B-A I-A B-C O"), words("B-C I-C B-C I-B O B-B")];
    const { precision, recall, f1, byType } = spanScores(found, truth);
    expect([precision, recall, f1].map((x) => x.toFixed(6))).toEqual(["0.428571", "0.500000", "0.461538"]);
    expect(Object.entries(byType).map(([type, { f1, support }]) => `${type} ${f1.toFixed(6)} ${support}`)).toEqual([
      "A 0.400000 3",
      "B 1.000000 2",
      "C 0.000000 1",
    ]);
  });
});

describe("the best tags", () => {
  const tags = ["O", "B-X", "I-X", "B-Y", "I-Y"];

  it("are those of the largest scores when these are legal", () => {
    const rows = [0, 1, 2, 0, 3].map((best) => tags.map((_, t) => +(t === best)));
    expect(bestTags(rows, tags)).toEqual([0, 1, 2, 0, 3]);
  });

  it("give way as little as can be when they are not", () => {
    // an I behind O: either it becomes B, or what is before it does
    expect(
      bestTags(
        [
          [2, 0, 0, 0, 0],
          [0, 1, 3, 0, 0],
        ],
        tags,
      ),
    ).toEqual([0, 1]);
    expect(
      bestTags(
        [
          [2, 1.5, 0, 0, 0],
          [0, 1, 3, 0, 0],
        ],
        tags,
      ),
    ).toEqual([1, 2]);
    expect(bestTags([[0, 0, 9, 0, 0]], tags)).not.toEqual([2]);
    expect(() => bestTags([[1]], ["I-X"])).toThrow(/may stand first/);
    expect(() => bestTags([[1, 2]], tags)).toThrow(/2 scores for 5 tags/);
    expect(bestTags([], tags)).toEqual([]);
  });

  it("are legal, and no legal sequence is better", () => {
    const score = fc.double({ min: -5, max: 5, noNaN: true });
    fc.assert(
      fc.property(fc.array(fc.array(score, { minLength: 5, maxLength: 5 }), { minLength: 1, maxLength: 4 }), (rows) => {
        const path = bestTags(rows, tags);
        const legal = (of: readonly number[]) =>
          of.every((t, i) => mayFollow(tags[t]!, i ? tags[of[i - 1]!] : undefined));
        const sum = (of: readonly number[]) => of.reduce((total, t, i) => total + rows[i]![t]!, 0);
        expect(legal(path)).toBe(true);
        let best = Number.NEGATIVE_INFINITY;
        for (let code = 0; code < 5 ** rows.length; code++) {
          const other = rows.map((_, i) => Math.floor(code / 5 ** i) % 5);
          if (legal(other)) best = Math.max(best, sum(other));
        }
        expect(sum(path)).toBeCloseTo(best, 9);
      }),
    );
  });
});

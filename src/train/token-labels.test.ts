import { describe, expect, it } from "vitest";
import { compile } from "../runtime/index.ts";
import { NDArray } from "../util/ndarray.ts";
import { labelScores, labelWords, noLabel, tokenLabelLoss } from "./token-labels.ts";

describe("labels of words", () => {
  const encode = (word: string) => [...word].map((c) => c.charCodeAt(0));

  it("stand at the first token, which a space precedes", () => {
    expect(labelWords(["ab", "c", "def"], [1, 0, 2], { encode, maxTokens: 9 })).toEqual({
      tokens: encode("ab c def"),
      labels: [1, noLabel, 0, noLabel, 2, noLabel, noLabel, noLabel],
      firsts: [0, 2, 4],
    });
  });

  it("stand at the word, not at the white space before it", () => {
    const separator = () => "\n  ";
    expect(labelWords(["ab", "c"], [1, 0], { encode, maxTokens: 9, separator })).toEqual({
      tokens: encode("ab\n  c"),
      labels: [1, noLabel, noLabel, noLabel, 0, noLabel],
      firsts: [0, 4],
    });
    expect(labelWords(["a", "b"], [1, 0], { encode, maxTokens: 9, separator: () => "\n" }).firsts).toEqual([0, 2]);
  });

  it("leave out words that do not fit whole, and pass over those without tokens", () => {
    expect(labelWords(["ab", "c", "def"], [1, 0, 2], { encode, maxTokens: 7 }).firsts).toEqual([0, 2]);
    expect(labelWords(["ab", "", "d"], [1, 0, 2], { encode, maxTokens: 7, separator: () => "" })).toEqual({
      tokens: encode("abd"),
      labels: [1, noLabel, 2],
      firsts: [0, 2],
    });
    expect(() => labelWords(["a"], [], { encode, maxTokens: 3 })).toThrow(/1 words and 0 labels/);
  });
});

describe("the loss", () => {
  it("is the mean over labelled tokens alone", async () => {
    await using f = await compile(({ logits, labels }) => ({ loss: tokenLabelLoss(logits, labels) }), {
      inputs: { logits: { dtype: "f32", shape: [1, 3, 2] }, labels: { dtype: "i64", shape: [1, 3] } },
    });
    const logits = NDArray.from([0, 1, 5, 0, 2, 0], [1, 3, 2]);
    const loss = async (labels: number[]) =>
      (await f.run({ logits, labels: NDArray.from(labels, [1, 3], "i64") })).loss.at(0);
    const [a, b] = [Math.log(1 + Math.E) - 1, Math.log(1 + Math.exp(-2))];
    expect(await loss([1, noLabel, 0])).toBeCloseTo((a + b) / 2, 5);
    expect(await loss([1, noLabel, noLabel])).toBeCloseTo(a, 5);
  });
});

describe("scores of labels", () => {
  it("pass over tokens without one, and average over labels that occur", () => {
    const truth = [0, 0, 1, noLabel, 2, 1];
    const scores = labelScores([0, 1, 1, 3, 2, 2], truth, 4);
    expect(scores.accuracy).toBeCloseTo(3 / 5, 12);
    expect(scores.counts).toEqual([2, 2, 1, 0]);
    expect(scores.f1.map((x) => x.toFixed(4))).toEqual(["0.6667", "0.5000", "0.6667", "0.0000"]);
    expect(scores.macroF1).toBeCloseTo((2 / 3 + 1 / 2 + 2 / 3) / 3, 12);
    expect(scores.confusion[1]).toEqual([0, 1, 1, 0]);
    expect(() => labelScores([4], [0], 4)).toThrow(/prediction 4/);
    expect(() => labelScores([0], [7], 4)).toThrow(/label 7/);
    expect(() => labelScores([0], [noLabel], 4)).toThrow(/no token/);
  });
});

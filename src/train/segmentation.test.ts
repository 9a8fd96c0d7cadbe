import { describe, expect, it } from "vitest";
import { compile } from "../runtime/index.ts";
import { NDArray } from "../util/ndarray.ts";
import { diceScores, meanScore, medianFrequencyWeights, segmentationLoss } from "./segmentation.ts";

const maps = (...values: number[]) => NDArray.from(values, [2, 4], "i32");

describe("diceScores", () => {
  it("counts by picture and class, and knows nothing of classes that are not there", () => {
    const scores = diceScores(maps(1, 1, 0, 2, 0, 0, 2, 2), maps(1, 1, 1, 0, 0, 0, 2, 2), 3);
    expect(scores[0]![0]).toBeCloseTo(4 / 5, 12);
    expect(scores[0]![1]).toBeNaN();
    expect(scores[1]![0]).toBeNaN();
    expect(scores[1]![1]).toBe(1);
    expect(meanScore(scores.flat())).toBeCloseTo(0.9, 12);
  });

  it("refuses maps of two sizes", () => {
    expect(() => diceScores(maps(0, 0, 0, 0, 0, 0, 0, 0), NDArray.zeros([2, 3], "i32"), 2)).toThrow(
      /\[2, 4\].*\[2, 3\]/,
    );
  });
});

describe("segmentationLoss", () => {
  it("is cross entropy, and the overlap of all classes but the background", async () => {
    // three classes, two places
    const logits = NDArray.from([2, 0, 0, 1, 0, 3], [1, 3, 2]);
    const labels = NDArray.from([0, 2], [1, 2], "i32");
    await using f = await compile(({ logits, labels }) => ({ ...segmentationLoss(logits, labels) }), {
      inputs: { logits: { dtype: "f32", shape: [1, 3, 2] }, labels: { dtype: "i32", shape: [1, 2] } },
    });
    await using weighted = await compile(
      ({ logits, labels }) => ({ ...segmentationLoss(logits, labels, { classWeights: [1, 5, 3] }) }),
      { inputs: { logits: { dtype: "f32", shape: [1, 3, 2] }, labels: { dtype: "i32", shape: [1, 2] } } },
    );
    const { crossEntropy, dice } = await f.run({ logits, labels });
    const softmax = (values: readonly number[]) => {
      const sum = values.reduce((total, value) => total + Math.exp(value), 0);
      return values.map((value) => Math.exp(value) / sum);
    };
    const [p, q] = [softmax([2, 0, 0]), softmax([0, 1, 3])] as const;
    expect(crossEntropy.at(0)).toBeCloseTo(-(Math.log(p[0]!) + Math.log(q[2]!)) / 2, 5);
    expect((await weighted.run({ logits, labels })).crossEntropy.at(0)).toBeCloseTo(
      -(Math.log(p[0]!) + 3 * Math.log(q[2]!)) / 4,
      5,
    );
    const smooth = 1e-5;
    const one = smooth / (p[1]! + q[1]! + smooth);
    const two = (2 * q[2]! + smooth) / (p[2]! + q[2]! + 1 + smooth);
    expect(dice.at(0)).toBeCloseTo(1 - (one + two) / 2, 5);
  });
});

describe("medianFrequencyWeights", () => {
  it("are the median share over a class's own", () => {
    expect(medianFrequencyWeights(maps(0, 0, 0, 0, 0, 1, 1, 3), 4)).toEqual([2 / 5, 1, 0, 2]);
    expect(medianFrequencyWeights(maps(0, 0, 0, 0, 0, 0, 1, 1), 2)).toEqual([4 / 6, 2]);
  });
});

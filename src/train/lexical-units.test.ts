import { describe, expect, it } from "vitest";
import { compile } from "../runtime/index.ts";
import { NDArray } from "../util/ndarray.ts";
import { Random } from "../util/random.ts";
import { lexicalUnits, lookAheadBatch, lookAheadBranches, lookAheadLoss } from "./lexical-units.ts";

describe("lexical units", () => {
  it("are the runs of at least two sure tokens", () => {
    const p = [0, 0.95, 0.99, 0.2, 0.97, 0.5, 0.91, 0.92, 0.93, 0.9, 0.99];
    expect(lexicalUnits(p, { longest: 4 })).toEqual([
      { start: 1, end: 3 },
      { start: 6, end: 9 },
    ]);
    expect(lexicalUnits(p, { threshold: 0.85, longest: 9 })[1]).toEqual({ start: 6, end: 11 });
    expect(lexicalUnits([], { longest: 4 })).toEqual([]);
  });

  it("are cut where they are too long, and a single token that is left over is none", () => {
    const spans = (n: number) => lexicalUnits(Array<number>(n).fill(0.99), { longest: 4 }).map((u) => u.end - u.start);
    expect([8, 9, 10].map(spans)).toEqual([
      [4, 4],
      [4, 4],
      [4, 4, 2],
    ]);
    expect(() => lexicalUnits([1], { longest: 1 })).toThrow(/at most 1 tokens/);
  });
});

describe("branches", () => {
  const tokens = Array.from({ length: 20 }, (_, i) => 100 + i);

  it("begin before a unit, and placeholder r says what stands r places after its first token", () => {
    const { anchors, labels } = lookAheadBranches(
      tokens,
      [
        { start: 0, end: 4 },
        { start: 5, end: 9 },
        { start: 12, end: 14 },
      ],
      { placeholders: 3, branches: 2, randomShare: 0, random: new Random(1) },
    );
    // the unit at the very beginning has nothing before it
    const found = Object.fromEntries(Array.from(anchors, (a, i) => [a, [...labels.subarray(3 * i, 3 * i + 3)]]));
    expect(found).toEqual({ 4: [106, 107, 108], 11: [113, -1, -1] });
  });

  it("stand at random places for their share and for units that there are not, and say one token there", () => {
    const units = Array.from({ length: 4 }, (_, i) => ({ start: 1 + 4 * i, end: 4 + 4 * i }));
    const choose = (branches: number, of = units) =>
      lookAheadBranches(tokens, of, { placeholders: 3, branches, random: new Random(7) });
    const atUnits = ({ labels }: { labels: Int32Array }) =>
      Array.from({ length: labels.length / 3 }, (_, i) => labels[3 * i + 1]! >= 0).filter(Boolean).length;
    expect(atUnits(choose(4))).toBe(3);
    expect(atUnits(choose(40))).toBe(4);
    const { anchors, labels } = choose(400, []);
    const places = new Set<number>();
    anchors.forEach((anchor, i) => {
      expect([...labels.subarray(3 * i, 3 * i + 3)]).toEqual([tokens[anchor + 2], -1, -1]);
      places.add(anchor);
    });
    // every place from which there is a token after the next one
    expect([...places].sort((a, b) => a - b)).toEqual(Array.from({ length: 18 }, (_, i) => i));
    expect(() => lookAheadBranches([1, 2], [], { placeholders: 1, branches: 1, random: new Random(1) })).toThrow(/3/);
  });

  it("of several texts make a batch", () => {
    const units = [{ start: 2, end: 4 }];
    const batch = lookAheadBatch(
      [
        { tokens: [1, 2, 3, 4, 5], units },
        { tokens: [6, 7, 8, 9, 10], units },
      ],
      { placeholders: 2, branches: 1, randomShare: 0, random: new Random(1) },
    );
    expect(
      Object.fromEntries(Object.entries(batch).map(([name, x]) => [name, [x.shape, Array.from(x.data, Number)]])),
    ).toEqual({
      tokens: [
        [2, 4],
        [1, 2, 3, 4, 6, 7, 8, 9],
      ],
      targets: [
        [2, 4],
        [2, 3, 4, 5, 7, 8, 9, 10],
      ],
      anchors: [
        [2, 1],
        [1, 1],
      ],
      labels: [
        [2, 2],
        [4, -1, 9, -1],
      ],
    });
  });
});

describe("the loss", () => {
  it("counts placeholders with a label only, and never the placeholder as an answer", async () => {
    const shapes = { main: [1, 2, 4], branches: [1, 2, 4], targets: [1, 2], labels: [1, 2] };
    await using loss = await compile(
      ({ text, ahead, ...batch }) => {
        const { main, branches } = lookAheadLoss({ main: text, branches: ahead }, batch, 3);
        return { main, branches };
      },
      {
        inputs: {
          text: { dtype: "f32", shape: shapes.main },
          ahead: { dtype: "f32", shape: shapes.branches },
          targets: { dtype: "i64", shape: shapes.targets },
          labels: { dtype: "i64", shape: shapes.labels },
        },
      },
    );
    // the placeholder's own logit is by far the largest everywhere
    const rows = [0, 1, 2, 50, 1, 1, 1, 50];
    const result = await loss.run({
      text: NDArray.from(rows, shapes.main),
      ahead: NDArray.from(rows, shapes.branches),
      targets: NDArray.from([0, 2], shapes.targets, "i64"),
      labels: NDArray.from([2, -1], shapes.labels, "i64"),
    });
    const total = Math.log(1 + Math.E + Math.E ** 2);
    expect(result.main.at(0)).toBeCloseTo((total + Math.log(3)) / 2, 5);
    expect(result.branches.at(0)).toBeCloseTo(total - 2, 5);
  });
});

import { describe, expect, it } from "vitest";
import { NDArray } from "../util/ndarray.ts";
import { abdomenOrgans, drawAbdomens, shiftPlanes, takeRows } from "./index.ts";

describe("abdomens", () => {
  const slices = drawAbdomens({ count: 60, size: 64, seed: 1 });
  const share = (label: number) => slices.organs.data.filter((value) => value === label).length / slices.organs.size;

  it("have organs of the sizes that they should have", () => {
    const [liver, right, left, stomach, spleen, aorta] = abdomenOrgans.map((_, i) => share(i + 1)) as number[];
    expect(liver).toBeGreaterThan(0.08);
    expect(liver).toBeLessThan(0.12);
    for (const kidney of [right!, left!]) expect(Math.abs(kidney - 0.014)).toBeLessThan(0.004);
    expect(Math.abs(stomach! - 0.023)).toBeLessThan(0.006);
    expect(Math.abs(spleen! - 0.028)).toBeLessThan(0.006);
    expect(Math.abs(aorta! - 0.0035)).toBeLessThan(0.0015);
  });

  it("have the liver on the left of the picture, and lesions only in it", () => {
    const columns = [...slices.organs.data.keys()].filter((i) => slices.organs.data[i] === 1).map((i) => i % 64);
    expect(columns.reduce((a, b) => a + b) / columns.length).toBeLessThan(26);
    const lesions = [...slices.lesions.data.keys()].filter((i) => slices.lesions.data[i] === 1);
    expect(lesions.length / slices.lesions.size).toBeGreaterThan(0.005);
    for (const i of lesions) expect(slices.organs.data[i]).toBe(1);
  });

  it("have mean 0 and variance 1 each, and two weightings that organs tell apart", () => {
    const brighter = new Set<boolean>();
    for (let n = 0; n < 60; n++) {
      const values = takeRows(slices.images, [n]).toNumbers();
      const labels = takeRows(slices.organs, [n]).toNumbers();
      const mean = (some: readonly number[]) => some.reduce((a, b) => a + b, 0) / some.length;
      expect(mean(values)).toBeCloseTo(0, 4);
      expect(mean(values.map((value) => value * value))).toBeCloseTo(1, 3);
      const of = (label: number) => mean(values.filter((_, i) => labels[i] === label));
      brighter.add(of(5) > of(1));
    }
    expect(brighter.size).toBe(2);
  });

  it("are those of their seed and number", () => {
    const again = drawAbdomens({ count: 3, size: 64, seed: 1 });
    expect(again.images.toNumbers()).toEqual(takeRows(slices.images, [0, 1, 2]).toNumbers());
    expect(drawAbdomens({ count: 1, size: 64, seed: 2 }).images.at(2000)).not.toBe(slices.images.at(2000));
    expect(() => drawAbdomens({ count: 1, size: 16, seed: 1 })).toThrow(/1 slices of 16 pixels are impossible/);
  });
});

describe("shiftPlanes", () => {
  it("moves each picture by its own offset and continues the border", () => {
    const planes = NDArray.from([1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6], [2, 1, 2, 3], "i32");
    const moved = shiftPlanes(planes, [
      [1, 0],
      [-1, 1],
    ]);
    expect(moved.toNumbers()).toEqual([1, 1, 2, 4, 4, 5, 2, 3, 3, 2, 3, 3]);
    expect(moved.dtype).toBe("i32");
    expect(() => shiftPlanes(planes, [[0, 0]])).toThrow(/1 offsets do not fit \[2, 1, 2, 3\]/);
  });
});

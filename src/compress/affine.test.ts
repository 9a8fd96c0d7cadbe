import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { f16BitsToF32, NDArray, Random } from "../util/index.ts";
import { dequantizeAffine, quantizeAffine } from "./affine.ts";

describe("affine quantisation", () => {
  it("comes back within half a step, and what is given back is quantised as before", () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ min: -100, max: 100, noNaN: true }), { minLength: 1, maxLength: 200 }),
        fc.integer({ min: 1, max: 8 }),
        (values, bits) => {
          const array = NDArray.from(values);
          const quantized = quantizeAffine(array, bits);
          const step = f16BitsToF32(quantized.steps[0]!);
          const back = dequantizeAffine(quantized);
          const span = Math.max(...values) - Math.min(...values);
          // half precision of minimum and step costs a little at the ends
          const rounding = 2 ** -10 * (span + Math.max(...values.map(Math.abs))) + 1e-7 * 2 ** bits;
          for (let i = 0; i < values.length; i++)
            expect(Math.abs(back.at(i) - array.at(i))).toBeLessThanOrEqual(step / 2 + rounding);
          expect(quantized.levels.every((level) => level < 2 ** bits)).toBe(true);
        },
      ),
    );
  });

  it("has a minimum and a step for each place of an axis where that is better, and cheap", () => {
    const random = new Random(1);
    const values = random.normals(4 * 900).map((value, i) => value * 10 ** Math.floor(i / 900));
    const rows = quantizeAffine(new NDArray(Float32Array.from(values), [4, 900], "f32"), 8);
    expect([rows.axis, rows.minima.length]).toEqual([0, 4]);
    // 4 of 100 elements are more than 2 %
    expect(
      quantizeAffine(new NDArray(Float32Array.from(values.slice(0, 100)), [4, 25], "f32"), 8).axis,
    ).toBeUndefined();
    const middle = new NDArray(
      random.normals(3 * 4 * 70).map((v, i) => v * 5 ** (Math.floor(i / 70) % 4)),
      [3, 4, 70],
      "f32",
    );
    const quantized = quantizeAffine(middle, 6);
    expect(quantized.axis).toBe(1);
    const back = dequantizeAffine(quantized);
    for (let i = 0; i < middle.size; i++)
      expect(Math.abs(back.at(i) - middle.at(i))).toBeLessThan(
        f16BitsToF32(quantized.steps[Math.floor(i / 70) % 4]!) * 0.51 + 0.02 * 5 ** (Math.floor(i / 70) % 4),
      );
  });

  it("gives back what is everywhere the same, to half precision", () => {
    const quantized = quantizeAffine(NDArray.from(new Array(9).fill(0.375)), 8);
    expect(dequantizeAffine(quantized).toNumbers()).toEqual(new Array(9).fill(0.375));
  });

  it("refuses what it cannot hold", () => {
    expect(() => quantizeAffine(NDArray.from([1]), 9)).toThrow(/bits are 9/);
    expect(() => quantizeAffine(NDArray.from([1, 1e6]), 8)).toThrow(/1000000 is beyond half precision/);
    expect(() => quantizeAffine(NDArray.from([Number.NaN]), 8)).toThrow(/NaN is beyond/);
    expect(() => quantizeAffine(NDArray.from([1], [1], "i32"), 8)).toThrow(/needs f32/);
    expect(() => quantizeAffine(NDArray.from([]), 8)).toThrow(/empty/);
  });
});

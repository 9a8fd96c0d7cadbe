import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type DType, dtypes } from "./dtype.ts";
import { NDArray, sizeOf } from "./ndarray.ts";

describe("NDArray", () => {
  it("names shape, type and length of data that does not fit", () => {
    expect(() => new NDArray(new Float32Array(5), [2, 3], "f32")).toThrow(
      "NDArray: shape [2, 3] of f32 needs 6 entries, the data has 5",
    );
    expect(() => new NDArray(new Float32Array(6), [2, 3], "i64")).toThrow(
      "NDArray: i64 is held by a BigInt64Array, not a Float32Array",
    );
    expect(() => NDArray.from([1, 2, 3], [2])).toThrow("shape [2] has 2 elements, 3 values were given");
  });

  it("has scalars and empty arrays", () => {
    expect(NDArray.scalar(3).shape).toEqual([]);
    expect(NDArray.scalar(3).toNumbers()).toEqual([3]);
    expect(NDArray.zeros([2, 0]).size).toBe(0);
    expect(sizeOf([])).toBe(1);
  });

  const ranges: Partial<Record<DType, [number, number]>> = {
    i8: [-128, 127],
    u8: [0, 255],
    u16: [0, 65535],
    i32: [-(2 ** 31), 2 ** 31 - 1],
    u32: [0, 2 ** 32 - 1],
    i64: [-(2 ** 53), 2 ** 53],
    u4: [0, 15],
    i4: [-8, 7],
    bool: [0, 1],
  };
  for (const [dtype, [min, max]] of Object.entries(ranges) as [DType, [number, number]][])
    it(`gives back the integers that ${dtype} was given`, () => {
      fc.assert(
        fc.property(fc.array(fc.integer({ min: Math.max(min, -(2 ** 52)), max: Math.min(max, 2 ** 52) })), (values) => {
          const array = NDArray.from(values, [values.length], dtype);
          expect(array.toNumbers()).toEqual(values.map((x) => (x === 0 ? 0 : x)));
          expect(array.data.length).toBe(
            Math.ceil((values.length * dtypes[dtype].bits) / 8 / array.data.BYTES_PER_ELEMENT),
          );
        }),
      );
    });

  it("rounds to half types when written", () => {
    expect(NDArray.from([1 + 2 ** -11, 1 + 3 * 2 ** -11, 65520], [3], "f16").toNumbers()).toEqual([
      1,
      1 + 2 ** -9,
      Number.POSITIVE_INFINITY,
    ]);
    expect(NDArray.from([1 + 2 ** -8, 1 + 3 * 2 ** -8], [2], "bf16").toNumbers()).toEqual([1, 1 + 2 ** -6]);
  });

  it("converts any type to f32, and f32 to itself", () => {
    const half = NDArray.from([0.5, -2], [1, 2], "f16");
    expect(half.toF32().dtype).toBe("f32");
    expect(half.toF32().shape).toEqual([1, 2]);
    expect(half.toF32().toNumbers()).toEqual([0.5, -2]);
    const single = NDArray.from([1]);
    expect(single.toF32()).toBe(single);
  });

  it("reshapes without copying", () => {
    const array = NDArray.from([1, 2, 3, 4]);
    expect(array.reshape([2, 2]).data).toBe(array.data);
    expect(() => array.reshape([3])).toThrow("needs 3 entries");
  });
});

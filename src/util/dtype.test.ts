import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { bf16BitsToF32, f16BitsToF32, f32ToBf16Bits, f32ToF16Bits, storageLength } from "./dtype.ts";

const view = new DataView(new ArrayBuffer(4));
const floatOf = (bits: number) => {
  view.setUint32(0, bits);
  return view.getFloat32(0);
};
const bitsOf = (value: number) => {
  view.setFloat32(0, value);
  return view.getUint32(0);
};

/** The pattern of a half-precision number, written out from the definition of the format. */
function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 0x3ff;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return exponent ? sign * 2 ** (exponent - 15) * (1 + fraction / 1024) : sign * 2 ** -14 * (fraction / 1024);
}

describe("half precision", () => {
  it("reads every pattern", () => {
    for (let bits = 0; bits < 65536; bits++)
      if (!Object.is(f16BitsToF32(bits), halfValue(bits)))
        expect.fail(`0x${bits.toString(16)} reads as ${f16BitsToF32(bits)}, not ${halfValue(bits)}`);
  });

  it("writes back every pattern that it reads", () => {
    for (let bits = 0; bits < 65536; bits++) {
      const value = f16BitsToF32(bits);
      const written = f32ToF16Bits(value);
      if (Number.isNaN(value) ? !Number.isNaN(f16BitsToF32(written)) : written !== bits)
        expect.fail(`0x${bits.toString(16)} came back as 0x${written.toString(16)}`);
    }
  });

  it("rounds between neighbours to the nearer one, and ties to the even pattern", () => {
    // all neighbours of positive finite numbers, the last one being the border to infinity
    for (let bits = 0; bits < 0x7c00; bits++) {
      const low = halfValue(bits);
      const high = bits === 0x7bff ? 65536 : halfValue(bits + 1);
      const middle = (low + high) / 2;
      const nudge = (high - low) / 8;
      const results = [middle - nudge, middle, middle + nudge].map(f32ToF16Bits);
      const even = bits & 1 ? bits + 1 : bits;
      if (String(results) !== String([bits, even, bits + 1]))
        expect.fail(`around ${middle} rounding gave ${results}, not ${[bits, even, bits + 1]}`);
      if (f32ToF16Bits(-middle) !== (even | 0x8000)) expect.fail(`-${middle} is not rounded like ${middle}`);
    }
  });
});

describe("bfloat16", () => {
  it("reads every pattern as the upper half of a float and writes it back", () => {
    for (let bits = 0; bits < 65536; bits++) {
      const value = bf16BitsToF32(bits);
      if (!Object.is(value, floatOf(bits * 65536))) expect.fail(`0x${bits.toString(16)} reads as ${value}`);
      const written = f32ToBf16Bits(value);
      if (Number.isNaN(value) ? !Number.isNaN(bf16BitsToF32(written)) : written !== bits)
        expect.fail(`0x${bits.toString(16)} came back as 0x${written.toString(16)}`);
    }
  });

  it("rounds ties to the even pattern", () => {
    for (let bits = 0; bits < 0x7f80; bits++) {
      const results = [0x7fff, 0x8000, 0x8001].map((rest) => f32ToBf16Bits(floatOf(bits * 65536 + rest)));
      const even = bits & 1 ? bits + 1 : bits;
      if (String(results) !== String([bits, even, bits + 1])) expect.fail(`after 0x${bits.toString(16)}: ${results}`);
    }
  });
});

describe("golden bit patterns", () => {
  const convert: Record<string, (bits: number) => number> = {
    f32ToF16: (bits) => f32ToF16Bits(floatOf(bits)),
    f32ToBf16: (bits) => f32ToBf16Bits(floatOf(bits)),
    f16ToF32: (bits) => bitsOf(f16BitsToF32(bits)),
    bf16ToF32: (bits) => bitsOf(bf16BitsToF32(bits)),
  };
  const isNaNPattern: Record<string, (bits: number) => boolean> = {
    f32ToF16: (bits) => (bits & 0x7fff) > 0x7c00,
    f32ToBf16: (bits) => (bits & 0x7fff) > 0x7f80,
    f16ToF32: (bits) => (bits & 0x7fffffff) > 0x7f800000,
    bf16ToF32: (bits) => (bits & 0x7fffffff) > 0x7f800000,
  };
  const cases: {
    op: string;
    name: string;
    inputs: { bits: { data: number[] } };
    outputs: { y: { data: number[] } };
  }[] = JSON.parse(readFileSync(new URL("../../test/golden/ops/quantize.json", import.meta.url), "utf8"));
  const chosen = cases.filter(({ op }) => op in convert);

  it("covers all four conversions", () => expect(new Set(chosen.map(({ op }) => op)).size).toBe(4));
  for (const { op, name, inputs, outputs } of chosen)
    it(name, () => {
      inputs.bits.data.forEach((bits, i) => {
        const [got, want] = [convert[op]!(bits), outputs.y.data[i]!];
        // any NaN pattern will do where a NaN is expected
        if (isNaNPattern[op]!(want)) expect(isNaNPattern[op]!(got), `element ${i}`).toBe(true);
        else expect(got, `element ${i}`).toBe(want);
      });
    });
});

it("two 4-bit elements share a byte", () => {
  expect(storageLength("u4", 5)).toBe(3);
  expect(storageLength("i8", 5)).toBe(5);
});

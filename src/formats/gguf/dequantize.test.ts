import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { BletchleyError } from "../../util/index.ts";
import { canDequantize, dequantize, dequantizeInto } from "./dequantize.ts";
import { ggufTypes } from "./types.ts";

interface Case {
  readonly name: string;
  readonly op: string;
  readonly attrs: { readonly type: string; readonly blocks: number; readonly blockElements: number };
  readonly inputs: { readonly bytes: { readonly base64: string } };
  readonly outputs: { readonly y: { readonly data: number[] } };
}

const golden = new URL("../../../test/golden/", import.meta.url);
const cases = (JSON.parse(readFileSync(new URL("ops/quantize.json", golden), "utf8")) as Case[]).filter(
  (c) => c.op === "ggufDequantize",
);

describe("dequantize", () => {
  it.each(cases)("equals the reference: $attrs.type", ({ attrs, inputs, outputs }) => {
    const bytes = new Uint8Array(Buffer.from(inputs.bytes.base64, "base64"));
    const count = attrs.blocks * attrs.blockElements;
    expect(Array.from(dequantize(attrs.type, bytes, count))).toEqual(outputs.y.data.map(Math.fround));
    // the last block alone, from an odd place to another
    const padded = new Uint8Array(bytes.length + 3);
    padded.set(bytes, 3);
    const out = new Float32Array(attrs.blockElements + 5);
    const info = ggufTypes[attrs.type as keyof typeof ggufTypes];
    dequantizeInto(attrs.type, padded, 3 + bytes.length - info.bytesPerBlock, info.blockSize, out, 5);
    expect(Array.from(out.subarray(5))).toEqual(outputs.y.data.slice(-info.blockSize).map(Math.fround));
  });

  it("reads F32, F16 and BF16 from unaligned bytes", () => {
    const bytes = new Uint8Array(9);
    new DataView(bytes.buffer).setFloat32(1, -1.5, true);
    new DataView(bytes.buffer).setUint16(5, 0x3e00, true);
    new DataView(bytes.buffer).setUint16(7, 0xc049, true);
    expect(Array.from(dequantize("F32", bytes.subarray(1), 1))).toEqual([-1.5]);
    expect(Array.from(dequantize("F16", bytes.subarray(5), 1))).toEqual([1.5]);
    expect(Array.from(dequantize("BF16", bytes.subarray(7), 1))).toEqual([-3.140625]);
  });

  it("refuses partial blocks, short input, short output and unknown types", () => {
    const bytes = new Uint8Array(34);
    expect(() => dequantize("Q8_0", bytes, 31)).toThrow(BletchleyError);
    expect(() => dequantize("Q8_0", bytes, 64)).toThrow(/hold/);
    expect(() => dequantizeInto("Q8_0", bytes, 1, 32, new Float32Array(32))).toThrow(/bytes/);
    expect(() => dequantizeInto("Q8_0", bytes, 0, 32, new Float32Array(31))).toThrow(/fit/);
    expect(() => dequantize("IQ1_S", bytes, 256)).toThrow(/IQ1_S/);
    expect(() => dequantize("constructor", bytes, 1)).toThrow(BletchleyError);
    expect(canDequantize("Q4_K")).toBe(true);
    expect(canDequantize("toString")).toBe(false);
  });
});

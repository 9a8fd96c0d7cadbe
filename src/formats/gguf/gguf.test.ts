import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BletchleyError, memorySource } from "../../util/index.ts";
import type { GgufValue, GgufValueType } from "./metadata.ts";
import { quantizableTypes, quantize } from "./quantize.ts";
import { readGguf, readTensor, readTensorF32 } from "./reader.ts";
import { ggufTypes } from "./types.ts";
import { type GgufToWrite, type TypedGgufValue, writeGguf } from "./writer.ts";

async function bytesOf(file: GgufToWrite): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of writeGguf(file)) chunks.push(chunk.slice());
  return new Uint8Array(Buffer.concat(chunks));
}

const small: GgufToWrite = {
  metadata: new Map<string, GgufValue>([
    ["general.architecture", "test"],
    ["list", ["a", "", "ü🙂"]],
    ["numbers", new Float32Array([1, -2.5])],
  ]),
  tensors: [
    { name: "a", shape: [2, 32], type: "Q8_0", data: Float32Array.from({ length: 64 }, (_, i) => i - 32) },
    { name: "b", shape: [3], type: "F32", data: new Float32Array([1, 2, 3]) },
  ],
};

/** A copy with bytes replaced. */
function patched(bytes: Uint8Array, at: number, values: readonly number[]): Uint8Array {
  const copy = bytes.slice();
  copy.set(values, at);
  return copy;
}

async function codeOf(bytes: Uint8Array): Promise<string> {
  try {
    await readGguf(memorySource(bytes));
    return "none";
  } catch (error) {
    return error instanceof BletchleyError ? error.code : String(error);
  }
}

it("reads from a Node Buffer, whose slices are no copies", async () => {
  const file = await readGguf(memorySource(Buffer.from(await bytesOf(small))));
  expect(file.metadata.get("numbers")).toEqual(new Float32Array([1, -2.5]));
  expect(await readTensorF32(file, "b")).toEqual(new Float32Array([1, 2, 3]));
});

it("passes over metadata that is not wanted, and finds the tensors behind it", async () => {
  const bytes = await bytesOf(small);
  const file = await readGguf(memorySource(bytes), { wanted: (key) => key === "general.architecture" });
  expect([...file.metadata.keys()].filter((key) => key !== "general.alignment")).toEqual(["general.architecture"]);
  expect(await readTensorF32(file, "b")).toEqual(new Float32Array([1, 2, 3]));
});

describe("quantize", () => {
  interface Case {
    readonly op: string;
    readonly attrs: { readonly type: string };
    readonly inputs: { readonly x: { readonly data: number[] } };
    readonly outputs: { readonly bytes: { readonly base64: string } };
  }
  const url = new URL("../../../test/golden/ops/quantize.json", import.meta.url);
  const cases = (JSON.parse(readFileSync(url, "utf8")) as Case[]).filter((c) => c.op === "ggufQuantize");

  it.each(cases)("equals the reference: $attrs.type", ({ attrs, inputs, outputs }) => {
    const bytes = quantize(attrs.type, Float32Array.from(inputs.x.data));
    expect(Buffer.from(bytes).toString("base64")).toBe(outputs.bytes.base64);
  });

  it("refuses partial blocks and types without a packer", () => {
    expect(() => quantize("Q8_0", new Float32Array(31))).toThrow(/31 values/);
    expect(() => quantize("Q4_K", new Float32Array(256))).toThrow(/Q4_K/);
  });
});

describe("writeGguf and readGguf", () => {
  const scalars: Record<Exclude<GgufValueType, "array">, fc.Arbitrary<GgufValue>> = {
    u8: fc.nat(255),
    i8: fc.integer({ min: -128, max: 127 }),
    u16: fc.nat(65535),
    i16: fc.integer({ min: -32768, max: 32767 }),
    u32: fc.nat(0xffffffff),
    i32: fc.integer(),
    f32: fc.float({ noNaN: true }),
    f64: fc.double({ noNaN: true }),
    bool: fc.boolean(),
    string: fc.string({ unit: "grapheme" }),
    u64: fc.oneof(fc.nat(2 ** 31), fc.bigInt({ min: 2n ** 60n, max: 2n ** 64n - 1n })),
    i64: fc.oneof(fc.integer(), fc.bigInt({ min: -(2n ** 63n), max: -(2n ** 60n) })),
  };
  const scalar = fc.oneof(
    ...Object.entries(scalars).map(([type, value]) => value.map((v) => ({ type, value: v }) as TypedGgufValue)),
  );
  const list = fc.oneof(
    fc.array(fc.string()).map((value) => ({ type: "array", value }) as TypedGgufValue),
    fc.float32Array({ noNaN: true }).map((value) => ({ type: "array", value }) as TypedGgufValue),
    fc.bigInt64Array().map((value) => ({ type: "array", value }) as TypedGgufValue),
    fc.array(fc.array(fc.string())).map((value) => ({ type: "array", value }) as TypedGgufValue),
  );
  const tensor = fc.record({
    name: fc.string({ maxLength: 40 }),
    shape: fc.array(fc.nat(3), { maxLength: 3 }).map((outer) => [...outer, 32]),
    type: fc.constantFrom(...quantizableTypes),
    seed: fc.float({ min: -4, max: 4, noNaN: true }),
  });

  it("round-trips metadata and tensors", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.tuple(fc.string({ maxLength: 20 }), fc.oneof(scalar, list)), { selector: ([key]) => key }),
        fc.uniqueArray(tensor, { selector: (t) => t.name, maxLength: 6 }),
        fc.constantFrom(8, 32, 64),
        async (entries, tensors, alignment) => {
          const metadata = new Map(entries.filter(([key]) => key !== "general.alignment"));
          const values = tensors.map((t) =>
            Float32Array.from({ length: t.shape.reduce((a, b) => a * b, 1) }, (_, i) =>
              Math.fround(t.seed * Math.sin(i)),
            ),
          );
          const bytes = await bytesOf({
            metadata,
            tensors: tensors.map((t, i) => ({ ...t, data: async () => values[i] })),
            alignment,
          });
          const file = await readGguf(memorySource(bytes));
          for (const [key, { value }] of metadata) expect(file.metadata.get(key)).toEqual(value);
          expect([...file.tensors.keys()]).toEqual(tensors.map((t) => t.name));
          for (const [i, t] of tensors.entries()) {
            const info = file.tensors.get(t.name)!;
            expect(info.shape).toEqual(t.shape);
            expect(info.offset % alignment).toBe(0);
            expect(await readTensor(file, t.name)).toEqual(quantize(t.type, values[i]));
            if (t.type === "F32") expect(await readTensorF32(file, t.name)).toEqual(values[i]);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("reads version 2, and refuses versions 1 and 4 and other byte orders", async () => {
    const bytes = await bytesOf(small);
    expect(await codeOf(patched(bytes, 4, [2]))).toBe("none");
    expect(await codeOf(patched(bytes, 4, [1]))).toBe("unsupported");
    expect(await codeOf(patched(bytes, 4, [4]))).toBe("unsupported");
    expect(await codeOf(patched(bytes, 4, [0, 0, 0, 3]))).toBe("unsupported");
  });

  it("refuses absurd counts, cut files and overlaps before taking memory", async () => {
    const bytes = await bytesOf(small);
    expect(await codeOf(patched(bytes, 0, [0]))).toBe("format");
    expect(await codeOf(patched(bytes, 8, [255, 255, 255, 255, 255, 255, 255, 127]))).toBe("format");
    expect(await codeOf(patched(bytes, 12, [1]))).toBe("format");
    expect(await codeOf(patched(bytes, 16, [255, 255, 255, 255]))).toBe("format");
    expect(await codeOf(patched(bytes, 24, [255, 255, 255, 255, 1]))).toBe("format");
    for (let length = 0; length < bytes.length - 32; length += 7)
      expect(await codeOf(bytes.subarray(0, length)), `${length} bytes`).toBe("format");
    const text = Buffer.from(bytes).toString("latin1");
    // the second tensor's offset, behind its name, rank, one dimension and type
    const at = text.lastIndexOf("\x01\0\0\0\0\0\0\0b") + 9 + 4 + 8 + 4;
    expect(await codeOf(patched(bytes, at, [32]))).toBe("format");
    expect(await codeOf(patched(bytes, at, [1]))).toBe("format");
  });

  it("refuses more strings and entries than any model has", async () => {
    const strings = await bytesOf({ metadata: new Map([["k", ["ab"]]]), tensors: [] });
    // the list's length, behind the header, its key and two types
    const at = 24 + 8 + 1 + 4 + 4;
    const many = new Uint8Array(at + 8 + 8 * 5_000_000);
    many.set(strings.subarray(0, at));
    new DataView(many.buffer).setUint32(at, 5_000_000, true);
    await expect(readGguf(memorySource(many))).rejects.toThrow(/more than 4194304 strings/);
    const entries = new Uint8Array(24 + 13 * 70_000);
    entries.set(strings.subarray(0, 24));
    new DataView(entries.buffer).setUint32(16, 70_000, true);
    await expect(readGguf(memorySource(entries))).rejects.toThrow(/70000 metadata entries/);
  });

  it("lists tensors of unknown types but does not read them", async () => {
    const bytes = await bytesOf(small);
    const at = Buffer.from(bytes).toString("latin1").lastIndexOf("\x01\0\0\0\0\0\0\0b") + 9 + 4 + 8;
    const file = await readGguf(memorySource(patched(bytes, at, [200])));
    expect(file.tensors.get("b")?.type).toBe("unknown-200");
    await expect(readTensor(file, "b")).rejects.toMatchObject({ code: "unsupported" });
    await expect(readTensor(file, "c")).rejects.toMatchObject({ code: "name" });
    expect((await readTensor(file, "a")).length).toBe(2 * ggufTypes.Q8_0.bytesPerBlock);
  });

  it("refuses tensors whose data do not fit", async () => {
    const tensor = { name: "a", shape: [2], type: "F32", data: new Float32Array(3) } as const;
    await expect(bytesOf({ metadata: new Map(), tensors: [tensor] })).rejects.toMatchObject({ code: "shape" });
    const odd = { name: "a", shape: [33], type: "Q4_0", data: new Float32Array(33) } as const;
    await expect(bytesOf({ metadata: new Map(), tensors: [odd] })).rejects.toMatchObject({ code: "shape" });
  });
});

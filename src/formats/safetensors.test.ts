import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BletchleyError, type DType, dtypes, memorySource, NDArray, sizeOf } from "../util/index.ts";
import { readSafetensor, readSafetensors, readShardedSafetensors, writeSafetensors } from "./safetensors.ts";

function bytesOf(tensors: Map<string, NDArray>, metadata?: Map<string, string>): Uint8Array {
  return new Uint8Array(Buffer.concat([...writeSafetensors(tensors, metadata)]));
}

/** A file with a header of one's own. */
function withHeader(header: string, dataBytes: number): Uint8Array {
  const text = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + text.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}

async function codeOf(bytes: Uint8Array): Promise<string> {
  try {
    await readSafetensors(memorySource(bytes));
    return "none";
  } catch (error) {
    return error instanceof BletchleyError ? error.code : String(error);
  }
}

const types: DType[] = ["f32", "f16", "bf16", "i64", "i32", "i8", "u8", "u16", "u32", "bool"];

describe("safetensors", () => {
  it("round-trips tensors of all types", async () => {
    const tensor = fc
      .tuple(fc.constantFrom(...types), fc.array(fc.nat(4), { maxLength: 3 }), fc.nat())
      .map(([dtype, shape, seed]) => {
        const array = NDArray.zeros(shape, dtype);
        const bytes = new Uint8Array(array.data.buffer);
        for (let i = 0; i < bytes.length; i++) bytes[i] = dtype === "bool" ? (seed >> (i % 30)) & 1 : seed * (i + 1);
        return array;
      });
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.string(), tensor, { maxKeys: 8 }), fc.string(), async (dictionary, note) => {
        const tensors = new Map(Object.entries(dictionary).filter(([name]) => name !== "__metadata__"));
        const file = await readSafetensors(memorySource(bytesOf(tensors, new Map([["note", note]]))));
        expect(file.metadata.get("note")).toBe(note);
        expect(new Set(file.tensors.keys())).toEqual(new Set(tensors.keys()));
        for (const [name, expected] of tensors) {
          const actual = await readSafetensor(file, name);
          expect(actual.shape).toEqual(expected.shape);
          expect(actual.dtype).toBe(expected.dtype);
          expect(Buffer.from(actual.data.buffer)).toEqual(Buffer.from(expected.data.buffer));
        }
      }),
      { numRuns: 100 },
    );
  });

  it("refuses headers that do not fit the file", async () => {
    const entry = (shape: number[], from: number, to: number, dtype = "F32") =>
      JSON.stringify({ dtype, shape, data_offsets: [from, to] });
    expect(await codeOf(withHeader(`{"a":${entry([2], 0, 8)}}`, 8))).toBe("none");
    expect(await codeOf(withHeader(`{"a":${entry([2], 0, 8)}}`, 7))).toBe("format");
    expect(await codeOf(withHeader(`{"a":${entry([3], 0, 8)}}`, 8))).toBe("format");
    expect(await codeOf(withHeader(`{"a":${entry([2], 8, 0)}}`, 8))).toBe("format");
    expect(await codeOf(withHeader(`{"a":${entry([2 ** 40, 2 ** 40], 0, 8)}}`, 8))).toBe("format");
    expect(await codeOf(withHeader(`{"a":${entry([-2], 0, 8)}}`, 8))).toBe("format");
    expect(await codeOf(withHeader(`{"a":${entry([2], 0, 8)},"b":${entry([1], 4, 8)}}`, 8))).toBe("format");
    expect(await codeOf(withHeader("[1]", 0))).toBe("format");
    expect(await codeOf(withHeader("{", 0))).toBe("format");
    expect(await codeOf(withHeader("[".repeat(100_000), 0))).toBe("format");
    expect(await codeOf(new Uint8Array(7))).toBe("format");
    expect(await codeOf(new Uint8Array(8).fill(255))).toBe("format");
  });

  it("reads from a Node Buffer, whose slices are no copies", async () => {
    const bytes = bytesOf(
      new Map([
        ["a", NDArray.from([1.5, -2])],
        ["b", NDArray.from([3], [1], "f16")],
      ]),
    );
    const file = await readSafetensors(memorySource(Buffer.from(bytes)));
    expect((await readSafetensor(file, "a")).toNumbers()).toEqual([1.5, -2]);
    expect((await readSafetensor(file, "b")).toNumbers()).toEqual([3]);
  });

  it("lists unknown element types but does not read them", async () => {
    const bytes = withHeader('{"a":{"dtype":"F4","shape":[4],"data_offsets":[0,2]}}', 2);
    const file = await readSafetensors(memorySource(bytes));
    expect(file.tensors.get("a")?.type).toBe("F4");
    await expect(readSafetensor(file, "a")).rejects.toMatchObject({ code: "unsupported" });
    await expect(readSafetensor(file, "b")).rejects.toMatchObject({ code: "name" });
  });

  it("opens shards by their index", async () => {
    const shards: Record<string, Uint8Array> = {
      "one.safetensors": bytesOf(new Map([["a", NDArray.from([1, 2])]])),
      "two.safetensors": bytesOf(new Map([["b", NDArray.from([3], [1, 1])]])),
    };
    const open = async (name: string) => memorySource(shards[name], name);
    const index = (map: object) => JSON.stringify({ metadata: {}, weight_map: map });
    const file = await readShardedSafetensors(index({ a: "one.safetensors", b: "two.safetensors" }), open);
    expect((await readSafetensor(file, "b")).toNumbers()).toEqual([3]);
    expect(sizeOf(file.tensors.get("a")!.shape)).toBe(2);
    for (const bad of [{ a: "../one" }, { a: "/etc/passwd" }, { a: 3 }, { a: "two.safetensors" }])
      await expect(readShardedSafetensors(index(bad), open)).rejects.toMatchObject({ code: "format" });
    await expect(readShardedSafetensors("null", open)).rejects.toMatchObject({ code: "format" });
  });

  it("refuses element types that the format lacks", () => {
    const u4 = new NDArray(new dtypes.u4.array(1), [2], "u4");
    expect(() => bytesOf(new Map([["a", u4]]))).toThrow(BletchleyError);
  });
});

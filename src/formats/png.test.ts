import { crc32, inflateSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { encodePng } from "./png.ts";

/** Chunks of a file by name; their check sums are checked. */
function chunksOf(file: Uint8Array): Map<string, Buffer> {
  const bytes = Buffer.from(file);
  const out = new Map<string, Buffer>();
  for (let at = 8; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    const body = bytes.subarray(at + 4, at + 8 + length);
    expect(bytes.readUInt32BE(at + 8 + length)).toBe(crc32(body));
    out.set(body.toString("latin1", 0, 4), body.subarray(4));
    at += 12 + length;
  }
  return out;
}

describe("encodePng", () => {
  it.each([
    [3, 2],
    [300, 260],
  ])("stores the rows of %i × %i pixels so that zlib reads them", (width, height) => {
    const pixels = Uint8Array.from({ length: width * height }, (_, i) => (i * 7) % 251);
    const chunks = chunksOf(encodePng({ width, height, pixels }));
    expect([...chunks.keys()]).toEqual(["IHDR", "IDAT", "IEND"]);
    const header = chunks.get("IHDR")!;
    expect([header.readUInt32BE(0), header.readUInt32BE(4), ...header.subarray(8)]).toEqual([
      width,
      height,
      8,
      0,
      0,
      0,
      0,
    ]);
    const rows = inflateSync(chunks.get("IDAT")!);
    expect(rows.length).toBe(height * (width + 1));
    for (let y = 0; y < height; y++) {
      expect(rows[y * (width + 1)]).toBe(0);
      const row = rows.subarray(y * (width + 1) + 1, (y + 1) * (width + 1));
      expect(row.equals(pixels.subarray(y * width, (y + 1) * width))).toBe(true);
    }
  });

  it("has colours, and refuses those that are none or missing", () => {
    const picture = { width: 2, height: 1, pixels: Uint8Array.of(0, 1) };
    const chunks = chunksOf(encodePng({ ...picture, palette: ["#000000", "#ff8001"] }));
    expect([...chunks.get("PLTE")!]).toEqual([0, 0, 0, 255, 128, 1]);
    expect(chunks.get("IHDR")![9]).toBe(3);
    expect(() => encodePng({ ...picture, palette: ["#000000", "red"] })).toThrow(/"red" is no colour/);
    expect(() => encodePng({ ...picture, palette: ["#000000"] })).toThrow(/no colour 1 among 1/);
    expect(() => encodePng({ ...picture, height: 2 })).toThrow(/2 pixels are not 2 × 2/);
  });
});

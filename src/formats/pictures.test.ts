import { deflateSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { crc32, NDArray } from "../util/index.ts";
import { decodePng, decodeY4m, encodeJpeg, encodePng, encodeY4m, type RgbPicture } from "./index.ts";

function pictureOf(width: number, height: number, colour: (x: number, y: number, c: number) => number): RgbPicture {
  const rgb = new Uint8Array(width * height * 3);
  for (let i = 0; i < rgb.length; i++) {
    const pixel = Math.floor(i / 3);
    rgb[i] = colour(pixel % width, Math.floor(pixel / width), i % 3);
  }
  return { width, height, rgb };
}

/** A PNG file made of given rows, filters included. */
function pngOf(header: readonly number[], rows: readonly number[], palette: readonly number[] = []): Uint8Array {
  const chunk = (name: string, data: readonly number[]) => {
    const body = Buffer.from([...Buffer.from(name), ...data]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    sum.writeUInt32BE(crc32(body));
    return [...length, ...body, ...sum];
  };
  return Uint8Array.from([
    ...[0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a],
    ...chunk("IHDR", header),
    ...(palette.length ? chunk("PLTE", palette) : []),
    ...chunk("IDAT", [...deflateSync(Buffer.from(rows))]),
    ...chunk("IEND", []),
  ]);
}

describe("PNG", () => {
  it("gives colours back as they were written", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 9 }),
        fc.nat(255),
        (width, height, seed) => {
          const picture = pictureOf(width, height, (x, y, c) => (x * 31 + y * 17 + c * 101 + x * y * seed) & 255);
          expect(decodePng(encodePng(picture))).toEqual(picture);
        },
      ),
    );
  });

  it("reads every filter, palettes, few bits, and drops transparency", () => {
    const size = (w: number, h: number) => [0, 0, 0, w, 0, 0, 0, h];
    // by hand: two columns of grey with filters 1 (left), 2 (above), 3 (mean), 4 (Paeth)
    const grey = decodePng(pngOf([...size(2, 4), 8, 0, 0, 0, 0], [1, 10, 5, 2, 1, 1, 3, 4, 2, 4, 3, 6]));
    expect([...grey.rgb].filter((_, i) => i % 3 === 0)).toEqual([10, 15, 11, 16, 9, 14, 12, 20]);
    const two = decodePng(pngOf([...size(3, 1), 2, 0, 0, 0, 0], [0, 0b00_01_11_00]));
    expect([...two.rgb]).toEqual([0, 0, 0, 85, 85, 85, 255, 255, 255]);
    const palette = decodePng(pngOf([...size(2, 1), 1, 3, 0, 0, 0], [0, 0b01_000000], [9, 8, 7, 1, 2, 3]));
    expect([...palette.rgb]).toEqual([9, 8, 7, 1, 2, 3]);
    const clear = decodePng(pngOf([...size(1, 1), 8, 6, 0, 0, 0], [0, 7, 8, 9, 0]));
    expect([...clear.rgb]).toEqual([7, 8, 9]);
  });

  it("refuses what is damaged, cut, too large or not supported", () => {
    const file = encodePng(pictureOf(20, 20, (x, y, c) => (x * y + c) & 255));
    const codes = new Set<unknown>();
    for (let cut = 0; cut < file.length; cut += 7)
      expect(() => decodePng(file.subarray(0, cut))).toThrow(expect.objectContaining({ code: "format" }));
    for (let at = 0; at < file.length; at++) {
      const bad = file.slice();
      bad[at]! ^= 1 << (at % 8);
      try {
        decodePng(bad);
        codes.add(at);
      } catch (thrown) {
        expect((thrown as { code: string }).code).toMatch(/^(?:format|unsupported)$/);
      }
    }
    expect([...codes]).toEqual([]);
    const header = (w: number, rest: readonly number[]) => [0, w >> 16, (w >> 8) & 255, w & 255, 0, 0, 1, 0, ...rest];
    expect(() => decodePng(pngOf(header(0xffffff, [8, 2, 0, 0, 0]), [0]))).toThrow(/16777215 × 256 pixels/);
    expect(() => decodePng(pngOf(header(64, [8, 2, 0, 0, 1]), [0]))).toThrow(/interlaced/);
    expect(() => decodePng(pngOf(header(64, [16, 2, 0, 0, 0]), [0]))).toThrow(/16 bits/);
    expect(() => decodePng(pngOf(header(4000, [8, 2, 0, 0, 0]), [0]))).toThrow(/is cut/);
    expect(() => decodePng(pngOf([0, 0, 0, 1, 0, 0, 0, 1, 8, 3, 0, 0, 0], [0, 5], [1, 2, 3]))).toThrow(/no colour 5/);
  });
});

describe("JPEG", () => {
  it("begins and ends as it should, grows with quality, and refuses what it cannot write", () => {
    const picture = pictureOf(21, 13, (x, y, c) => (x * 9 + y * 13 + c * 40) & 255);
    const sizes = [10, 50, 95].map((quality) => encodeJpeg(picture, quality).length);
    expect(sizes).toEqual([...sizes].sort((a, b) => a - b));
    const file = Buffer.from(encodeJpeg(picture, 75));
    expect([file.readUInt16BE(0), file.readUInt16BE(file.length - 2)]).toEqual([0xffd8, 0xffd9]);
    expect(() => encodeJpeg({ ...picture, width: 22 }, 75)).toThrow(/are not 22 × 13/);
    expect(() => encodeJpeg(picture, 0)).toThrow(/quality is 0/);
  });
});

describe("Y4M", () => {
  const frames = new NDArray(
    Float32Array.from({ length: 2 * 3 * 4 * 6 }, (_, i) => ((i * 37) % 256) / 255),
    [2, 3, 4, 6],
    "f32",
  );
  const file = encodeY4m({ frames, rate: { numerator: 30, denominator: 1 } });

  it("gives frames back within the rounding of its planes", () => {
    const back = decodeY4m(file);
    expect(back.rate).toEqual({ numerator: 30, denominator: 1 });
    expect(back.frames.shape).toEqual(frames.shape);
    for (let i = 0; i < frames.size; i++) expect(Math.abs(back.frames.at(i) - frames.at(i))).toBeLessThan(0.011);
  });

  it("reads halved colours and grey", () => {
    const bytes = (head: string, ...data: number[]) => Uint8Array.from([...Buffer.from(`${head}\nFRAME\n`), ...data]);
    const halved = decodeY4m(bytes("YUV4MPEG2 W3 H2 F25:2 C420jpeg", 16, 235, 126, 16, 235, 126, 128, 128, 128, 128));
    expect(halved.rate).toEqual({ numerator: 25, denominator: 2 });
    for (let c = 0; c < 3; c++) {
      expect(halved.frames.at(c * 6)).toBeCloseTo(0, 6);
      expect(halved.frames.at(c * 6 + 1)).toBeCloseTo(1, 6);
      expect(halved.frames.at(c * 6 + 2)).toBeCloseTo(110 / 219, 6);
    }
    expect(decodeY4m(bytes("YUV4MPEG2 W1 H1 Cmono XCOLORRANGE=FULL", 51)).frames.at(2)).toBeCloseTo(0.2, 6);
    // pure red of BT.601
    const red = decodeY4m(bytes("YUV4MPEG2 W1 H1 C444", 81, 90, 240)).frames.toNumbers();
    [1, 0, 0].forEach((value, c) => void expect(red[c]).toBeCloseTo(value, 1));
  });

  it("refuses what is cut, damaged or of another kind", () => {
    for (const cut of [0, 5, 30, 60, 100, file.length - 1])
      expect(() => decodeY4m(file.subarray(0, cut))).toThrow(expect.objectContaining({ code: "format" }));
    const text = (head: string) => Uint8Array.from(Buffer.from(`${head}\n`));
    expect(() => decodeY4m(text("YUV4MPEG2 W2 H2 C420p10"))).toThrow(/colours of kind 420p10/);
    expect(() => decodeY4m(text("YUV4MPEG2 W2 H2 It"))).toThrow(/interlaced/);
    expect(() => decodeY4m(text("YUV4MPEG2 W0 H2"))).toThrow(/width "0" is impossible/);
    expect(() => decodeY4m(text("YUV4MPEG2 W2 H2 F0:1"))).toThrow(/"0:1" frames a second/);
    expect(() => decodeY4m(text("YUV4MPEG2 W2 H2"))).toThrow(/has no frames/);
  });
});

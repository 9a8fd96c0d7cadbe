/**
 * Writes pictures as JPEG (baseline, full colour planes), with the Huffman tables that fit each picture best: for frames inside of figures, where
 * PNG would be five times as large. Does not read any.
 */
import { fail } from "../util/errors.ts";
import { BitWriter } from "./entropy/bits.ts";
import { huffmanLengths } from "./entropy/huffman.ts";
import type { RgbPicture } from "./png.ts";

/** The quantisation tables of ITU T.81, annex K, at quality 50. */
const brightnessTable = [
  16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
  87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
  72, 92, 95, 98, 112, 100, 103, 99,
];
const colourTable = [
  17,
  18,
  24,
  47,
  99,
  99,
  99,
  99,
  18,
  21,
  26,
  66,
  99,
  99,
  99,
  99,
  24,
  26,
  56,
  99,
  99,
  99,
  99,
  99,
  47,
  66,
  99,
  99,
  99,
  99,
  99,
  99,
  ...new Array<number>(32).fill(99),
];

/** Places of a block in the order of rising frequency. */
const zigzag = Array.from({ length: 64 }, (_, i) => i).sort((a, b) => {
  const [ya, xa, yb, xb] = [a >> 3, a & 7, b >> 3, b & 7];
  const [da, db] = [ya + xa, yb + xb];
  return da - db || (da % 2 ? ya - yb : xa - xb);
});

const cosines = Array.from({ length: 64 }, (_, i) => {
  const [k, n] = [i >> 3, i & 7];
  return (k ? 0.5 : Math.SQRT1_2 / 2) * Math.cos(((2 * n + 1) * k * Math.PI) / 16);
});

/** The discrete cosine transform of 8 × 8 values. */
function transformed(block: Float64Array): Float64Array {
  const half = new Float64Array(64);
  const out = new Float64Array(64);
  for (let y = 0; y < 8; y++)
    for (let k = 0; k < 8; k++) {
      let sum = 0;
      for (let n = 0; n < 8; n++) sum += cosines[k * 8 + n]! * block[y * 8 + n]!;
      half[y * 8 + k] = sum;
    }
  for (let k = 0; k < 8; k++)
    for (let x = 0; x < 8; x++) {
      let sum = 0;
      for (let n = 0; n < 8; n++) sum += cosines[k * 8 + n]! * half[n * 8 + x]!;
      out[k * 8 + x] = sum;
    }
  return out;
}

/** A symbol of a table, and further bits behind it. */
interface Item {
  readonly table: number;
  readonly symbol: number;
  readonly value: number;
  readonly bits: number;
}

const sizeOfNumber = (value: number) => 32 - Math.clz32(Math.abs(value));
const bitsOf = (value: number, size: number) => (value < 0 ? value + 2 ** size - 1 : value);

/** Symbols of one block: its mean against that of the block before, then runs of zeros and what ends them. */
function itemsOf(levels: readonly number[], before: number, colour: number): readonly Item[] {
  const items: Item[] = [];
  const change = levels[0]! - before;
  const size = sizeOfNumber(change);
  items.push({ table: colour, symbol: size, value: bitsOf(change, size), bits: size });
  let run = 0;
  for (let i = 1; i < 64; i++) {
    const level = levels[i]!;
    if (!level) {
      run++;
      continue;
    }
    for (; run > 15; run -= 16) items.push({ table: 2 + colour, symbol: 0xf0, value: 0, bits: 0 });
    const bits = sizeOfNumber(level);
    items.push({ table: 2 + colour, symbol: run * 16 + bits, value: bitsOf(level, bits), bits });
    run = 0;
  }
  if (run) items.push({ table: 2 + colour, symbol: 0, value: 0, bits: 0 });
  return items;
}

/** Lengths, symbols in order of their words, and words. One more symbol takes the word of ones, which JPEG forbids. */
function tableOf(counts: Float64Array) {
  const lengths = huffmanLengths([...counts, 1e-9], 16);
  // the added symbol is the rarest, and so has a longest word; in canonical order it comes last
  const order = Array.from({ length: 256 }, (_, symbol) => symbol)
    .filter((symbol) => lengths[symbol])
    .sort((a, b) => lengths[a]! - lengths[b]! || a - b);
  const words = new Uint32Array(256);
  let [word, length] = [0, 0];
  for (const symbol of order) {
    word <<= lengths[symbol]! - length;
    length = lengths[symbol]!;
    words[symbol] = word++;
  }
  const perLength = Array.from({ length: 16 }, (_, i) => order.filter((symbol) => lengths[symbol] === i + 1).length);
  return { lengths, words, order, perLength };
}

/** Blocks of all planes, in the order of the file. */
function blocksOf({ width, height, rgb }: RgbPicture, tables: readonly (readonly number[])[]): readonly Item[] {
  const items: Item[] = [];
  const before = [0, 0, 0];
  const block = new Float64Array(64);
  for (let top = 0; top < height; top += 8)
    for (let left = 0; left < width; left += 8)
      for (let plane = 0; plane < 3; plane++) {
        for (let i = 0; i < 64; i++) {
          const [y, x] = [Math.min(height - 1, top + (i >> 3)), Math.min(width - 1, left + (i & 7))];
          const at = (y * width + x) * 3;
          const [r, g, b] = [rgb[at]!, rgb[at + 1]!, rgb[at + 2]!];
          const luma = 0.299 * r + 0.587 * g + 0.114 * b;
          block[i] = plane === 0 ? luma - 128 : plane === 1 ? (b - luma) / 1.772 : (r - luma) / 1.402;
        }
        const values = transformed(block);
        const table = tables[plane ? 1 : 0]!;
        const levels = zigzag.map((place) => Math.round(values[place]! / table[place]!));
        items.push(...itemsOf(levels, before[plane]!, plane ? 1 : 0));
        before[plane] = levels[0]!;
      }
  return items;
}

/**
 * A picture as a JPEG file. @param quality 1 to 100; 50 is coarse, 90 hardly to be told from the picture.
 * @throws `shape` when pixels and size do not fit, `argument` for a quality that is none.
 */
export function encodeJpeg(picture: RgbPicture, quality: number): Uint8Array {
  const { width, height, rgb } = picture;
  if (rgb.length !== width * height * 3 || !rgb.length || Math.max(width, height) > 65535)
    fail("shape", `encodeJpeg: ${rgb.length / 3} pixels are not ${width} × ${height}`);
  if (!(quality >= 1 && quality <= 100))
    fail("argument", `encodeJpeg: quality is ${quality}; it must be from 1 to 100`);
  const factor = quality < 50 ? 50 / quality : 2 - quality / 50;
  const tables = [brightnessTable, colourTable].map((table) =>
    table.map((step) => Math.min(255, Math.max(1, Math.round(step * factor)))),
  );
  const items = blocksOf(picture, tables);
  const counts = Array.from({ length: 4 }, () => new Float64Array(256));
  for (const { table, symbol } of items) counts[table]![symbol]!++;
  const codes = counts.map(tableOf);
  const out: number[] = [0xff, 0xd8];
  const segment = (marker: number, ...data: number[]) => {
    out.push(0xff, marker, (data.length + 2) >> 8, (data.length + 2) & 255);
    for (const byte of data) out.push(byte);
  };
  segment(0xe0, 0x4a, 0x46, 0x49, 0x46, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0);
  tables.forEach((table, i) => {
    segment(0xdb, i, ...zigzag.map((place) => table[place]!));
  });
  segment(
    0xc0,
    8,
    height >> 8,
    height & 255,
    width >> 8,
    width & 255,
    3,
    ...[1, 2, 3].flatMap((n) => [n, 0x11, n > 1 ? 1 : 0]),
  );
  codes.forEach(({ perLength, order }, i) => {
    segment(0xc4, (i >> 1) * 16 + (i & 1), ...perLength, ...order);
  });
  segment(0xda, 3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0);
  const writer = new BitWriter();
  for (const { table, symbol, value, bits } of items) {
    writer.write(codes[table]!.words[symbol]!, codes[table]!.lengths[symbol]!);
    writer.write(value, bits);
  }
  // filled up with ones
  writer.write(2 ** 7 - 1, (8 - (writer.length % 8)) % 8);
  for (const byte of writer.toBytes()) {
    out.push(byte);
    if (byte === 255) out.push(0);
  }
  return Uint8Array.from([...out, 0xff, 0xd9]);
}

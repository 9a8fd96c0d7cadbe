import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  BitReader,
  BitWriter,
  bellModel,
  countSymbols,
  fitBell,
  HuffmanCode,
  huffmanLengths,
  modelBits,
  RangeDecoder,
  RangeEncoder,
} from "./index.ts";

/** Symbols of some alphabet, most of them few. */
const texts = fc
  .integer({ min: 1, max: 256 })
  .chain((symbols) =>
    fc.tuple(
      fc.constant(symbols),
      fc.array(fc.oneof(fc.nat(symbols - 1), fc.nat(Math.min(3, symbols - 1))), { minLength: 1, maxLength: 600 }),
    ),
  );

describe("bits", () => {
  it("come back as they were written", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(2 ** 24 - 1), fc.integer({ min: 1, max: 24 }))), (items) => {
        const writer = new BitWriter();
        for (const [value, count] of items) writer.write(value & (2 ** count - 1), count);
        const reader = new BitReader(writer.toBytes());
        for (const [value, count] of items) expect(reader.read(count)).toBe(value & (2 ** count - 1));
        expect(reader.position).toBe(writer.length);
      }),
    );
    expect(() => new BitReader(new Uint8Array(1)).read(9)).toThrow(/coded bits are cut/);
  });
});

describe("Huffman codes", () => {
  it("give every symbol back, in no more bits than entropy and one bit a symbol", () => {
    fc.assert(
      fc.property(texts, fc.integer({ min: 8, max: 15 }), ([symbols, text], maxLength) => {
        const counts = countSymbols(text, symbols);
        const lengths = huffmanLengths(counts, maxLength);
        expect(Math.max(...lengths)).toBeLessThanOrEqual(maxLength);
        const code = new HuffmanCode(lengths);
        const writer = new BitWriter();
        code.encode(text, writer);
        const reader = new BitReader(writer.toBytes());
        expect(text.map(() => code.decode(reader))).toEqual(text);
        const entropy = [...counts].reduce((sum, n) => (n ? sum - n * Math.log2(n / text.length) : sum), 0);
        if (maxLength === 15) expect(writer.length).toBeLessThan(entropy + text.length + 1);
        expect(writer.length).toBeGreaterThanOrEqual(entropy - 1e-9);
      }),
    );
  });

  it("are the known ones: canonical words by length and symbol", () => {
    // RFC 1951, section 3.2.2: lengths 3 3 3 3 3 2 4 4
    const code = new HuffmanCode(Uint8Array.of(3, 3, 3, 3, 3, 2, 4, 4));
    const words = Array.from({ length: 8 }, (_, i) => code.wordOf(i).toString(2).padStart(code.lengths[i]!, "0"));
    expect(words).toEqual(["010", "011", "100", "101", "110", "00", "1110", "1111"]);
    // weights 5 9 12 13 16 45: the textbook's tree has 224 bits in all
    const weights = [5, 9, 12, 13, 16, 45];
    const lengths = huffmanLengths(weights);
    expect(weights.reduce((sum, w, i) => sum + w * lengths[i]!, 0)).toBe(224);
  });

  it("keep to a limit that the best code would pass, and are then the best under it", () => {
    const fibonacci = [1, 1, 2, 3, 5, 8, 13, 21, 34];
    expect(Math.max(...huffmanLengths(fibonacci))).toBe(8);
    const lengths = huffmanLengths(fibonacci, 4);
    expect(Math.max(...lengths)).toBe(4);
    expect(lengths.reduce((sum, n) => sum + 2 ** -n, 0)).toBe(1);
    expect(() => huffmanLengths([1, 1, 1, 1, 1], 2)).toThrow(/5 symbols have no words/);
  });

  it("refuse tables that are no code", () => {
    for (const lengths of [[], [0, 0], [1, 1, 1], [2], [1, 2], [3, 3, 3], [25, 25]])
      expect(() => new HuffmanCode(Uint8Array.from(lengths)), String(lengths)).toThrow(/Huffman table/);
    const one = new HuffmanCode(Uint8Array.of(0, 1));
    expect(one.decode(new BitReader(Uint8Array.of(0)))).toBe(1);
    expect(() => one.decode(new BitReader(Uint8Array.of(255)))).toThrow(/does not have/);
    expect(() => one.wordOf(0)).toThrow(/no word for 0/);
    expect(() => countSymbols([3], 3)).toThrow(/no symbol 3 among 3/);
  });
});

describe("the range coder", () => {
  it("gives every symbol back under any bell, within a byte or five of the model's bits", () => {
    fc.assert(
      fc.property(texts, fc.nat(255), fc.nat(255), ([symbols, text], centre, shape) => {
        const model = bellModel({ centre: centre % symbols, shape }, symbols);
        const encoder = new RangeEncoder();
        for (const symbol of text) encoder.encode(symbol, model);
        const bytes = encoder.finish();
        const decoder = new RangeDecoder(bytes);
        expect(text.map(() => decoder.decode(model))).toEqual(text);
        const bits = modelBits(countSymbols(text, symbols), model);
        expect(8 * bytes.length).toBeLessThan(bits * 1.001 + 40);
      }),
      { numRuns: 200 },
    );
  });

  it("carries over long runs of ones", () => {
    // the last symbol takes the upper end of the range again and again
    const model = { starts: Uint32Array.of(0, 1, 65535, 65536) };
    for (const text of [new Array<number>(4000).fill(2), [...new Array<number>(999).fill(1), 2, 2, 2, 0, 1, 2]]) {
      const encoder = new RangeEncoder();
      for (const symbol of text) encoder.encode(symbol, model);
      const decoder = new RangeDecoder(encoder.finish());
      expect(text.map(() => decoder.decode(model))).toEqual(text);
    }
  });

  it("has models in which nothing is impossible, and refuses what is no model", () => {
    for (let shape = 0; shape < 256; shape++)
      for (const centre of [0, 17, 63]) {
        const { starts } = bellModel({ centre, shape }, 64);
        expect(starts[64]).toBe(65536);
        for (let i = 0; i < 64; i++) expect(starts[i + 1]! - starts[i]!).toBeGreaterThan(0);
      }
    expect(() => bellModel({ centre: 64, shape: 0 }, 64)).toThrow(/around 64 over 64 symbols/);
    expect(() => bellModel({ centre: 0, shape: 256 }, 64)).toThrow(/shape 256/);
    expect(() => new RangeEncoder().encode(3, bellModel({ centre: 0, shape: 9 }, 3))).toThrow(/no symbol 3/);
  });

  it("finds a bell that is nearly as short as the symbols' entropy", () => {
    const bell = Array.from({ length: 256 }, (_, i) => Math.round(5000 * Math.exp(-((i - 120) ** 2) / 800)));
    const peak = Array.from({ length: 256 }, (_, i) => Math.round(5000 * Math.exp(-Math.abs(i - 100) / 6)));
    for (const [counts, gaussian] of [
      [bell, true],
      [peak, false],
    ] as const) {
      const all = counts.reduce((a, b) => a + b, 0);
      const entropy = counts.reduce((sum, n) => (n ? sum - n * Math.log2(n / all) : sum), 0);
      const found = fitBell(counts);
      expect(found.shape >= 128).toBe(gaussian);
      expect(modelBits(counts, bellModel(found, 256))).toBeLessThan(1.01 * entropy);
    }
  });

  it("reads anything as symbols, and ends", () => {
    const model = bellModel({ centre: 30, shape: 40 }, 64);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const decoder = new RangeDecoder(bytes);
        for (let i = 0; i < 100; i++) expect(decoder.decode(model)).toBeLessThan(64);
      }),
    );
  });
});

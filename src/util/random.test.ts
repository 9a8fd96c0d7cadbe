import { describe, expect, it } from "vitest";
import { philox, Random } from "./random.ts";

const hex = (words: Uint32Array) => [...words].map((w) => w.toString(16).padStart(8, "0")).join(" ");

describe("philox", () => {
  // known answers of the Random123 distribution
  const answers: [counter: number[], key: number[], out: string][] = [
    [[0, 0, 0, 0], [0, 0], "6627e8d5 e169c58d bc57ac4c 9b00dbd8"],
    [[-1, -1, -1, -1], [-1, -1], "408f276d 41c83b0e a20bc7c6 6d5451fd"],
    [[0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0], "d16cfe09 94fdcceb 5001e420 24126ea1"],
  ];
  for (const [counter, key, out] of answers)
    it(out, () => {
      const words = new Uint32Array(4);
      const unsigned = (list: number[]) => list.map((x) => x >>> 0);
      philox(unsigned(counter) as [number, number, number, number], unsigned(key) as [number, number], words);
      expect(hex(words)).toBe(out);
    });
});

describe("Random", () => {
  it("repeats itself for one seed, and differs between seeds, streams and splits", () => {
    const draw = (random: Random) => Array.from({ length: 8 }, () => random.nextUint32()).join();
    expect(draw(new Random(7))).toBe(draw(new Random(7)));
    const parent = new Random(7);
    const splits = [parent.split(0), parent.split(1), parent.split(0).split(0), parent.split(0).split(1)];
    const others = [parent, new Random(8), new Random(7, 5), ...splits];
    expect(new Set(others.map(draw)).size).toBe(others.length);
  });

  it("tells seeds above 32 bits apart", () => {
    expect(new Random(5).nextUint32()).not.toBe(new Random(5 + 2 ** 32).nextUint32());
  });

  it("is uniform in [0, 1)", () => {
    const random = new Random(1);
    const counts = new Array<number>(10).fill(0);
    for (let i = 0; i < 20_000; i++) {
      const x = random.next();
      expect(x >= 0 && x < 1).toBe(true);
      counts[Math.floor(x * 10)]!++;
    }
    // a bin's standard deviation is 42
    for (const n of counts) expect(Math.abs(n - 2000)).toBeLessThan(200);
  });

  it("draws integers below n", () => {
    const random = new Random(2);
    const seen = new Set(Array.from({ length: 200 }, () => random.integer(5)));
    expect([...seen].sort()).toEqual([0, 1, 2, 3, 4]);
  });

  it("is normal with mean 0 and variance 1", () => {
    const values = new Random(3).normals(20_000);
    const mean = values.reduce((a, b) => a + b) / values.length;
    const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length;
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(Math.abs(variance - 1)).toBeLessThan(0.05);
    expect(values.filter((x) => Math.abs(x) > 1.96).length / values.length).toBeCloseTo(0.05, 2);
  });
});

/** Data sets and generators: what they hold is a function of their seed, and masks, targets and labels are right. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  characterVocabulary,
  consecutiveWindows,
  copyTask,
  drawShapes,
  holdOut,
  randomWindows,
  readDigits,
  shapeKinds,
  shiftRandomly,
  takeDigits,
  takeRows,
} from "../../src/data/index.ts";
import { NDArray } from "../../src/util/ndarray.ts";
import { Random } from "../../src/util/random.ts";

describe("characters", () => {
  it("encode and decode, in the order of code points, beyond the basic plane", () => {
    const { characters, encode, decode } = characterVocabulary("ba😀a\n");
    expect(characters).toEqual(["\n", "a", "b", "😀"]);
    expect([...encode("ab😀")]).toEqual([1, 2, 3]);
    expect(decode([3, 2, 1])).toBe("😀ba");
    expect(() => encode("c")).toThrow(/"c"/);
    expect(() => decode([4])).toThrow(/4/);
  });

  it("are held out from the end", () => {
    const [training, heldOut] = holdOut(
      Int32Array.from({ length: 10 }, (_, i) => i),
      0.25,
    );
    expect([training.length, [...heldOut]]).toEqual([8, [8, 9]]);
    expect(() => holdOut(training, 1)).toThrow(/1/);
  });
});

describe("windows", () => {
  const ids = Int32Array.from({ length: 100 }, (_, i) => i);

  it("have targets one further, and depend on seed and number alone", () => {
    const make = randomWindows(ids, { batch: 5, length: 7, seed: 3 });
    const { tokens, targets } = make(4);
    expect([tokens.shape, tokens.dtype]).toEqual([[5, 7], "i64"]);
    expect(targets.toNumbers()).toEqual(tokens.toNumbers().map((id) => id + 1));
    expect(make(0).tokens.toNumbers()).not.toEqual(tokens.toNumbers());
    expect(randomWindows(ids, { batch: 5, length: 7, seed: 3 })(4).tokens.toNumbers()).toEqual(tokens.toNumbers());
  });

  it("reach the last token", () => {
    const make = randomWindows(ids.subarray(0, 4), { batch: 50, length: 2, seed: 1 });
    expect(new Set(make(0).targets.toNumbers())).toEqual(new Set([1, 2, 3]));
  });

  it("follow one another, each token predicted once", () => {
    const parts = consecutiveWindows(ids, { batch: 3, length: 8 });
    expect(parts.flatMap(({ targets }) => targets.toNumbers())).toEqual(Array.from({ length: 96 }, (_, i) => i + 1));
  });

  it("refuse what does not fit", () => {
    expect(() => randomWindows(ids, { batch: 1, length: 100, seed: 1 })).toThrow(/100/);
    expect(() => randomWindows(ids, { batch: 0, length: 5, seed: 1 })).toThrow(/batch is 0/);
    expect(() => consecutiveWindows(ids, { batch: 30, length: 8 })).toThrow(/too few/);
  });
});

describe("digits", () => {
  const folder = join(dirname(createRequire(import.meta.url).resolve("mnist/package.json")), "src/digits");
  const byClass = [0, 1, 2].map(
    (digit) => (JSON.parse(readFileSync(join(folder, `${digit}.json`), "utf8")) as { data: number[] }).data,
  );

  it("are shuffled by seed, pictures with their labels", () => {
    const digits = readDigits(byClass, 7);
    const count = byClass.reduce((sum, { length }) => sum + length / 784, 0);
    expect([digits.images.shape, digits.labels.shape]).toEqual([[count, 1, 28, 28], [count]]);
    const labels = digits.labels.toNumbers();
    expect(new Set(labels.slice(0, 50)).size).toBe(3);
    // a one has less ink than a zero: the pictures went with their labels
    const ink = [0, 1].map((label) => {
      const own = labels.flatMap((l, i) => (l === label ? [i] : []));
      const { images } = takeDigits(digits, own);
      return images.toNumbers().reduce((a, b) => a + b) / own.length;
    });
    expect(ink[0]! / ink[1]!).toBeGreaterThan(1.5);
    expect(readDigits(byClass, 7).labels.toNumbers()).toEqual(labels);
    expect(readDigits(byClass, 8).labels.toNumbers()).not.toEqual(labels);
    expect(() => readDigits([[1, 2]], 1)).toThrow(/784/);
  });

  it("move without losing what stays in the picture", () => {
    const images = NDArray.zeros([40, 1, 9, 9]);
    for (let i = 0; i < 40; i++) images.set(i * 81 + 4 * 9 + 4, i + 1);
    const moved = shiftRandomly(images, 2, new Random(5));
    const places = new Set<number>();
    for (let i = 0; i < 40; i++) {
      const own = moved.toNumbers().slice(i * 81, (i + 1) * 81);
      const at = own.indexOf(i + 1);
      expect(own.filter(Boolean)).toEqual([i + 1]);
      expect(Math.abs(Math.floor(at / 9) - 4)).toBeLessThanOrEqual(2);
      expect(Math.abs((at % 9) - 4)).toBeLessThanOrEqual(2);
      places.add(at);
    }
    expect(places.size).toBeGreaterThan(10);
  });
});

describe("shapes", () => {
  it("have masks of what is visible, and a brightness of their own under the noise", () => {
    const { images, masks } = drawShapes({ count: 60, size: 32, seed: 1, noise: 0 });
    expect([images.shape, masks.shape]).toEqual([
      [60, 1, 32, 32],
      [60, 3, 32, 32],
    ]);
    const [pixels, seen] = [images.toNumbers(), masks.toNumbers()];
    const areas = shapeKinds.map(() => 0);
    for (let i = 0; i < 60; i++)
      for (let p = 0; p < 1024; p++) {
        const kinds = shapeKinds.map((_, k) => seen[(i * 3 + k) * 1024 + p]!);
        kinds.forEach((is, k) => {
          areas[k]! += is;
        });
        const visible = kinds.reduce((a, b) => a + b);
        expect(visible).toBe(pixels[i * 1024 + p]! > 0 ? 1 : 0);
      }
    for (const area of areas) expect(area).toBeGreaterThan(1000);
  });

  it("are the same for a seed, whatever their number", () => {
    const few = drawShapes({ count: 2, size: 16, seed: 4 });
    const many = drawShapes({ count: 5, size: 16, seed: 4 });
    expect(takeRows(many.images, [0, 1]).toNumbers()).toEqual(few.images.toNumbers());
    expect(() => drawShapes({ count: 1, size: 4, seed: 1 })).toThrow(/4 pixels/);
  });
});

describe("the copy task", () => {
  it("has the symbols, the sign, blanks, and the symbols as targets", () => {
    const { tokens, targets } = copyTask({ batch: 3, length: 4, symbols: 5, seed: 2 })(6);
    const [rows, wanted] = [tokens.toNumbers(), targets.toNumbers()];
    for (let i = 0; i < 3; i++) {
      const row = rows.slice(i * 9, (i + 1) * 9);
      expect(row.slice(0, 4)).toEqual(wanted.slice(i * 4, (i + 1) * 4));
      expect(row.slice(4)).toEqual([6, 5, 5, 5, 5]);
      for (const symbol of row.slice(0, 4)) expect(symbol).toBeLessThan(5);
    }
    expect(() => copyTask({ batch: 1, length: 0, symbols: 5, seed: 2 })).toThrow(/length is 0/);
  });
});

describe("takeRows", () => {
  it("takes rows of any dtype, and no others", () => {
    const array = NDArray.from([1, 2, 3, 4, 5, 6], [3, 2], "i64");
    const taken = takeRows(array, [2, 0, 2]);
    expect([taken.dtype, taken.shape, taken.toNumbers()]).toEqual(["i64", [3, 2], [5, 6, 1, 2, 5, 6]]);
    expect(() => takeRows(array, [3])).toThrow(/3 is no row of 3/);
  });
});

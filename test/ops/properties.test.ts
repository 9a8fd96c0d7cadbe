/** Properties of broadcasting, reshaping, slicing and einsum: any case gives what a naive loop gives, or a typed error. */
import fc from "fast-check";
import { afterAll, describe, it } from "vitest";
import { compile, getDefaultEngine } from "../../src/runtime/index.ts";
import { einsum, type SliceRange, slice, type Tensor, transpose } from "../../src/tensor/index.ts";
import { BletchleyError } from "../../src/util/errors.ts";
import { NDArray, sizeOf } from "../../src/util/ndarray.ts";

afterAll(async () => {
  await (await getDefaultEngine()).dispose();
});

const runs = { numRuns: 60, seed: 4, endOnFailure: true };

/** An array whose elements are small whole numbers, so that sums are exact. */
const filled = (shape: readonly number[], start = 0) =>
  NDArray.from(
    Array.from({ length: sizeOf(shape) }, (_, i) => ((i * 7 + start) % 11) - 5),
    shape,
  );

async function evaluate(f: (...inputs: Tensor[]) => Tensor, ...arrays: readonly NDArray[]): Promise<NDArray> {
  const named = Object.fromEntries(arrays.map((array, i) => [`x${i}`, array]));
  const types = Object.fromEntries(arrays.map(({ dtype, shape }, i) => [`x${i}`, { dtype, shape }]));
  await using executable = await compile(
    (inputs: Readonly<Record<string, Tensor>>) => ({ y: f(...arrays.map((_, i) => inputs[`x${i}`]!)) }),
    { inputs: types },
  );
  return (await executable.run(named)).y;
}

/** Index along each axis of a flat position. */
function places(flat: number, shape: readonly number[]): number[] {
  const out: number[] = [];
  for (let axis = shape.length - 1, rest = flat; axis >= 0; axis--) {
    out.unshift(rest % shape[axis]!);
    rest = Math.floor(rest / shape[axis]!);
  }
  return out;
}

const flatOf = (at: readonly number[], shape: readonly number[]) =>
  at.reduce((flat, i, axis) => flat * shape[axis]! + i, 0);

function same(got: NDArray, shape: readonly number[], want: (at: readonly number[]) => number): void {
  if (String(got.shape) !== String(shape)) throw new Error(`shape is [${got.shape}], not [${shape}]`);
  for (let i = 0; i < got.size; i++) {
    const expected = want(places(i, shape));
    if (got.at(i) !== expected) throw new Error(`element ${places(i, shape)} is ${got.at(i)}, not ${expected}`);
  }
}

const size = fc.integer({ min: 1, max: 4 });
const shapes = (maxLength: number) => fc.array(size, { minLength: 1, maxLength });

async function refused(call: () => Promise<unknown>, code: string): Promise<void> {
  const thrown = await call().then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(thrown instanceof BletchleyError && thrown.code === code))
    throw new Error(`not refused with ${code}: ${thrown}`);
}

describe("broadcasting", () => {
  it("pairs elements as a loop over the larger shape does", async () => {
    // which axes of either operand are 1, and how many leading ones each lacks
    const operand = fc.record({
      single: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
      lacks: fc.integer({ min: 0, max: 2 }),
    });
    await fc.assert(
      fc.asyncProperty(shapes(4), operand, operand, async (shape, left, right) => {
        const shrink = ({ single, lacks }: typeof left) =>
          shape.map((n, i) => (single[i] ? 1 : n)).slice(Math.min(lacks, shape.length - 1));
        const [a, b] = [filled(shrink(left)), filled(shrink(right), 3)];
        const rank = Math.max(a.shape.length, b.shape.length);
        const padded = (x: NDArray) => [...new Array<number>(rank - x.shape.length).fill(1), ...x.shape];
        const [p, q] = [padded(a), padded(b)];
        const out = p.map((n, i) => Math.max(n, q[i]!));
        const pick = (x: NDArray, own: readonly number[], at: readonly number[]) =>
          x.at(
            flatOf(
              at.map((i, axis) => (own[axis] === 1 ? 0 : i)),
              own,
            ),
          );
        same(await evaluate((x, y) => x.mul(y), a, b), out, (at) => pick(a, p, at) * pick(b, q, at));
      }),
      runs,
    );
  });

  it("refuses sizes that neither agree nor are 1", async () => {
    await fc.assert(
      fc.asyncProperty(shapes(3), fc.nat(2), fc.integer({ min: 2, max: 4 }), async (shape, at, more) => {
        const axis = at % shape.length;
        const [a, b] = [
          shape.map((n, i) => (i === axis ? n + 1 : n)),
          shape.map((n, i) => (i === axis ? n + 1 + more : n)),
        ];
        await refused(() => evaluate((x, y) => x.add(y), filled(a), filled(b)), "shape");
      }),
      runs,
    );
  });
});

describe("reshape", () => {
  it("keeps the order of elements, also with one size left open, and refuses other numbers of them", async () => {
    await fc.assert(
      fc.asyncProperty(shapes(4), fc.nat(), fc.nat(), async (shape, cut, open) => {
        const total = sizeOf(shape);
        const divisors = Array.from({ length: total }, (_, i) => i + 1).filter((n) => total % n === 0);
        const first = divisors[cut % divisors.length]!;
        const target = [first, total / first];
        const asked = target.map((n, i) => (i === open % 3 ? -1 : n));
        const x = filled(shape);
        same(await evaluate((t) => t.reshape(asked), x), target, (at) => x.at(flatOf(at, target)));
        await refused(() => evaluate((t) => t.reshape([total + 1]), x), "shape");
      }),
      runs,
    );
  });

  it("and transpose move elements to where a loop finds them", async () => {
    await fc.assert(
      fc.asyncProperty(shapes(4), fc.nat(), async (shape, turn) => {
        const axes = shape.map((_, i) => (i + turn) % shape.length);
        if (turn % 2) axes.reverse();
        const x = filled(shape);
        const out = axes.map((axis) => shape[axis]!);
        same(await evaluate((t) => transpose(t, axes), x), out, (at) => {
          const from = new Array<number>(shape.length);
          axes.forEach((axis, i) => {
            from[axis] = at[i]!;
          });
          return x.at(flatOf(from, shape));
        });
      }),
      runs,
    );
  });
});

describe("slice", () => {
  it("takes what Python's slices take, from either end and in steps", async () => {
    const bound = fc.option(fc.integer({ min: -6, max: 6 }), { nil: undefined });
    await fc.assert(
      fc.asyncProperty(
        shapes(3),
        fc.nat(2),
        bound,
        bound,
        fc.integer({ min: 1, max: 3 }),
        async (shape, at, start, end, step) => {
          const axis = at % shape.length;
          const n = shape[axis]!;
          const clamp = (i: number) => Math.min(n, Math.max(0, i < 0 ? i + n : i));
          const taken: number[] = [];
          for (let i = clamp(start ?? 0); i < clamp(end ?? n); i += step) taken.push(i);
          const x = filled(shape);
          const range: SliceRange = {
            axis,
            ...(start === undefined ? {} : { start }),
            ...(end === undefined ? {} : { end }),
            step,
          };
          const out = shape.map((size, i) => (i === axis ? taken.length : size));
          same(await evaluate((t) => slice(t, range), x), out, (place) =>
            x.at(
              flatOf(
                place.map((i, j) => (j === axis ? taken[i]! : i)),
                shape,
              ),
            ),
          );
        },
      ),
      runs,
    );
  });
});

describe("einsum", () => {
  it("sums products as nested loops over all letters do", async () => {
    const letters = ["a", "b", "c", "d"] as const;
    const word = fc.uniqueArray(fc.constantFrom(...letters), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(
        word,
        word,
        fc.array(size, { minLength: 4, maxLength: 4 }),
        fc.nat(15),
        async (left, right, sizes, kept) => {
          const sizeByLetter = Object.fromEntries(letters.map((letter, i) => [letter, sizes[i]!]));
          const all = [...new Set([...left, ...right])].sort();
          const out = all.filter((letter) => kept & (1 << letters.indexOf(letter)));
          const shapeOf = (word: readonly string[]) => word.map((letter) => sizeByLetter[letter]!);
          const [a, b] = [filled(shapeOf(left)), filled(shapeOf(right), 5)];
          const equation = `${left.join("")},${right.join("")}->${out.join("")}`;
          const summed = all.filter((letter) => !out.includes(letter));
          const y = await evaluate((x, z) => einsum(equation, x, z), a, b);
          same(y, shapeOf(out), (at) => {
            const place: Record<string, number> = Object.fromEntries(out.map((letter, i) => [letter, at[i]!]));
            let total = 0;
            for (let i = 0; i < sizeOf(shapeOf(summed)); i++) {
              places(i, shapeOf(summed)).forEach((value, j) => {
                place[summed[j]!] = value;
              });
              const pick = (x: NDArray, word: readonly string[]) =>
                x.at(
                  flatOf(
                    word.map((letter) => place[letter]!),
                    x.shape,
                  ),
                );
              total += pick(a, left) * pick(b, right);
            }
            return total;
          });
        },
      ),
      runs,
    );
  });
});

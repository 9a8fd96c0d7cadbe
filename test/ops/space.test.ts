/**
 * Pooling, resizing and recurrent layers beyond the goldens: ties, symbolic sizes, and what they refuse.
 */
import { afterAll, describe, expect, it } from "vitest";
import { compile, getDefaultEngine } from "../../src/runtime/index.ts";
import type { Dim, Tensor } from "../../src/tensor/index.ts";
import * as t from "../../src/tensor/index.ts";
import { NDArray } from "../../src/util/ndarray.ts";
import { expectGradients } from "./differences.ts";
import { numbers } from "./rows/row.ts";

afterAll(async () => {
  await (await getDefaultEngine()).dispose();
});

async function evaluate(f: (x: Tensor) => Tensor, x: NDArray, shape: readonly Dim[] = x.shape): Promise<number[]> {
  await using executable = await compile(({ x }) => ({ y: f(x) }), { inputs: { x: { dtype: "f32", shape } } });
  return (await executable.run({ x })).y.toNumbers();
}

describe("max pooling", () => {
  const counting = NDArray.from([2, 2, 1, 1, 2, 1, 1, 1, 0, 0, 3, 3, 0, 0, 3, 3], [1, 1, 4, 4]);

  it("gives the gradient to the first of tied elements, windows apart or not", async () => {
    const g = (options: t.MaxPoolOptions) =>
      evaluate((x) => t.grad((v: Tensor) => t.maxPool(v, options).sum())(x)[0]!, counting);
    expect(await g({ kernel: 2 })).toEqual([1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0]);
    expect(await g({ kernel: 2, stride: 1 })).toEqual([1, 1, 1, 0, 1, 0, 0, 0, 1, 0, 4, 0, 0, 0, 0, 0]);
  });

  it("never takes padding, however low the elements are", async () => {
    const x = NDArray.from([-5, -6, -7, -8], [1, 1, 2, 2]);
    expect(await evaluate((v) => t.maxPool(v, { kernel: 2, padding: 1, dilation: 2, stride: 1 }), x)).toEqual([
      -8, -7, -6, -5,
    ]);
  });

  it("finds nothing, and gives no gradient, where steps lead over the whole axis", async () => {
    const x = NDArray.from([7, 8], [1, 2, 1]);
    const pooled = (v: Tensor) => t.maxPool(v, { kernel: 2, dilation: 2, padding: 1 });
    expect(await evaluate(pooled, x)).toEqual([Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]);
    expect(await evaluate((v) => t.grad((w: Tensor) => pooled(w).sum())(v)[0]!, x)).toEqual([0, 0]);
  });

  it("gives the gradient to the first of tied elements of overlapping parts, row by row", async () => {
    const parts = (size: readonly number[]) => (v: Tensor) => t.adaptiveMaxPool(v, size);
    const g = (size: readonly number[], x: NDArray) =>
      evaluate((v) => t.grad((w: Tensor) => parts(size)(w).sum())(v)[0]!, x);
    expect(await g([2], NDArray.from([1, 3, 3, 3, 2], [1, 1, 5]))).toEqual([0, 1, 1, 0, 0]);
    // the second row's five comes first by columns, but not by rows
    expect(await g([1, 2], NDArray.from([1, 5, 0, 5, 2, 5], [1, 1, 2, 3]))).toEqual([0, 2, 0, 0, 0, 0]);
  });
});

it("a grid that is made from the image itself gets each gradient once", () =>
  expectGradients("gridSample", {
    inputs: () => ({ x: numbers([1, 2, 3, 3], 8) }),
    apply: ({ x }) => t.gridSample(x!, x!.slice({ axis: 1 }).transpose([0, 2, 3, 1]).mul(0.3), { padding: "border" }),
    step: 1 / 1024,
  }));

describe("symbolic sizes", () => {
  it("pool any number of images, and enlarge images of any size", async () => {
    const f = (x: Tensor) =>
      t.maxPool(t.repeatBlocks(t.averagePool(x, { kernel: 2 }), [2, 2]), { kernel: 3, stride: 1, padding: 1 });
    const both = (x: Tensor) => t.concat([f(x), t.grad((v: Tensor) => f(v).square().sum())(x)[0]!], 0);
    const x = numbers([1, 2, 4, 6], 3);
    const fixed = await evaluate(both, x);
    expect(await evaluate(both, x, ["n", "channels", 4, 6])).toEqual(fixed);
    const up = (v: Tensor) => t.resize(v, [8, 12], { mode: "nearest" });
    const named = (v: Tensor) => t.resize(v, ["2*h", "2*w"], { mode: "nearest" });
    expect(await evaluate(named, x, ["n", 2, "h", "w"])).toEqual(await evaluate(up, x));
  });

  it("run recurrent layers over any number of steps", async () => {
    const [w, u] = [numbers([8, 3], 1), numbers([8, 2], 2)];
    const f = (x: Tensor) => t.lstm(x, [[{ input: t.constant(w), hidden: t.constant(u) }]]).y;
    const x = numbers([5, 2, 3], 3);
    expect(await evaluate(f, x, ["time", "batch", 3])).toEqual(await evaluate(f, x));
  });
});

describe("refusals", () => {
  const image = t.input("x", "f32", [1, 4, 6, 6]);
  const sequence = t.input("s", "f32", ["time", 2, 3]);
  const weights = { input: t.input("w", "f32", [8, 3]), hidden: t.input("u", "f32", [8, 2]) };
  const cases: [string, () => unknown, RegExp][] = [
    ["a window that does not fit", () => t.maxPool(image, { kernel: 7 }), /maxPool: a kernel that reaches over 7/],
    [
      "padding as wide as the window",
      () => t.averagePool(image, { kernel: 2, padding: 2 }),
      /below the kernel \[2,2\]/,
    ],
    ["a vector", () => t.maxPool(t.input("v", "f32", [4, 4]), { kernel: 2 }), /1 to 3 spatial axes\], got \[4, 4\]/],
    ["integers", () => t.averagePool(t.input("i", "i64", [1, 1, 4]), { kernel: 2 }), /needs f32, got i64/],
    [
      "a fraction of a symbolic size",
      () => t.resize(t.input("r", "f32", [1, 1, "h"]), [7], { mode: "linear" }),
      /must be known/,
    ],
    ["too few sizes", () => t.resize(image, [3], { mode: "linear" }), /should be 2 spatial sizes/],
    ["channels that do not divide", () => t.pixelShuffle(image, 3), /4 of \[1, 4, 6, 6\] does not divide by 9/],
    ["a grid of another batch", () => t.gridSample(image, t.input("g", "f32", [2, 3, 3, 2])), /batches differ/],
    [
      "columns of another size",
      () => t.fold(t.input("c", "f32", [1, 8, 5]), [3, 3], { kernel: 2 }),
      /needs \[batch, channels·4, 4\]/,
    ],
    [
      "boxes with five sides",
      () => t.boxIou(t.input("b", "f32", [3, 5]), t.input("d", "f32", [3, 4])),
      /boxes are \[boxes, 4\]/,
    ],
    [
      "weights of another width",
      () => t.gru(sequence, [[weights]]),
      /gru: input weights .* should be \[6, 3\], got \[8, 3\]/,
    ],
    ["no layers", () => t.lstm(sequence, []), /one or two directions of at least one layer/],
    [
      "a gradient over an unknown number of steps",
      () => t.gradients(t.lstm(sequence, [[weights]]).y.sum(), [sequence]),
      /needs a known number of steps, got time/,
    ],
    [
      "a blank that is no class",
      () => t.ctcLoss(t.input("l", "f32", [4, 1, 3]), t.input("t", "i64", [1, 2]), { blank: 3 }),
      /blank 3 is none of the 3 classes/,
    ],
  ];
  it.each(cases)("%s", (_, f, message) => expect(f).toThrow(message));
});

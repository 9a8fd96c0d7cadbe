/**
 * Element types other than f32, empty tensors, and numbers that are not finite.
 */
import { afterAll, describe, expect, it } from "vitest";
import { compile, getDefaultEngine } from "../../src/runtime/index.ts";
import type { Tensor } from "../../src/tensor/index.ts";
import * as t from "../../src/tensor/index.ts";
import { bf16BitsToF32, type DType, f16BitsToF32, f32ToBf16Bits, f32ToF16Bits } from "../../src/util/dtype.ts";
import { NDArray } from "../../src/util/ndarray.ts";
import { Random } from "../../src/util/random.ts";

async function evaluate(f: (...inputs: Tensor[]) => Tensor, ...arrays: NDArray[]): Promise<NDArray> {
  const named = Object.fromEntries(arrays.map((a, i) => [`x${i}`, a]));
  const executable = await compile(
    (inputs: Record<string, Tensor>) => ({ y: f(...arrays.map((_, i) => inputs[`x${i}`]!)) }),
    { inputs: Object.fromEntries(arrays.map((a, i) => [`x${i}`, { dtype: a.dtype, shape: a.shape }])) },
  );
  const { y } = await executable.run(named);
  await executable.dispose();
  return y;
}

const array = (values: number[], dtype: DType = "f32", shape = [values.length]) => NDArray.from(values, shape, dtype);
const [infinity, nan] = [Number.POSITIVE_INFINITY, Number.NaN];

afterAll(async () => {
  await (await getDefaultEngine()).dispose();
});

describe("half types", () => {
  const random = new Random(3);
  const values = Array.from({ length: 2000 }, () => Math.fround(random.normal() * 10 ** (random.integer(9) - 4)));
  values.push(0, -0, infinity, -infinity, 65519, 65520, 1e-8, 6e-8);
  const rounded: [DType, (x: number) => number][] = [
    ["f16", (x) => f16BitsToF32(f32ToF16Bits(x))],
    ["bf16", (x) => bf16BitsToF32(f32ToBf16Bits(x))],
  ];
  for (const [dtype, round] of rounded)
    it(`cast to ${dtype} rounds like the array type`, async () => {
      const y = await evaluate((x) => t.cast(t.cast(x, dtype), "f32"), array(values));
      y.toNumbers().forEach((v, i) => {
        if (!Object.is(v, round(values[i]!))) expect.fail(`${values[i]} became ${v}, not ${round(values[i]!)}`);
      });
    });

  it("f16 goes in and out", async () => {
    const y = await evaluate((x) => t.cast(t.cast(x, "f32").mul(2), "f16"), array([1, -2.5], "f16"));
    expect(y.dtype).toBe("f16");
    expect(y.toNumbers()).toEqual([2, -5]);
  });

  for (const dtype of ["f16", "bf16"] as const)
    it(`${dtype} weights are constants that are cast in the graph`, async () => {
      const weight = new t.Parameter("weight", dtype, [2], array([1.5, -3], dtype));
      expect((await evaluate((x) => x.mul(t.cast(weight.tensor, "f32")), array([2, 2]))).toNumbers()).toEqual([3, -6]);
    });

  it("gradients flow through casts between floats only", async () => {
    const through = (dtype: DType) => (x: Tensor) => t.grad((v) => t.cast(t.cast(v, dtype), "f32").mul(3).sum())(x)[0]!;
    expect((await evaluate(through("f16"), array([1, 2]))).toNumbers()).toEqual([3, 3]);
    expect((await evaluate(through("i64"), array([1, 2]))).toNumbers()).toEqual([0, 0]);
  });
});

describe("integers and booleans", () => {
  it("floats are cut toward zero, and what is not 0 is true", async () => {
    expect((await evaluate((x) => t.cast(x, "i64"), array([1.9, -1.9]))).toNumbers()).toEqual([1, -1]);
    expect((await evaluate((x) => t.cast(x, "bool"), array([0, 0.5, -1]))).toNumbers()).toEqual([0, 1, 1]);
  });

  for (const dtype of ["i64", "i32"] as const)
    it(`${dtype} arithmetic`, async () => {
      const [a, b] = [array([7, -7, 3], dtype), array([2, 2, -5], dtype)];
      expect((await evaluate((x, y) => x.mul(y).add(1).sub(y), a, b)).toNumbers()).toEqual([13, -15, -9]);
      expect((await evaluate((x, y) => x.div(y), a, b)).toNumbers()).toEqual([3, -3, 0]);
      expect((await evaluate((x, y) => x.maximum(y).clip(-1, 2), a, b)).toNumbers()).toEqual([2, 2, 2]);
      expect((await evaluate((x) => x.sum(), a)).at(0)).toBe(3);
      expect((await evaluate((x) => x.max().sub(x.min()), a)).at(0)).toBe(14);
    });

  for (const dtype of ["bool", "i8", "u8", "u16", "u32", "i32", "i64", "f32"] as const)
    it(`${dtype} can be chosen, joined, cut, moved and gathered`, async () => {
      const [a, b] = [array([1, 0, 1], dtype), array([0, 0, 1], dtype)];
      const chosen = (x: Tensor, y: Tensor) => t.where(t.equal(x, y), x, y);
      expect((await evaluate(chosen, a, b)).toNumbers()).toEqual([0, 0, 1]);
      const moved = (x: Tensor, y: Tensor) =>
        t
          .gather(t.flip(t.slice(t.stack([x, y], 0), { axis: 1, start: 1 }), 1).transpose(), t.range(0, 2))
          .broadcastTo([2, 2, 2]);
      expect((await evaluate(moved, a, b)).toNumbers()).toEqual([1, 1, 0, 0, 1, 1, 0, 0]);
    });

  it("refuses what it cannot compute", () => {
    const x = t.input("x", "bool", [2]);
    expect(() => x.add(x)).toThrow("add: bool is not a number; cast it first");
    expect(() => x.sum()).toThrow("sum: bool is not a number");
    expect(() => t.exp(t.input("i", "i64", [2]))).toThrow("exp: needs floats, got i64; cast it first");
    expect(() => t.input("a", "f32", [2]).add(t.input("b", "i64", [2]))).toThrow("dtypes differ, f32 and i64");
    expect(() => t.gather(x, t.input("i", "f32", [2]))).toThrow("gather: indices must be i64 or i32, got f32");
  });
});

describe("empty tensors", () => {
  const empty = NDArray.zeros([2, 0, 3]);
  it("pass through element-wise ops, moves and products", async () => {
    expect((await evaluate((x) => t.gelu(x.mul(2).exp()), empty)).shape).toEqual([2, 0, 3]);
    expect((await evaluate((x) => t.softmax(x), empty)).shape).toEqual([2, 0, 3]);
    expect((await evaluate((x) => t.concat([x, x], 1).transpose([1, 0, 2]).reshape([0, 6]), empty)).shape).toEqual([
      0, 6,
    ]);
    expect((await evaluate((x) => t.matmul(x, x.transpose([0, 2, 1])), empty)).shape).toEqual([2, 0, 0]);
    const product = await evaluate((x) => t.matmul(x.transpose([0, 2, 1]), x), empty);
    expect(product.shape).toEqual([2, 3, 3]);
    expect(new Set(product.toNumbers())).toEqual(new Set([0]));
  });

  it("sum to 0 and have gradients of their shape", async () => {
    expect((await evaluate((x) => x.sum(1), empty)).toNumbers()).toEqual([0, 0, 0, 0, 0, 0]);
    expect((await evaluate((x) => t.grad((v) => v.mul(v).sum())(x)[0]!, empty)).shape).toEqual([2, 0, 3]);
  });

  it("can be padded and cut to", async () => {
    expect(
      (
        await evaluate(
          (x) =>
            t.pad(
              x,
              [
                [0, 0],
                [1, 0],
                [0, 0],
              ],
              { value: 4 },
            ),
          empty,
        )
      ).toNumbers(),
    ).toEqual([4, 4, 4, 4, 4, 4]);
    expect((await evaluate((x) => t.slice(x, { axis: 0, start: 2 }), array([1, 2]))).shape).toEqual([0]);
  });
});

describe("numbers that are not finite", () => {
  it("NaN stays NaN", async () => {
    for (const f of [t.exp, t.sqrt, t.relu, t.silu, t.sigmoid, t.tanh, t.abs, t.log1p, t.expm1, t.softplus, t.erf])
      expect((await evaluate((x) => f(x), array([nan, 1]))).at(0), f.name).toBeNaN();
    expect((await evaluate((x) => x.maximum(0), array([nan]))).at(0)).toBeNaN();
    expect((await evaluate((x) => x.minimum(0), array([nan]))).at(0)).toBeNaN();
  });

  it("infinities have their limits", async () => {
    const limits: [(x: Tensor) => Tensor, number, number][] = [
      [t.exp, infinity, 0],
      [t.expm1, infinity, -1],
      [t.sigmoid, 1, 0],
      [t.tanh, 1, -1],
      [t.erf, 1, -1],
      [(x) => t.softplus(x), infinity, 0],
      [t.relu, infinity, 0],
      [t.atan, Math.fround(Math.PI / 2), Math.fround(-Math.PI / 2)],
    ];
    for (const [f, high, low] of limits) {
      const y = await evaluate(f, array([infinity, -infinity]));
      expect(y.toNumbers(), f.name).toEqual([high, low].map((v) => (v === 0 ? expect.closeTo(0) : v)));
    }
    expect((await evaluate(t.log1p, array([infinity, -1]))).toNumbers()).toEqual([infinity, -infinity]);
  });

  it("−∞ is no weight in a softmax", async () => {
    expect((await evaluate((x) => t.softmax(x), array([0, -infinity, 0]))).toNumbers()).toEqual([0.5, 0, 0.5]);
    expect((await evaluate((x) => t.logSumExp(x), array([-infinity, -infinity]))).at(0)).toBe(-infinity);
  });
});

describe("transposed convolutions", () => {
  it("refuse an output padding that a stride cannot leave over", () => {
    const x = t.input("x", "f32", [1, 2, 4]);
    const weight = t.input("weight", "f32", [2, 3, 3]);
    for (const options of [
      { dilation: 2, outputPadding: 1 },
      { stride: 2, outputPadding: 2 },
    ])
      expect(() => t.convTranspose(x, weight, undefined, options)).toThrow(/outputPadding .* must be below the stride/);
    expect(t.convTranspose(x, weight, undefined, { stride: 2, outputPadding: 1 }).shape).toEqual([1, 3, 10]);
  });
});

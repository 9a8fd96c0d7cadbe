import { readFile } from "node:fs/promises";
import { afterAll, describe, expect, it } from "vitest";
import { compile, getDefaultEngine } from "../../runtime/index.ts";
import { Parameter } from "../../tensor/index.ts";
import { NDArray } from "../../util/ndarray.ts";
import { Random } from "../../util/random.ts";
import { quantizeBlocks4 } from "./blocks.ts";
import { productsAreExact } from "./exact-products.ts";
import { chooseForm, formNamed, forms, type LinearForm, type LinearSpec } from "./index.ts";

afterAll(async () => {
  await (await getDefaultEngine()).dispose();
});

const spec = (inFeatures: number, outFeatures: number): LinearSpec => ({ role: "mlp.in", inFeatures, outFeatures });

function normals(seed: number, size: number): Float32Array {
  const random = new Random(seed);
  return Float32Array.from({ length: size }, () => random.normal());
}

/** Computes `x Wᵀ` in a form. */
async function product(form: LinearForm, layer: LinearSpec, weights: Float32Array, x: NDArray): Promise<NDArray> {
  const arrays = form.convert(layer, weights);
  for (const [name, { dtype, shape }] of Object.entries(form.stored(layer))) {
    expect(arrays[name]!.dtype).toBe(dtype);
    expect(arrays[name]!.shape).toEqual(shape);
  }
  const parameters = Object.fromEntries(
    Object.entries(arrays).map(([name, array]) => [name, new Parameter(name, array.dtype, array.shape, array)]),
  );
  const kernel = form.kernel(layer, parameters);
  await using f = await compile(({ x: rows }) => ({ y: kernel.apply(rows) }), {
    inputs: { x: { dtype: "f32", shape: x.shape.length === 3 ? [1, "n", layer.inFeatures] : ["n", layer.inFeatures] } },
  });
  return (await f.run({ x })).y;
}

function exactProduct({ inFeatures, outFeatures }: LinearSpec, weights: Float32Array, x: NDArray): number[] {
  const rows = x.size / inFeatures;
  const out: number[] = [];
  for (let r = 0; r < rows; r++)
    for (let o = 0; o < outFeatures; o++) {
      let sum = 0;
      for (let i = 0; i < inFeatures; i++) sum += x.at(r * inFeatures + i) * weights[o * inFeatures + i]!;
      out.push(sum);
    }
  return out;
}

const rms = (values: readonly number[]) => Math.sqrt(values.reduce((sum, v) => sum + v * v, 0) / values.length);

// the largest error that rounding to the form's number of bits can explain, with room for a factor of two
const relativeError: Readonly<Record<string, number>> = {
  int8: 0.01,
  "int8-fast": 0.015,
  "int8-precise": 0.008,
  int4: 0.12,
  f32: 1e-6,
};

describe.each(forms.map((form) => [form.name, form] as const))("form %s", (name, form) => {
  it.each([
    [96, 40],
    [50, 24],
  ])("computes %i → %i near the float product, with and without a leading axis", async (inFeatures, outFeatures) => {
    const layer = spec(inFeatures, outFeatures);
    const weights = normals(1, inFeatures * outFeatures);
    const x = new NDArray(normals(2, 5 * inFeatures), [1, 5, inFeatures], "f32");
    const want = exactProduct(layer, weights, x);
    const got = await product(form, layer, weights, x);
    expect(got.shape).toEqual([1, 5, outFeatures]);
    const error = rms(got.toNumbers().map((v, i) => v - want[i]!)) / rms(want);
    expect(error).toBeLessThan(relativeError[name]!);
    const flat = await product(form, layer, weights, x.reshape([5, inFeatures]));
    expect(flat.shape).toEqual([5, outFeatures]);
    expect(flat.toNumbers()).toEqual(got.toNumbers());
  });

  it("gives a row the same bits alone and among others, small or large", async () => {
    const layer = spec(96, 64);
    const weights = normals(3, 96 * 64);
    const rows = normals(4, 6 * 96).map((v, i) => v * 10 ** ((Math.floor(i / 96) % 3) - 1));
    const together = await product(form, layer, weights, new NDArray(rows, [1, 6, 96], "f32"));
    for (let r = 0; r < 6; r++) {
      const alone = await product(
        form,
        layer,
        weights,
        new NDArray(rows.slice(r * 96, (r + 1) * 96), [1, 1, 96], "f32"),
      );
      expect(alone.toNumbers()).toEqual(together.toNumbers().slice(r * 64, (r + 1) * 64));
    }
  });

  it("takes rows and weights of zeros", async () => {
    const layer = spec(64, 32);
    const zeros = await product(form, layer, new Float32Array(64 * 32), NDArray.zeros([1, 2, 64]));
    expect(zeros.toNumbers().every((v) => v === 0)).toBe(true);
  });
});

describe("4-bit blocks", () => {
  it("represent 4-bit grids exactly, also where a block does not use both ends", () => {
    const random = new Random(5);
    const layer = spec(64, 8);
    const weights = new Float32Array(64 * 8);
    for (let block = 0; block < 16; block++) {
      const [step, low] = [0.01 * (1 + random.next()), random.normal()];
      const top = block % 2 ? 15 : 11;
      for (let i = 0; i < 32; i++) weights[block * 32 + i] = low + step * (i < 2 ? i * top : random.integer(top + 1));
    }
    const { weight, scale, low } = quantizeBlocks4(layer, weights);
    for (let i = 0; i < weights.length; i++) {
      const [row, column] = [Math.floor(i / 64), i % 64];
      const block = Math.floor(column / 32);
      const byte = weight.at(Math.floor(i / 2));
      const level = i % 2 ? byte >> 4 : byte & 15;
      const value = (level - 8) * scale.at(row * 2 + block) + low.at(block * 8 + row);
      expect(value).toBeCloseTo(weights[i]!, 5);
    }
  });
});

it("an unknown form is refused with the known ones", () => {
  expect(() => formNamed("int3")).toThrow(/unknown weight form "int3"; known are int8, /);
});

describe("the choice of a form", () => {
  const saturating = async () => false;

  it("is int8 where products of bytes are exact, else the precise form", async () => {
    expect((await chooseForm(undefined, async () => true)).name).toBe("int8");
    expect((await chooseForm(undefined, saturating)).name).toBe("int8-precise");
    expect((await chooseForm("f32", saturating)).name).toBe("f32");
  });

  it("refuses a form that this CPU would compute wrongly", async () => {
    await expect(chooseForm("int8-fast", saturating)).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringContaining('use "int8-precise" or "f32"'),
    });
  });

  it("agrees with what the CPU says of itself", async () => {
    const flags = /^flags.*$/m.exec(await readFile("/proc/cpuinfo", "utf8").catch(() => ""))?.[0] ?? "";
    if (/avx512_vnni|avx_vnni/.test(flags)) expect(await productsAreExact()).toBe(true);
    else expect(typeof (await productsAreExact())).toBe("boolean");
  });
});

/**
 * The fused kernels: values against plain arithmetic, gradients against finite differences. A kernel op without a check
 * fails the last test.
 */
import { afterAll, describe, expect, it } from "vitest";
import { compile, getDefaultEngine } from "../../src/runtime/index.ts";
import type { Tensor } from "../../src/tensor/index.ts";
import * as t from "../../src/tensor/index.ts";
import { NDArray } from "../../src/util/ndarray.ts";
import { Random } from "../../src/util/random.ts";
import { expectGradients } from "./differences.ts";
import { integers, numbers, type OpExample } from "./rows/row.ts";

const plain = new Set(t.definedOps().keys());
const kernels = await import("../../src/tensor/kernels/index.ts");
const checked = new Set<string>();

async function evaluate(
  arrays: Record<string, NDArray>,
  f: (inputs: Record<string, Tensor>) => Record<string, Tensor>,
): Promise<Record<string, NDArray>> {
  const types = Object.entries(arrays).map(([name, { dtype, shape }]) => [name, { dtype, shape }] as const);
  const build = (inputs: Record<string, Tensor>) => {
    const outputs = f(inputs);
    for (const node of t.nodesBehind(Object.values(outputs))) checked.add(node.op.name);
    return outputs;
  };
  const executable = await compile(build, { inputs: Object.fromEntries(types) });
  const results = await executable.run(arrays);
  await executable.dispose();
  return results;
}

function expectNear(got: NDArray, want: NDArray, tolerance = 1e-5): void {
  expect(got.shape).toEqual(want.shape);
  got.toNumbers().forEach((v, i) => {
    expect(Math.abs(v - want.at(i)), `[${i}] is ${v}, not ${want.at(i)}`).toBeLessThanOrEqual(tolerance);
  });
}

const rotaryInputs = (dim: number, half: number) => ({
  x: numbers([2, 3, dim], 1),
  cos: numbers([3, half], 2),
  sin: numbers([3, half], 3),
  rows: integers([0, 1, 2], [1, 3]),
});

describe("rotary", () => {
  for (const [interleaved, dim, half] of [
    [false, 8, 4],
    [true, 8, 4],
    [false, 8, 2],
    [true, 8, 2],
  ] as const)
    it(`${interleaved ? "interleaved" : "halves"}, ${2 * half} of ${dim} dims`, async () => {
      const { got, want } = await evaluate(rotaryInputs(dim, half), ({ x, cos, sin, rows }) => {
        const turned = x!.slice({ axis: 2, end: 2 * half });
        const rest = x!.slice({ axis: 2, start: 2 * half });
        const pick = (k: number) =>
          interleaved
            ? turned.slice({ axis: 2, start: k, step: 2 })
            : turned.slice({ axis: 2, start: k * half, end: (k + 1) * half });
        const [u, v] = [pick(0), pick(1)];
        const pair = [u.mul(cos!).sub(v.mul(sin!)), v.mul(cos!).add(u.mul(sin!))];
        const joined = interleaved ? t.stack(pair, 3).reshape([2, 3, 2 * half]) : t.concat(pair, 2);
        return {
          got: kernels.rotary(x!, cos!, sin!, rows!, interleaved),
          want: 2 * half < dim ? t.concat([joined, rest], 2) : joined,
        };
      });
      expectNear(got!, want!);
    });

  it("has the gradient of x", () => {
    const { x, ...rest } = rotaryInputs(6, 3);
    const example: OpExample = {
      inputs: () => ({ x }),
      apply: ({ x }) => kernels.rotary(x!, t.constant(rest.cos), t.constant(rest.sin), t.constant(rest.rows), true),
    };
    return expectGradients("rotary", example);
  });
});

describe("scaledMatmulTransposed", () => {
  const inputs = () => ({ a: numbers([2, 2, 3, 4], 1), b: numbers([2, 5, 4], 2) });

  it("is the scaled product with the transpose", async () => {
    const { got, want } = await evaluate(inputs(), ({ a, b }) => ({
      got: kernels.scaledMatmulTransposed(a!, b!, 0.25),
      want: t.matmul(a!, t.swapLast(b!)).mul(0.25),
    }));
    expectNear(got!, want!);
  });

  it("has both gradients", () =>
    expectGradients("scaledMatmulTransposed", {
      inputs,
      apply: ({ a, b }) => kernels.scaledMatmulTransposed(a!, b!, 0.25),
    }));
});

describe("8-bit rows", () => {
  it("round like quantizeLinear, per row", async () => {
    const arrays = {
      x: numbers([3, 6], 1),
      scale: NDArray.from([0.02, 0.01, 0.5]),
      zero: NDArray.from([128, 0, 7], [3], "u8"),
    };
    const { q, wantQ, y, wantY } = await evaluate(arrays, ({ x, scale, zero }) => {
      const column = (v: Tensor) => v.reshape([3, 1]);
      const q = kernels.quantizeRows(x!, scale!, zero!);
      return {
        q,
        wantQ: t.quantizeLinear(x!, column(scale!), column(zero!), [0, 255]),
        y: kernels.dequantizeRows(q, scale!, zero!),
        wantY: t.dequantizeLinear(q, column(scale!), column(zero!)),
      };
    });
    expect(q!.toNumbers()).toEqual(wantQ!.toNumbers());
    expectNear(y!, wantY!, 0);
  });

  it("multiply exactly with signed columns", async () => {
    const random = new Random(5);
    const draw = (n: number, low: number, high: number) =>
      Array.from({ length: n }, () => low + random.integer(high - low + 1));
    // within ±64, because CPUs without VNNI saturate sums of pairs
    const arrays = {
      x: NDArray.from(draw(3 * 40, 0, 255), [3, 40], "u8"),
      w: NDArray.from(draw(40 * 5, -64, 63), [40, 5], "i8"),
      xScale: NDArray.scalar(0.5),
      wScale: NDArray.from([1, 2, 0.25, 1, 4]),
    };
    const { y } = await evaluate(arrays, ({ x, w, xScale, wScale }) => ({
      y: kernels.integerMatmul(x!, w!, xScale!, wScale!),
    }));
    for (let r = 0; r < 3; r++)
      for (let c = 0; c < 5; c++) {
        let sum = 0;
        for (let k = 0; k < 40; k++) sum += (arrays.x.at(r * 40 + k) - 128) * arrays.w.at(k * 5 + c);
        expect(y!.at(r * 5 + c)).toBe(sum * 0.5 * arrays.wScale.at(c));
      }
  });
});

describe("unitRows", () => {
  it("have root-mean-square 1, and come with what they were multiplied by", async () => {
    const x = NDArray.from([3, -4, 0, 0, 1e-4, 2e-4, -2e-4, 4e-4, 0, 0, 0, 0], [1, 3, 4]);
    const { rows, inverse } = await evaluate({ x }, ({ x }) => {
      const [rows, inverse] = kernels.unitRows(x!);
      return { rows, inverse };
    });
    for (const [r, rms] of [2.5, 2.5e-4].entries()) {
      expect(inverse!.at(r) * rms).toBeCloseTo(1, 5);
      for (let c = 0; c < 4; c++) expect(rows!.at(4 * r + c) * rms).toBeCloseTo(x.at(4 * r + c), 6);
    }
    expect(rows!.toNumbers().slice(8)).toEqual([0, 0, 0, 0]);
    expect(inverse!.shape).toEqual([1, 3, 1]);
  });
});

describe("blockMatmul", () => {
  for (const bits of [4, 8] as const)
    it(`${bits} bits`, async () => {
      const [rows, inputs, outputs, blockSize] = [2, 64, 3, 32];
      const random = new Random(bits);
      // whole numbers up to 127 in every block, so that the rounding of rows inside is exact
      const x = Array.from({ length: rows * inputs }, (_, i) => (i % blockSize ? random.integer(255) - 127 : 127));
      const levels = Array.from({ length: outputs * inputs }, () => random.integer(2 ** bits));
      const bytes =
        bits === 8
          ? levels
          : Array.from({ length: levels.length / 2 }, (_, i) => levels[2 * i]! + 16 * levels[2 * i + 1]!);
      const arrays = {
        x: NDArray.from(x, [rows, inputs]),
        w: NDArray.from(bytes, [outputs, inputs / blockSize, (blockSize * bits) / 8], "u8"),
        scales: NDArray.from(Array.from({ length: (outputs * inputs) / blockSize }, (_, i) => 2 ** -(i % 4))),
      };
      const { y } = await evaluate(arrays, ({ x, w, scales }) => ({
        y: kernels.blockMatmul(x!, w!, scales!, { bits, blockSize, inputs, outputs }),
      }));
      const want = NDArray.zeros([rows, outputs]);
      for (let r = 0; r < rows; r++)
        for (let o = 0; o < outputs; o++) {
          let sum = 0;
          for (let i = 0; i < inputs; i++) {
            const at = o * inputs + i;
            const scale = arrays.scales.at(Math.floor(at / blockSize));
            sum += x[r * inputs + i]! * (levels[at]! - 2 ** (bits - 1)) * scale;
          }
          want.set(r * outputs + o, sum);
        }
      // sums reach 10⁵, of which a float keeps 24 bits
      expectNear(y!, want, 0.1);
    });
});

it("every kernel op is checked", () => {
  expect([...t.definedOps().keys()].filter((name) => !plain.has(name) && !checked.has(name))).toEqual([]);
});

afterAll(async () => {
  await (await getDefaultEngine()).dispose();
});

/**
 * The op table: every op that exists, its values and gradients against the goldens and against finite differences.
 * An op without a row fails the last test.
 */
import { afterAll, describe, expect, it } from "vitest";
import { compile, getDefaultEngine } from "../../src/runtime/index.ts";
import { constant, definedOps, nodesBehind, pullback, type Tensor } from "../../src/tensor/index.ts";
import { NDArray } from "../../src/util/ndarray.ts";
import { expectClose, type GoldenCase, goldenCases, toArray } from "./golden.ts";
import { type GoldenRow, goldenRows, opExamples } from "./rows.ts";

const usedOps = new Set<string>();

function noteOps(tensors: readonly Tensor[]): void {
  for (const node of nodesBehind(tensors)) usedOps.add(node.op.name);
}

async function replay(row: GoldenRow, golden: GoldenCase): Promise<void> {
  const arrays = Object.fromEntries(Object.entries(golden.inputs).map(([name, t]) => [name, toArray(t)]));
  const wanted = Object.keys(golden.grads ?? {});
  const executable = await compile(
    (inputs) => {
      const outputs = row(inputs as Record<string, Tensor>, golden.attrs);
      noteOps(Object.values(outputs));
      if (!golden.cotangents) return outputs;
      const names = Object.keys(golden.cotangents);
      const pulled = pullback(
        names.map((name) => outputs[name]!),
        names.map((name) => constant(toArray(golden.cotangents![name]!))),
        wanted.map((name) => (inputs as Record<string, Tensor>)[name]!),
      );
      return { ...outputs, ...Object.fromEntries(wanted.map((name, i) => [`grad:${name}`, pulled[i]!])) };
    },
    {
      inputs: Object.fromEntries(Object.entries(arrays).map(([name, a]) => [name, { dtype: a.dtype, shape: a.shape }])),
    },
  );
  const results: Record<string, NDArray> = await executable.run(arrays);
  await executable.dispose();
  for (const [name, want] of Object.entries(golden.outputs))
    expectClose(results[name]!, want, golden.tolerance, `output ${name}`);
  for (const name of wanted)
    expectClose(results[`grad:${name}`]!, golden.grads![name]!, golden.tolerance, `gradient of ${name}`);
}

describe("golden values", () => {
  for (const [family, rows] of Object.entries(goldenRows))
    describe(family, () => {
      for (const golden of goldenCases(family)) {
        const row = rows[golden.op];
        if (row) it(`${golden.op}: ${golden.name}`, () => replay(row, golden));
      }
    });
});

describe("finite differences", () => {
  for (const [name, example] of Object.entries(opExamples))
    it(name, async () => {
      const arrays = example.inputs();
      const floats = Object.keys(arrays).filter((key) => arrays[key]!.dtype === "f32");
      const executable = await compile(
        (inputs) => {
          const tensors = inputs as Record<string, Tensor>;
          const y = example.apply(tensors);
          noteOps([y]);
          // an uneven weighting, so that symmetric mistakes do not cancel
          const size = (y.shape as number[]).reduce((a, b) => a * b, 1);
          const weights = NDArray.from(
            Array.from({ length: size }, (_, i) => Math.cos(1 + 1.7 * i)),
            y.shape as number[],
          );
          const value = y.mul(constant(weights)).sum();
          const gradients = pullback(
            [value],
            [constant(NDArray.scalar(1))],
            floats.map((key) => tensors[key]!),
          );
          return { value, ...Object.fromEntries(floats.map((key, i) => [`grad:${key}`, gradients[i]!])) };
        },
        {
          inputs: Object.fromEntries(
            Object.entries(arrays).map(([key, a]) => [key, { dtype: a.dtype, shape: a.shape }]),
          ),
        },
      );
      const analytic: Record<string, NDArray> = await executable.run(arrays);
      const step = example.step ?? 1 / 256;
      for (const key of floats) {
        const x = arrays[key]!;
        for (let i = 0; i < Math.min(x.size, 24); i++) {
          const values: number[] = [];
          for (const sign of [1, -1]) {
            const moved = new NDArray(x.data.slice() as Float32Array, x.shape, "f32");
            moved.set(i, x.at(i) + sign * step);
            values.push((await executable.run({ ...arrays, [key]: moved }, { outputs: ["value"] })).value!.at(0));
          }
          const numeric = (values[0]! - values[1]!) / (2 * step);
          const got = analytic[`grad:${key}`]!.at(i);
          expect(Math.abs(got - numeric), `d/d${key}[${i}]: ${got} against ${numeric}`).toBeLessThanOrEqual(
            2e-3 + 1e-2 * Math.abs(numeric),
          );
        }
      }
      await executable.dispose();
    });
});

it("every op has a row in the table", () => {
  expect([...definedOps().keys()].filter((name) => !usedOps.has(name))).toEqual([]);
});

it("every op with a gradient has a finite-difference example", () => {
  const missing = [...definedOps().values()]
    .filter((op) => op.vjp !== "none" && !(op.name in opExamples))
    .map((op) => op.name);
  expect(missing).toEqual([]);
});

afterAll(async () => {
  await (await getDefaultEngine()).dispose();
});

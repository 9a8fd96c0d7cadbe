/**
 * Compares the gradient of an example with central differences.
 */
import { expect } from "vitest";
import { compile } from "../../src/runtime/index.ts";
import { constant, nodesBehind, pullback, type Tensor } from "../../src/tensor/index.ts";
import { NDArray } from "../../src/util/ndarray.ts";
import type { OpExample } from "./rows/row.ts";

/**
 * Fails unless the gradients of an example of op `name` agree with central differences.
 * @param note receives the tensors of the graph.
 */
export async function expectGradients(
  name: string,
  example: OpExample,
  note?: (tensors: readonly Tensor[]) => void,
): Promise<void> {
  const arrays = example.inputs();
  const floats = Object.keys(arrays).filter((key) => arrays[key]!.dtype === "f32");
  const executable = await compile(
    (inputs) => {
      const tensors = inputs as Record<string, Tensor>;
      const y = example.apply(tensors);
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
      expect(nodesBehind([y]).map((node) => node.op.name)).toContain(name);
      note?.([value, ...gradients]);
      return { value, ...Object.fromEntries(floats.map((key, i) => [`grad:${key}`, gradients[i]!])) };
    },
    {
      inputs: Object.fromEntries(Object.entries(arrays).map(([key, a]) => [key, { dtype: a.dtype, shape: a.shape }])),
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
}

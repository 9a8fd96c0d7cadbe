/** Optimisers, clipping and schedules against PyTorch's trajectories. */
import { afterAll, describe, expect, it } from "vitest";
import { adam, adamW, clipGlobalNorm, lion, type Optimizer, schedule, sgd } from "../../src/optim/index.ts";
import { compile, getDefaultEngine } from "../../src/runtime/index.ts";
import type { Tensor } from "../../src/tensor/index.ts";
import { NDArray } from "../../src/util/ndarray.ts";
import { expectClose, goldenCases, toArray } from "./golden.ts";

afterAll(async () => {
  await (await getDefaultEngine()).dispose();
});

/** Values of one parameter after each of some steps. */
async function trajectory(
  optimizer: Optimizer,
  learningRate: number,
  start: NDArray,
  gradients: readonly NDArray[],
): Promise<number[]> {
  const f32 = (shape: readonly number[]) => ({ dtype: "f32", shape }) as const;
  const scalarNames = Object.keys(optimizer.scalars(1));
  await using step = await compile(
    (inputs: Readonly<Record<string, Tensor>>) => {
      const { value, state } = optimizer.update({
        value: inputs.value!,
        gradient: inputs.gradient!,
        learningRate: inputs.learningRate!,
        state: Object.fromEntries(optimizer.slots.map((slot) => [slot, inputs[slot]!])),
        scalars: Object.fromEntries(scalarNames.map((name) => [name, inputs[name]!])),
      });
      return {
        next: value,
        ...Object.fromEntries(Object.entries(state).map(([slot, x]) => [`next:${slot}`, x])),
      } as Record<string, Tensor>;
    },
    {
      inputs: Object.fromEntries([
        ...["value", "gradient", ...optimizer.slots].map((name) => [name, f32(start.shape)]),
        ...["learningRate", ...scalarNames].map((name) => [name, f32([])]),
      ]),
    },
  );
  let value = start;
  let state = Object.fromEntries(optimizer.slots.map((slot) => [slot, NDArray.zeros(start.shape)]));
  const out: number[] = [];
  for (const [i, gradient] of gradients.entries()) {
    const scalars = Object.entries(optimizer.scalars(i + 1)).map(([name, x]) => [name, NDArray.scalar(x)] as const);
    const results = await step.run({
      value,
      gradient,
      learningRate: NDArray.scalar(learningRate),
      ...state,
      ...Object.fromEntries(scalars),
    });
    value = results.next!;
    state = Object.fromEntries(optimizer.slots.map((slot) => [slot, results[`next:${slot}`]!]));
    out.push(...value.toNumbers());
  }
  return out;
}

const makers: Readonly<Record<string, (options: object) => Optimizer>> = { sgd, adam, adamW };

/** Slices of the first axis. */
function rowsOf(array: NDArray): NDArray[] {
  const shape = array.shape.slice(1);
  const size = array.size / array.shape[0]!;
  const numbers = array.toNumbers();
  return Array.from({ length: array.shape[0]! }, (_, i) =>
    NDArray.from(numbers.slice(i * size, (i + 1) * size), shape),
  );
}

const cases = goldenCases("optimizers");

describe("optimisers", () => {
  for (const golden of cases.filter(({ op }) => op in makers))
    it(golden.name, async () => {
      const { learningRate, ...options } = golden.attrs as { learningRate: number };
      for (const name of ["p0", "p1"]) {
        const start = toArray(golden.inputs[name]!);
        const gradients = rowsOf(toArray(golden.inputs[name.replace("p", "g")]!));
        const want = golden.outputs[name]!;
        const values = await trajectory(makers[golden.op]!(options), learningRate, start, gradients);
        expectClose(NDArray.from(values, want.shape), want, golden.tolerance, name);
      }
    });

  it("lion moves by signs, and its momentum forgets", async () => {
    const values = await trajectory(lion({ betas: [0.5, 0.5] }), 0.25, NDArray.from([1, -1]), [
      NDArray.from([3, -2]),
      NDArray.from([-1, 5]),
    ]);
    // momenta [1.5, -1]; then 0.5 · 1.5 − 0.5 · 1 > 0 and −0.5 + 2.5 > 0
    expect(values).toEqual([0.75, -0.75, 0.5, -1]);
  });

  it("refuse what makes no sense", () => {
    expect(() => sgd({ nesterov: true })).toThrow(/nesterov needs momentum above 0/);
    expect(() => adam({ betas: [0.9, 1] })).toThrow(/betas are 0.9, 1; they must lie in \[0, 1\)/);
    expect(() => schedule({ decay: "cosine", base: 1 })).toThrow(/cosine decay needs totalSteps/);
    expect(() => schedule({ base: 1, warmupSteps: 5, totalSteps: 5 })).toThrow(/warm-up of 5 steps does not fit/);
  });
});

describe("clipping", () => {
  for (const golden of cases.filter(({ op }) => op === "clipGlobalNorm"))
    it(golden.name, async () => {
      const arrays = Object.fromEntries(Object.entries(golden.inputs).map(([name, t]) => [name, toArray(t)]));
      const { maxNorm, epsilon } = golden.attrs as { maxNorm: number; epsilon: number };
      await using f = await compile(
        (inputs: Readonly<Record<string, Tensor>>) => {
          const { gradients, norm } = clipGlobalNorm(Object.values(inputs), maxNorm, epsilon);
          return Object.fromEntries([
            ...Object.keys(inputs).map((name, i) => [`out:${name}`, gradients[i]!]),
            ["out:norm", norm],
          ]) as Record<string, Tensor>;
        },
        {
          inputs: Object.fromEntries(
            Object.entries(arrays).map(([name, { shape }]) => [name, { dtype: "f32", shape }]),
          ),
        },
      );
      const results = await f.run(arrays);
      for (const [name, want] of Object.entries(golden.outputs))
        expectClose(results[`out:${name}`]!, want, golden.tolerance, name);
    });
});

describe("schedules", () => {
  for (const golden of cases.filter(({ op }) => op === "schedule"))
    it(golden.name, () => {
      const { count, definition: _, ...options } = golden.attrs as { count: number; definition: string; base: number };
      const rate = schedule(options);
      const values = Array.from({ length: count }, (_, step) => rate(step));
      expectClose(NDArray.from(values), golden.outputs.y!, golden.tolerance, "rates");
    });
});

it("every golden optimiser is replayed", () => {
  const known = new Set([...Object.keys(makers), "clipGlobalNorm", "schedule"]);
  expect(cases.filter(({ op }) => !known.has(op))).toEqual([]);
});

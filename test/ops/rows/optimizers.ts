/**
 * Rows of optimisers, clipping and schedules: parameters after each of some steps.
 */
import { adam, adamW, clipGlobalNorm, type Optimizer, schedule, sgd } from "../../../src/optim/index.ts";
import { compile } from "../../../src/runtime/index.ts";
import type { Tensor } from "../../../src/tensor/index.ts";
import { NDArray } from "../../../src/util/ndarray.ts";
import type { Family, PlainRow } from "./row.ts";

/** Values of one parameter after each of some steps. */
export async function trajectory(
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

/** Slices of the first axis. */
function rowsOf(array: NDArray): NDArray[] {
  const shape = array.shape.slice(1);
  const size = array.size / array.shape[0]!;
  const numbers = array.toNumbers();
  return Array.from({ length: array.shape[0]! }, (_, i) =>
    NDArray.from(numbers.slice(i * size, (i + 1) * size), shape),
  );
}

const steps =
  (make: (options: object) => Optimizer): PlainRow =>
  async (inputs, { learningRate, ...options }) => {
    const out: Record<string, NDArray> = {};
    for (const name of Object.keys(inputs).filter((key) => key.startsWith("p"))) {
      const gradients = inputs[name.replace("p", "g")]!;
      const values = await trajectory(make(options), learningRate, inputs[name]!, rowsOf(gradients));
      out[name] = NDArray.from(values, gradients.shape);
    }
    return out;
  };

/** Optimisers. */
export const optimizers: Family = {
  golden: {
    clipGlobalNorm(inputs, { maxNorm, epsilon }) {
      const { gradients, norm } = clipGlobalNorm(Object.values(inputs), maxNorm, epsilon);
      return { ...Object.fromEntries(Object.keys(inputs).map((name, i) => [name, gradients[i]!])), norm };
    },
  },
  plain: {
    sgd: steps(sgd),
    adam: steps(adam),
    adamW: steps(adamW),
    schedule(_, { count, definition: _text, ...options }) {
      const rate = schedule(options);
      return { y: NDArray.from(Array.from({ length: count }, (_, step) => rate(step))) };
    },
  },
  examples: {},
};

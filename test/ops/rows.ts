/**
 * Rows of the op table: how each golden op is written with ours, and an example of every op for finite differences.
 */

import type { Tensor } from "../../src/tensor/index.ts";
import * as t from "../../src/tensor/index.ts";
import { NDArray } from "../../src/util/ndarray.ts";
import { Random } from "../../src/util/random.ts";

/** Writes a golden op with ours: from inputs and attributes to named outputs. */
// biome-ignore lint/suspicious/noExplicitAny: attributes differ from op to op
export type GoldenRow = (inputs: Record<string, Tensor>, attrs: any) => Record<string, Tensor>;

/** An application of one op to small inputs. */
export interface OpExample {
  inputs(): Record<string, NDArray>;
  apply(inputs: Record<string, Tensor>): Tensor;
  /** Step of the finite differences; 1/256 by default. */
  readonly step?: number;
}

const binary =
  (f: (a: Tensor, b: Tensor) => Tensor): GoldenRow =>
  ({ a, b }) => ({ y: f(a!, b!) });

/** Golden rows by family and op. */
export const goldenRows: Record<string, Record<string, GoldenRow>> = {
  elementwise: { add: binary(t.add), sub: binary(t.sub), mul: binary(t.mul), div: binary(t.div) },
  reduce: { sum: ({ x }, { axes, keepDims }) => ({ y: x!.sum(axes, { keepDims }) }) },
  matmul: { matmul: binary(t.matmul) },
};

/** Normal random numbers away from 0, so that kinks and poles are far. */
function numbers(shape: number[], seed = 1, positive = false): NDArray {
  const random = new Random(seed);
  const size = shape.reduce((a, b) => a * b, 1);
  return NDArray.from(
    Array.from({ length: size }, () => {
      const x = random.normal();
      return positive ? 0.5 + Math.abs(x) : x + Math.sign(x) * 0.25;
    }),
    shape,
  );
}

const two = (f: (a: Tensor, b: Tensor) => Tensor, a = [2, 3], b = [3]): OpExample => ({
  inputs: () => ({ a: numbers(a, 1), b: numbers(b, 2, true) }),
  apply: ({ a, b }) => f(a!, b!),
});
const one = (f: (x: Tensor) => Tensor, shape = [2, 3]): OpExample => ({
  inputs: () => ({ x: numbers(shape) }),
  apply: ({ x }) => f(x!),
});

/** One example per op, by op name. */
export const opExamples: Record<string, OpExample> = {
  add: two(t.add),
  sub: two(t.sub),
  mul: two(t.mul),
  div: two(t.div),
  sum: one((x) => x.sum(1)),
  broadcastTo: one((x) => x.reshape([2, 1, 3]).broadcastTo([2, 4, 3])),
  reshape: one((x) => x.reshape([3, 2])),
  transpose: one((x) => x.transpose()),
  matmul: two(t.matmul, [2, 3], [3, 4]),
};

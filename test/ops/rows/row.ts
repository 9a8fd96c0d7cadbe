/**
 * What a row of the op table is, and small inputs for examples.
 */
import type { Tensor } from "../../../src/tensor/index.ts";
import { NDArray, sizeOf } from "../../../src/util/ndarray.ts";
import { Random } from "../../../src/util/random.ts";

/** Writes a golden op with ours: from inputs and attributes to named outputs. */
// biome-ignore lint/suspicious/noExplicitAny: attributes differ from op to op
export type GoldenRow = (inputs: Record<string, Tensor>, attrs: any) => Record<string, Tensor>;

/** Computes a golden op that is not one graph: from arrays and attributes to named arrays. */
export type PlainRow = (
  inputs: Record<string, NDArray>,
  // biome-ignore lint/suspicious/noExplicitAny: attributes differ from op to op
  attrs: any,
) => Record<string, NDArray> | Promise<Record<string, NDArray>>;

/** An application of one op to small inputs. */
export interface OpExample {
  inputs(): Record<string, NDArray>;
  apply(inputs: Record<string, Tensor>): Tensor;
  /** Step of the finite differences; 1/256 by default. */
  readonly step?: number;
}

/** Rows of one golden family. */
export interface Family {
  /** How golden ops are written with ours, by op. */
  readonly golden: Readonly<Record<string, GoldenRow>>;
  /** Golden ops that are functions of arrays, by op. */
  readonly plain?: Readonly<Record<string, PlainRow>>;
  /** Whether a result of a golden op on bit patterns is NaN: any such pattern will do for any other. By op. */
  readonly nanBits?: Readonly<Record<string, (bits: number) => boolean>>;
  /** An example of every op of ours with a gradient, by op name. */
  readonly examples: Readonly<Record<string, OpExample>>;
}

/** Row of a golden op of two operands `a` and `b`. */
export const binary =
  (f: (a: Tensor, b: Tensor) => Tensor): GoldenRow =>
  ({ a, b }) => ({ y: f(a!, b!) });

/** Row of a golden op of one operand `x`. */
export const unary =
  (f: (x: Tensor) => Tensor): GoldenRow =>
  ({ x }) => ({ y: f(x!) });

/** Normal random numbers away from 0, so that kinks and poles are far; `positive` ones are at least 1/2. */
export function numbers(shape: readonly number[], seed = 1, positive = false): NDArray {
  const random = new Random(seed);
  const values = Array.from({ length: sizeOf(shape) }, () => {
    const x = random.normal();
    return positive ? 0.5 + Math.abs(x) : x + Math.sign(x) * 0.25;
  });
  return NDArray.from(values, shape);
}

/** Example of an op with two float operands, the second one positive. */
export const two = (f: (a: Tensor, b: Tensor) => Tensor, a = [2, 3], b = [3]): OpExample => ({
  inputs: () => ({ a: numbers(a, 1), b: numbers(b, 2, true) }),
  apply: ({ a, b }) => f(a!, b!),
});

/** Example of an op with one float operand. */
export const one = (f: (x: Tensor) => Tensor, shape = [2, 3], positive = false): OpExample => ({
  inputs: () => ({ x: numbers(shape, 1, positive) }),
  apply: ({ x }) => f(x!),
});

/** Integers as an `i64` array. */
export function integers(values: readonly number[], shape: readonly number[] = [values.length]): NDArray {
  return NDArray.from(values, shape, "i64");
}

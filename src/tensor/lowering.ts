/**
 * What an op's lowering may ask for: ONNX nodes, constants, and sizes that are known only at run time. The runtime
 * implements it; ops see nothing else of the runtime.
 */
import type { NDArray } from "../util/ndarray.ts";
import type { Dim } from "./dims.ts";
import type { Parameter, TensorType } from "./tensor.ts";

/** Value of a node attribute. Numbers in `ints` and `int` must be integers. */
export type AttributeValue =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly string: string }
  | { readonly ints: readonly number[] }
  | { readonly floats: readonly number[] };

/** Further properties of an emitted node. */
export interface NodeOptions {
  /** Operator domain; the standard one by default. */
  readonly domain?: string;
  /** Number of outputs; 1 by default. */
  readonly outputs?: number;
}

/** Receives the nodes that lowerings emit. */
export interface LowerContext {
  /** Emits a node with one output (or, with `outputs`, several) and returns the first output's name. */
  node(
    opType: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, AttributeValue>>,
    options?: NodeOptions,
  ): string;
  /** Emits a node with several outputs and returns their names. */
  nodes(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> | undefined,
    options: NodeOptions & { readonly outputs: number },
  ): readonly string[];
  /** A constant; equal small constants are shared. */
  constant(array: NDArray): string;
  /** An `i64` vector constant, as axes, pads and shapes need it. */
  int64s(values: readonly number[]): string;
  /** A graph input. */
  input(name: string, type: TensorType): string;
  /** A parameter: a constant of the graph, or an input of it when parameters are to be changed between runs. */
  parameter(parameter: Parameter): string;
  /** An `i64` vector with the run-time sizes of a shape. */
  shape(dims: readonly Dim[]): string;
  /** Has runs refused in which a size that is known only then is too small, such as what would be empty. */
  needsAtLeast(least: number, what: string, size: Dim): void;
}

/**
 * Symbolic tensors and the graph they form. A tensor knows its type and the node that made it; arithmetic lives in the
 * op files, and nothing here runs anything.
 */
import type { DType } from "../util/dtype.ts";
import { BletchleyError, fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import { type Dim, normalizeDim, shapeText } from "./dims.ts";
import type { LowerContext } from "./lowering.ts";

/** Element type and shape of a tensor. */
export interface TensorType {
  readonly dtype: DType;
  readonly shape: readonly Dim[];
}

/** One application of an op: what it was applied to, and under which module path. */
export interface GraphNode<Attributes = unknown> {
  readonly op: OpDefinition<Attributes>;
  readonly attributes: Attributes;
  readonly inputs: readonly Tensor[];
  /** The tensors this node yields. */
  readonly outputs: readonly Tensor[];
  /** Module path of the call, such as `model.layers.3.mlp`. */
  readonly scope: string;
  /** Creation order; inputs always have smaller numbers. */
  readonly id: number;
}

/** Everything there is to know of one op, in one object. */
export interface OpDefinition<Attributes> {
  /** Name of the op in messages, dumps and the op table. */
  readonly name: string;
  /** Types of the outputs. @throws `shape` or `dtype` errors that name the op and both shapes. */
  infer(inputs: readonly TensorType[], attributes: Attributes): readonly TensorType[];
  /** Emits ONNX nodes and returns the names of the outputs. */
  lower(context: LowerContext, inputs: readonly string[], node: GraphNode<Attributes>): readonly string[];
  /**
   * Cotangents of the inputs from those of the outputs (`undefined` stands for zero), or `"none"` for ops without
   * a gradient. @see grad
   */
  readonly vjp:
    | "none"
    | ((node: GraphNode<Attributes>, cotangents: readonly (Tensor | undefined)[]) => readonly (Tensor | undefined)[]);
}

/** A symbolic value: dtype, shape, and the node that made it. Immutable. */
export class Tensor implements TensorType {
  readonly dtype: DType;
  readonly shape: readonly Dim[];
  readonly node: GraphNode<never>;
  /** Which output of the node this is. */
  readonly index: number;

  /** @internal Tensors come from ops. */
  constructor(type: TensorType, node: GraphNode<never>, index: number) {
    this.dtype = type.dtype;
    this.shape = type.shape;
    this.node = node;
    this.index = index;
  }

  /** Number of axes. */
  get rank(): number {
    return this.shape.length;
  }

  /** Type and shape for messages, such as `f32[n, 64]`. */
  toString(): string {
    return `${this.dtype}${shapeText(this.shape)}`;
  }
}

let nextId = 0;
const scopes: string[] = [];

/** Module path of the trace at this moment. */
export function currentScope(): string {
  return scopes.join(".");
}

/** Runs `body` with `name` appended to the module path; errors thrown inside carry the path. */
export function withScope<T>(name: string, body: () => T): T {
  if (!name) return body();
  scopes.push(name);
  try {
    return body();
  } finally {
    scopes.pop();
  }
}

const registry = new Map<string, OpDefinition<never>>();

/** All ops defined so far, by name; the op-table test walks it. */
export function definedOps(): ReadonlyMap<string, OpDefinition<never>> {
  return registry;
}

/** Applies an op to tensors. */
export type OpCall<Attributes> = (inputs: readonly Tensor[], attributes: Attributes) => readonly Tensor[];

/**
 * The only way an op comes to be: shape rule, lowering and gradient in one object. Returns the function that applies it.
 * @throws `name` when two ops share a name.
 */
export function defineOp<Attributes = Record<never, never>>(definition: OpDefinition<Attributes>): OpCall<Attributes> {
  if (registry.has(definition.name)) fail("name", `defineOp: an op named "${definition.name}" exists already`);
  registry.set(definition.name, definition as unknown as OpDefinition<never>);
  return (inputs, attributes) => applyOp(definition, inputs, attributes);
}

/** Applies a definition: infers types (adding the module path to its errors) and makes the node. */
export function applyOp<Attributes>(
  op: OpDefinition<Attributes>,
  inputs: readonly Tensor[],
  attributes: Attributes,
): readonly Tensor[] {
  const scope = currentScope();
  let types: readonly TensorType[];
  try {
    types = op.infer(inputs, attributes);
  } catch (thrown) {
    if (thrown instanceof BletchleyError && scope)
      throw new BletchleyError(thrown.code, `${thrown.message} (in ${scope})`, { cause: thrown });
    throw thrown;
  }
  const outputs: Tensor[] = [];
  const node: GraphNode<Attributes> = { op, attributes, inputs, outputs, scope, id: nextId++ };
  types.forEach((type, i) => {
    outputs.push(new Tensor(type, node as unknown as GraphNode<never>, i));
  });
  return outputs;
}

/** Attributes of a graph input. */
export interface InputAttributes {
  readonly name: string;
  readonly type: TensorType;
}

const inputOp = defineOp<InputAttributes>({
  name: "input",
  infer: (_, { type }) => [type],
  lower: (context, _, node) => [context.input(node.attributes.name, node.attributes.type)],
  vjp: "none",
});

/** A named input of the graph; names may be symbolic dimensions. */
export function input(name: string, dtype: DType, shape: readonly Dim[]): Tensor {
  return inputOp([], { name, type: { dtype, shape: shape.map(normalizeDim) } })[0]!;
}

const constantOp = defineOp<{ readonly array: NDArray }>({
  name: "constant",
  infer: (_, { array }) => [{ dtype: array.dtype, shape: array.shape }],
  lower: (context, _, node) => [context.constant(node.attributes.array)],
  vjp: "none",
});

/** A constant with the values of an array, which must not be changed afterwards. */
export function constant(array: NDArray): Tensor {
  return constantOp([], { array })[0]!;
}

/** A constant scalar. */
export function scalar(value: number, dtype: DType = "f32"): Tensor {
  return constant(NDArray.scalar(value, dtype));
}

/** Bytes of a weight that stay in a file, read by the engine when the graph is loaded. */
export interface FileSlice {
  readonly path: string;
  readonly offset: number;
  readonly length: number;
}

/** A named weight: what modules own, checkpoints hold and optimisers change. */
export class Parameter {
  /** Path of the parameter, such as `model.layers.0.self_attn.q_proj.weight`; given when its module tree is complete. */
  name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Current values, or where they lie in a file; absent until loaded or initialised. */
  value: NDArray | FileSlice | undefined;
  /** The tensor that stands for this parameter in every graph. */
  readonly tensor: Tensor;

  constructor(name: string, dtype: DType, shape: readonly number[], value?: NDArray | FileSlice) {
    this.name = name;
    this.dtype = dtype;
    this.shape = shape;
    this.value = value;
    this.tensor = parameterOp([], { parameter: this })[0]!;
  }
}

const parameterOp = defineOp<{ readonly parameter: Parameter }>({
  name: "parameter",
  infer: (_, { parameter }) => [{ dtype: parameter.dtype, shape: parameter.shape }],
  lower: (context, _, node) => [context.parameter(node.attributes.parameter)],
  vjp: "none",
});

/**
 * Lowers a graph of tensors to ONNX: walks the nodes in order, lets each op emit its nodes, joins changes of shape, and shares
 * equal nodes (common subexpressions) on the way.
 */
import { type Dim, termsOf } from "../tensor/dims.ts";
import { nodesBehind } from "../tensor/grad.ts";
import type { AttributeValue, LowerContext, NodeOptions } from "../tensor/lowering.ts";
import type { FileSlice, Parameter, Tensor, TensorType } from "../tensor/tensor.ts";
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import type { LeastSize, OnnxGraph, OnnxInitializer, OnnxNode, OnnxValue } from "./onnx/model.ts";
import { type KnownValues, simplifyReshape, withoutUnused } from "./reshapes.ts";

/** How a graph is lowered. */
export interface LowerOptions {
  /** Name of the graph. */
  readonly name?: string;
  /** `constants` bakes parameters into the graph; `inputs` makes them inputs, to be fed at every run. */
  readonly parameters?: "constants" | "inputs";
  /** Join chains of reshapes; true by default. Without, a dump shows every node that an op emits. */
  readonly simplify?: boolean;
}

/** A lowered graph, with what the runtime needs to know beside it. */
export interface LoweredGraph {
  readonly graph: OnnxGraph;
  /** Parameters that became inputs, by input name. */
  readonly parameterInputs: ReadonlyMap<string, Parameter>;
  /** Types of the values that are tensors of the trace, by name; those inside of one op's lowering are not known. */
  readonly types: ReadonlyMap<string, TensorType>;
  /** Folder of the file that holds external weights, if there are any. */
  readonly weightFolder?: string;
}

function splitPath(path: string): { folder: string; file: string } {
  const at = path.lastIndexOf("/");
  return at < 0 ? { folder: ".", file: path } : { folder: path.slice(0, at) || "/", file: path.slice(at + 1) };
}

class Lowering implements LowerContext, KnownValues {
  readonly nodeList: OnnxNode[] = [];
  readonly initializers: OnnxInitializer[] = [];
  readonly inputs: OnnxValue[] = [];
  readonly parameterInputs = new Map<string, Parameter>();
  readonly types = new Map<string, TensorType>();
  readonly leastSizes: LeastSize[] = [];
  weightFolder: string | undefined;
  scope = "";
  readonly #options: LowerOptions;
  readonly #shared = new Map<string, readonly string[]>();
  readonly #arrays = new Map<NDArray, string>();
  readonly #constants = new Map<string, NDArray>();
  readonly #producers = new Map<string, OnnxNode>();
  #count = 0;

  constructor(options: LowerOptions) {
    this.#options = options;
  }

  #name(prefix: string): string {
    return `${prefix}_${this.#count++}`;
  }

  node(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    options: NodeOptions = {},
  ): string {
    return this.nodes(opType, inputs, attributes, { outputs: 1, ...options })[0]!;
  }

  nodes(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    options: NodeOptions & { readonly outputs: number },
  ): readonly string[] {
    const emitted = { opType, domain: options.domain ?? "", inputs, attributes };
    const draft = this.#options.simplify === false ? emitted : simplifyReshape(emitted, this);
    if (typeof draft === "string") return [draft];
    const key = JSON.stringify([draft, options.outputs]);
    const known = this.#shared.get(key);
    if (known) return known;
    const name = this.#name(this.scope ? `${this.scope}/${opType}` : opType);
    const outputs = options.outputs === 1 ? [name] : Array.from({ length: options.outputs }, (_, i) => `${name}:${i}`);
    const node: OnnxNode = { name, ...draft, outputs };
    this.nodeList.push(node);
    for (const output of outputs) this.#producers.set(output, node);
    this.#shared.set(key, outputs);
    return outputs;
  }

  producer(value: string): OnnxNode | undefined {
    return this.#producers.get(value);
  }

  constantValue(value: string): NDArray | undefined {
    return this.#constants.get(value);
  }

  type(value: string): TensorType | undefined {
    return this.types.get(value);
  }

  constant(array: NDArray): string {
    const known = this.#arrays.get(array);
    if (known) return known;
    const key = array.size <= 64 ? `constant ${array.dtype} ${array.shape} | ${array.data}` : undefined;
    const equal = key && this.#shared.get(key);
    if (equal) return equal[0]!;
    const name = this.#name("constant");
    this.initializers.push({ name, dtype: array.dtype, shape: array.shape, data: array });
    this.#arrays.set(array, name);
    this.#constants.set(name, array);
    if (key) this.#shared.set(key, [name]);
    return name;
  }

  int64s(values: readonly number[]): string {
    return this.constant(NDArray.from(values, [values.length], "i64"));
  }

  input(name: string, type: TensorType): string {
    const known = this.inputs.find((x) => x.name === name);
    if (known && (known.dtype !== type.dtype || String(known.shape) !== String(type.shape)))
      fail(
        "name",
        `two different inputs are named "${name}": ${known.dtype}[${known.shape}] and ${type.dtype}[${type.shape}]`,
      );
    if (!known) this.inputs.push({ name, dtype: type.dtype, shape: type.shape });
    return name;
  }

  parameter(parameter: Parameter): string {
    const { name, dtype, shape, value } = parameter;
    if (this.#options.parameters === "inputs") {
      if (this.parameterInputs.get(name) === undefined) this.parameterInputs.set(name, parameter);
      else if (this.parameterInputs.get(name) !== parameter) fail("name", `two parameters are named "${name}"`);
      return this.input(name, { dtype, shape });
    }
    if (!value) fail("name", `parameter "${name}" has no value; load a checkpoint or initialise it first`);
    if (value instanceof NDArray) return this.constant(value);
    this.initializers.push({ name, dtype, shape, data: this.#external(name, value) });
    return name;
  }

  #external(name: string, { path, offset, length }: FileSlice) {
    const { folder, file } = splitPath(path);
    if (this.weightFolder !== undefined && this.weightFolder !== folder)
      fail(
        "unsupported",
        `parameter "${name}" lies in ${folder}, others in ${this.weightFolder}; keep weight files in one folder`,
      );
    this.weightFolder = folder;
    return { location: file, offset, length };
  }

  shape(dims: readonly Dim[]): string {
    if (dims.every((n) => typeof n === "number")) return this.int64s(dims as number[]);
    const parts = dims.map((n) => (typeof n === "number" ? this.int64s([n]) : this.#size(n)));
    return parts.length === 1 ? parts[0]! : this.node("Concat", parts, { axis: { int: 0 } });
  }

  needsAtLeast(least: number, what: string, size: Dim): void {
    if (typeof size === "string") this.leastSizes.push({ least, what, size });
  }

  #size(dim: string): string {
    const terms = termsOf(dim).map(({ coefficient, names }) => {
      const factors = names.map((name) => this.#named(name));
      if (coefficient !== 1 || !factors.length) factors.push(this.int64s([coefficient]));
      return factors.reduce((a, b) => this.node("Mul", [a, b]));
    });
    return terms.reduce((a, b) => this.node("Add", [a, b]));
  }

  #named(name: string): string {
    for (const input of this.inputs) {
      const axis = input.shape.indexOf(name);
      if (axis >= 0) return this.node("Shape", [input.name], { start: { int: axis }, end: { int: axis + 1 } });
    }
    return fail("shape", `the size "${name}" is needed at run time but no graph input has an axis of that name`);
  }
}

/** Lowers `outputs` (by name) and everything behind them to an ONNX graph. */
export function lowerGraph(
  inputs: readonly Tensor[],
  outputs: Readonly<Record<string, Tensor>>,
  options: LowerOptions = {},
): LoweredGraph {
  const lowering = new Lowering(options);
  const names = new Map<Tensor, string>();
  const nodes = nodesBehind([...inputs, ...Object.values(outputs)]);
  // inputs first, so that sizes can be read from any of them
  for (const node of [...nodes.filter((n) => n.op.name === "input"), ...nodes.filter((n) => n.op.name !== "input")]) {
    lowering.scope = node.scope.replaceAll(".", "/");
    const results = node.op.lower(
      lowering,
      node.inputs.map((x) => names.get(x)!),
      node,
    );
    node.outputs.forEach((y, i) => {
      names.set(y, results[i]!);
      // a value that stands for several tensors has the type of the first: the node that made it was theirs
      if (!lowering.types.has(results[i]!)) lowering.types.set(results[i]!, { dtype: y.dtype, shape: y.shape });
    });
  }
  lowering.scope = "";
  const results: OnnxValue[] = [];
  for (const [name, tensor] of Object.entries(outputs)) {
    if (lowering.inputs.some((x) => x.name === name))
      fail(
        "name",
        `the output "${name}" of "${options.name ?? "graph"}" has the name of an input; give it another one`,
      );
    lowering.nodeList.push({
      name: `output/${name}`,
      opType: "Identity",
      domain: "",
      inputs: [names.get(tensor)!],
      outputs: [name],
      attributes: {},
    });
    results.push({ name, dtype: tensor.dtype, shape: tensor.shape });
  }
  const kept = options.simplify === false ? lowering.nodeList : withoutUnused(lowering.nodeList, Object.keys(outputs));
  const read = new Set(kept.flatMap((node) => node.inputs));
  return {
    graph: {
      name: options.name ?? "graph",
      nodes: kept,
      initializers: lowering.initializers.filter(({ name }) => read.has(name)),
      inputs: lowering.inputs,
      outputs: results,
      ...(lowering.leastSizes.length && { leastSizes: lowering.leastSizes }),
    },
    parameterInputs: lowering.parameterInputs,
    types: lowering.types,
    weightFolder: lowering.weightFolder,
  };
}

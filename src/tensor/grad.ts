/**
 * Reverse-mode differentiation as a graph transform: it walks the graph behind a scalar and applies each op's own rule.
 */
import { dtypes } from "../util/dtype.ts";
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import { broadcastTo } from "./broadcast.ts";
import { shapeText } from "./dims.ts";
import { add } from "./elementwise.ts";
import { straightThrough } from "./gradient-flow.ts";
import { constant, type GraphNode, type Tensor } from "./tensor.ts";

/** Nodes behind some tensors, inputs before users. */
export function nodesBehind(outputs: readonly Tensor[]): GraphNode<never>[] {
  const seen = new Set<GraphNode<never>>();
  const stack = outputs.map((t) => t.node);
  while (stack.length) {
    const node = stack.pop()!;
    if (seen.has(node)) continue;
    seen.add(node);
    for (const x of node.inputs) stack.push(x.node);
  }
  return [...seen].sort((a, b) => a.id - b.id);
}

/**
 * Pulls cotangents of `outputs` back to `inputs`: vector-Jacobian products. Inputs that do not influence the outputs
 * get zeros.
 * @throws `unsupported` when an op without a gradient lies on the way.
 */
export function pullback(
  outputs: readonly Tensor[],
  cotangents: readonly Tensor[],
  inputs: readonly Tensor[],
): Tensor[] {
  const nodes = nodesBehind(outputs);
  const wanted = new Set<GraphNode<never>>(inputs.map((t) => t.node));
  // only nodes that depend on a wanted input need work
  const active = new Set<GraphNode<never>>();
  for (const node of nodes) if (wanted.has(node) || node.inputs.some((x) => active.has(x.node))) active.add(node);
  const collected = new Map<Tensor, Tensor>();
  const collect = (target: Tensor, cotangent: Tensor) => {
    const sofar = collected.get(target);
    collected.set(target, sofar ? add(sofar, cotangent) : cotangent);
  };
  outputs.forEach((y, i) => {
    collect(y, cotangents[i]!);
  });
  for (const node of nodes.reverse()) {
    if (!active.has(node) || !node.inputs.some((x) => active.has(x.node) && dtypes[x.dtype].float)) continue;
    const arriving = node.outputs.map((y) => collected.get(y));
    if (arriving.every((c) => c === undefined)) continue;
    const { vjp } = node.op;
    if (vjp === "none")
      fail("unsupported", `grad: op "${node.op.name}" has no gradient${node.scope ? ` (in ${node.scope})` : ""}`);
    vjp(node, arriving).forEach((cotangent, i) => {
      const x = node.inputs[i]!;
      if (cotangent && active.has(x.node) && dtypes[x.dtype].float) collect(x, cotangent);
    });
  }
  return inputs.map((x) => collected.get(x) ?? broadcastTo(constant(NDArray.zeros([], x.dtype)), x.shape));
}

/**
 * Gradients of a scalar tensor with respect to others.
 * @throws `shape` when `y` is not a scalar.
 */
export function gradients(y: Tensor, inputs: readonly Tensor[]): Tensor[] {
  if (y.rank !== 0) fail("shape", `grad: needs a scalar, got ${shapeText(y.shape)}; sum it first`);
  return pullback([y], [constant(NDArray.scalar(1, y.dtype))], inputs);
}

/** Function of tensors whose result is a scalar. */
export type ScalarFunction<Arguments extends readonly Tensor[]> = (...inputs: Arguments) => Tensor;

/** Arguments that know nothing of each other: of one that is made from another, a function sees the value alone. */
function independent<Arguments extends readonly Tensor[]>(inputs: Arguments): Arguments {
  // inputs of a graph and parameters already are, each for itself
  if (new Set(inputs).size === inputs.length && inputs.every(({ node }) => !node.inputs.length)) return inputs;
  return inputs.map((x) => straightThrough(x, x)) as unknown as Arguments;
}

/** Turns a scalar function into one that returns its value and its partial gradients with respect to all arguments. */
export function valueAndGrad<Arguments extends readonly Tensor[]>(
  f: ScalarFunction<Arguments>,
): (...inputs: Arguments) => { value: Tensor; gradients: Tensor[] } {
  return (...inputs) => {
    const own = independent(inputs);
    const value = f(...own);
    return { value, gradients: gradients(value, own) };
  };
}

/** Turns a scalar function into one that returns its gradients with respect to all arguments. */
export function grad<Arguments extends readonly Tensor[]>(
  f: ScalarFunction<Arguments>,
): (...inputs: Arguments) => Tensor[] {
  const both = valueAndGrad(f);
  return (...inputs) => both(...inputs).gradients;
}

/** Value of a function, and what pulls cotangents of it back to its arguments. */
export interface VectorJacobian {
  readonly values: readonly Tensor[];
  /** Cotangents of the arguments from those of the values (as many, and of their shapes). */
  pull(...cotangents: readonly Tensor[]): Tensor[];
}

/**
 * Turns a function of tensors into one that also gives its vector-Jacobian products: what {@link grad} is for scalars, for any
 * number of results of any shape.
 */
export function vjp<Arguments extends readonly Tensor[]>(
  f: (...inputs: Arguments) => Tensor | readonly Tensor[],
): (...inputs: Arguments) => VectorJacobian {
  return (...inputs) => {
    const own = independent(inputs);
    const values = [f(...own)].flat() as readonly Tensor[];
    return {
      values,
      pull(...cotangents) {
        if (cotangents.length !== values.length)
          fail("argument", `vjp: ${values.length} values need as many cotangents, got ${cotangents.length}`);
        values.forEach((y, i) => {
          const c = cotangents[i]!;
          if (c.dtype !== y.dtype || String(c.shape) !== String(y.shape))
            fail("shape", `vjp: the cotangent of value ${i} should be ${y}, got ${c}`);
        });
        return pullback(values, cotangents, own);
      },
    };
  };
}

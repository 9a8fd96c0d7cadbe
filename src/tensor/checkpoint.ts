/**
 * Recomputing instead of storing: the gradient of a checkpointed function runs the function again, from its inputs, so that
 * what lies between need not be kept from the forward pass to the backward pass. Twelve gated layers of 256 on 4,096 rows take
 * 264 MB in place of 532 for a gradient, and 15 % more time.
 */
import { onnxTypeOf } from "./cast.ts";
import { nodesBehind, pullback } from "./grad.ts";
import { straightThrough } from "./gradient-flow.ts";
import type { LowerContext } from "./lowering.ts";
import { applyOp, defineOp, type GraphNode, type OpCall, scalar, type Tensor, withScope } from "./tensor.ts";

/** A vector with the integer 0 that is known only once `value` is. */
function zeroAfter(context: LowerContext, value: string): string {
  const first = context.node("Slice", [
    context.node("Reshape", [value, context.int64s([-1])]),
    context.int64s([0]),
    context.int64s([1]),
  ]);
  // a sum, because it has an element even when nothing is summed
  const whole = context.node("ReduceSum", [
    context.node("Cast", [first], { to: { int: onnxTypeOf("i64") } }),
    context.int64s([0]),
  ]);
  return context.node("Mul", [whole, context.int64s([0])]);
}

// a copy that no optimiser can take for the original: where it begins is computed from the cotangent (so that it is made in
// the backward pass) and from the forward result (because a cotangent may be a constant)
const afterOp: OpCall<Record<never, never>> = defineOp({
  name: "after",
  infer: ([x]) => [x!],
  lower(context, [x, cotangent, result], { inputs }) {
    const zero = context.node("Add", [zeroAfter(context, cotangent!), zeroAfter(context, result!)]);
    const everything = context.int64s([2 ** 52]);
    const axis = context.int64s([0]);
    if (inputs[0]!.shape.length) return [context.node("Slice", [x!, zero, everything, axis])];
    const lifted = context.node("Unsqueeze", [x!, axis]);
    return [context.node("Squeeze", [context.node("Slice", [lifted, zero, everything, axis]), axis])];
  },
  vjp: (_, [c]) => [c, undefined, undefined],
});

/** Whether a tensor is a graph's own: an input of it, a constant or a parameter. */
const isLeaf = ({ node }: Tensor) => node.inputs.length === 0;

/** Nodes between a region's boundary and its results, inputs before users. */
function regionNodes(results: readonly Tensor[], boundary: ReadonlySet<Tensor>): GraphNode<never>[] {
  const seen = new Set<GraphNode<never>>();
  const stack = results.filter((y) => !boundary.has(y)).map(({ node }) => node);
  while (stack.length) {
    const node = stack.pop()!;
    if (seen.has(node)) continue;
    seen.add(node);
    for (const x of node.inputs) if (!boundary.has(x)) stack.push(x.node);
  }
  return [...seen].sort((a, b) => a.id - b.id);
}

/** The results once more, from other tensors in place of the boundary. */
function again(results: readonly Tensor[], boundary: ReadonlyMap<Tensor, Tensor>): Tensor[] {
  const known = new Map(boundary);
  const copy = (x: Tensor) => known.get(x) ?? x;
  for (const node of regionNodes(results, new Set(boundary.keys()))) {
    if (!node.inputs.length) continue;
    const outputs = withScope(node.scope, () => applyOp(node.op, node.inputs.map(copy), node.attributes));
    node.outputs.forEach((y, i) => {
      known.set(y, outputs[i]!);
    });
  }
  return results.map(copy);
}

// inputs: the results, then everything from outside that they are made of
const checkpointOp = defineOp<{ readonly results: number }>({
  name: "checkpoint",
  infer: (inputs, { results }) => inputs.slice(0, results).map(({ dtype, shape }) => ({ dtype, shape })),
  lower: (_, names, { attributes: { results } }) => names.slice(0, results),
  vjp({ inputs, attributes: { results } }, cotangents) {
    const [made, outside] = [inputs.slice(0, results), inputs.slice(results)];
    const at = made.findIndex((_, i) => cotangents[i]);
    if (at < 0) return inputs.map(() => undefined);
    // stand-ins, so that gradients end here and do not go on through what the inputs are made of; parameters and constants
    // need not be copied
    const later = outside.map((x) =>
      isLeaf(x) && x.node.op.name !== "input"
        ? straightThrough(x, x)
        : afterOp([x, cotangents[at]!, made[at]!], {})[0]!,
    );
    const recomputed = again(made, new Map(outside.map((x, i) => [x, later[i]!])));
    const used = recomputed.flatMap((y, i) => (cotangents[i] ? [[y, cotangents[i]] as const] : []));
    const pulled = pullback(
      used.map(([y]) => y),
      used.map(([, c]) => c),
      later,
    );
    return [...made.map(() => undefined), ...pulled];
  },
});

/**
 * A function whose gradient computes it again instead of keeping what it computed: less memory for one more forward pass.
 * Values stay the same; gradients too, up to the order of sums. Composes with all transforms and with itself.
 * @param f takes and yields one or several tensors; tensors that it uses from outside, such as parameters, get their gradients
 * too.
 * @example const y = checkpointed((x: Tensor) => block.forward(x))(x);
 */
export function checkpointed<Arguments extends readonly Tensor[], Result extends Tensor | readonly Tensor[]>(
  f: (...inputs: Arguments) => Result,
): (...inputs: Arguments) => Result {
  return (...inputs) => {
    // whatever is made after this node belongs to the function
    const before = scalar(0).node.id;
    const result = f(...inputs);
    const made: readonly Tensor[] = Array.isArray(result) ? result : [result as Tensor];
    const inside = new Set(nodesBehind(made).filter(({ id }) => id > before));
    const outside = new Set<Tensor>();
    for (const node of inside) for (const x of node.inputs) if (!inside.has(x.node)) outside.add(x);
    const own = made.filter(({ node }) => inside.has(node));
    if (!own.length) return result;
    const kept = checkpointOp([...own, ...outside], { results: own.length });
    const wrapped = made.map((y) => kept[own.indexOf(y)] ?? y);
    return (Array.isArray(result) ? wrapped : wrapped[0]) as Result;
  };
}

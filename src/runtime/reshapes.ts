/**
 * Changes of shape that need not be: chains of them become one, and those that lead back to where they began become none.
 * Works while a graph is lowered, so that common subexpressions are sought among what remains.
 *
 * This is what was left to do beside ONNX Runtime's own optimiser (1.30), which looks at every graph when it is loaded. It
 * joins pairs of transposes, drops casts and identities that do nothing, and folds what depends on constants alone: all 109
 * such nodes of Gemma 3's step, for 7 ms of a load of 2.4 s. So nothing of that is done here, where folding would also need
 * kernels that agree with its own to the last bit. But it leaves chains of reshapes alone when a size is symbolic.
 */
import type { Dim } from "../tensor/dims.ts";
import type { TensorType } from "../tensor/tensor.ts";
import type { NDArray } from "../util/ndarray.ts";
import type { OnnxNode } from "./onnx/model.ts";

/** A node before it has a name. */
export type NodeDraft = Pick<OnnxNode, "opType" | "domain" | "inputs" | "attributes">;

/** What is known of the graph so far. */
export interface KnownValues {
  /** The node that made a value. */
  producer(value: string): OnnxNode | undefined;
  /** A constant's array, if it is in memory. */
  constantValue(value: string): NDArray | undefined;
  /** Type and shape, if the value is a tensor of the trace. */
  type(value: string): TensorType | undefined;
  /** An `i64` vector as a constant. */
  int64s(values: readonly number[]): string;
}

/** With it a 0 is a size; without, it copies one. */
const allowsZero = ({ attributes }: NodeDraft) => "allowzero" in attributes;

/** Whether a reshape to `target` changes nothing. A 0 copies a size, and a single -1 is the one size that is left over. */
function keepsShape(target: readonly number[], from: readonly Dim[] | undefined): boolean {
  return from !== undefined && target.length === from.length && target.every((n, i) => n <= 0 || n === from[i]);
}

/**
 * The shape that leads straight from the input of reshape `inner` to the result of `outer`. A 0 copies a size of the reshape's
 * own input: that is known here if `inner` gives it as a number, or copies it as well.
 */
function joinShapes(outer: readonly number[], inner: readonly number[]): readonly number[] | undefined {
  const joined: number[] = [];
  for (const [i, n] of outer.entries()) {
    const size = n === 0 ? inner[i] : n;
    if (size === undefined || (n === 0 && size < 0)) return undefined;
    joined.push(size);
  }
  return joined;
}

/** A reshape without the change of shape before it, the name of a value that is the same, or nothing. */
function joinReshape(node: NodeDraft, known: KnownValues): NodeDraft | string | undefined {
  const [x, shape] = node.inputs as [string, string];
  const target = known.constantValue(shape)?.toNumbers();
  if (!target || allowsZero(node)) return undefined;
  if (keepsShape(target, known.type(x)?.shape)) return x;
  const before = known.producer(x);
  const from = before?.inputs[0];
  if (before === undefined || from === undefined) return undefined;
  const direct = { ...node, inputs: [from, shape] };
  if (before.opType === "Squeeze" || before.opType === "Unsqueeze") return target.includes(0) ? undefined : direct;
  if (before.opType !== "Reshape") return undefined;
  if (!target.includes(0)) return direct;
  const inner = known.constantValue(before.inputs[1]!)?.toNumbers();
  const joined = inner && !allowsZero(before) && joinShapes(target, inner);
  return joined ? { ...node, inputs: [from, known.int64s(joined)] } : undefined;
}

/** Adding axes of size 1 and taking the same ones away again, in either order. */
function dropInverse(node: NodeDraft, known: KnownValues, inverse: string): string | undefined {
  const [x, axes] = node.inputs;
  const before = known.producer(x!);
  // equal constants have one name
  return before?.opType === inverse && axes !== undefined && before.inputs[1] === axes ? before.inputs[0] : undefined;
}

/** The simplest node that does the same as a change of shape, or the name of a value that is its result already. */
export function simplifyReshape(node: NodeDraft, known: KnownValues): NodeDraft | string {
  if (node.opType === "Squeeze") return dropInverse(node, known, "Unsqueeze") ?? node;
  if (node.opType === "Unsqueeze") return dropInverse(node, known, "Squeeze") ?? node;
  let simplest = node;
  while (simplest.opType === "Reshape") {
    const next = joinReshape(simplest, known);
    if (next === undefined) break;
    if (typeof next === "string") return next;
    simplest = next;
  }
  return simplest;
}

/** Without the nodes that no output needs any more. */
export function withoutUnused(nodes: readonly OnnxNode[], outputs: Iterable<string>): OnnxNode[] {
  const needed = new Set(outputs);
  const kept: OnnxNode[] = [];
  for (const node of [...nodes].reverse()) {
    if (!node.outputs.some((y) => needed.has(y))) continue;
    for (const x of node.inputs) needed.add(x);
    kept.push(node);
  }
  return kept.reverse();
}

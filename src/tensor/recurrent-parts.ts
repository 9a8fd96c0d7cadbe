/**
 * What recurrent layers share: checks, the ONNX node, steps as blocks of rows, and cotangents carried back through time. It
 * knows nothing of gates; those are in `lstm.ts` and `gru.ts`.
 */
import { fail } from "../util/errors.ts";
import { range } from "./arrange.ts";
import { broadcastTo, sum } from "./broadcast.ts";
import { cast, onnxTypeOf } from "./cast.ts";
import { less, where } from "./compare.ts";
import { type Dim, mulDims, shapeText, subDims } from "./dims.ts";
import { add, mul, sub } from "./elementwise.ts";
import { checkIndices, zerosLike } from "./gather.ts";
import type { AttributeValue, LowerContext } from "./lowering.ts";
import { matmul, swapLast } from "./matmul.ts";
import { reshape, unsqueeze } from "./movement.ts";
import { concat, slice, split } from "./slice.ts";
import type { GraphNode, Tensor, TensorType } from "./tensor.ts";

/** Attributes of one layer in one direction. */
export interface DirectionAttributes {
  /** Whether time runs backwards. */
  readonly reverse: boolean;
  /** Whether the last input holds the length of every sequence. */
  readonly ragged: boolean;
}

/**
 * Types that a layer's op yields, from its inputs: x `[time, batch, in]`, weights `[gates · hidden, in]` and
 * `[gates · hidden, hidden]`, both biases in one `[2 · gates · hidden]`, `states` first states `[batch, hidden]`, and lengths.
 */
export function inferLayer(
  op: string,
  inputs: readonly TensorType[],
  gates: number,
  states: number,
  { ragged }: DirectionAttributes,
): TensorType[] {
  const [x, weight, recurrent, bias] = inputs as [TensorType, TensorType, TensorType, TensorType];
  for (const { dtype } of inputs.slice(0, 4 + states))
    if (dtype !== "f32") fail("dtype", `${op}: needs f32, got ${dtype}; cast it first`);
  if (x.shape.length !== 3) fail("shape", `${op}: x is [time, batch, features], got ${shapeText(x.shape)}`);
  const [time, batch, features] = x.shape as [Dim, Dim, Dim];
  const hidden = recurrent.shape[1];
  if (typeof hidden !== "number")
    return fail("shape", `${op}: hidden weights are [${gates} · hidden, hidden], got ${shapeText(recurrent.shape)}`);
  const wanted: [string, TensorType, readonly Dim[]][] = [
    ["input weights", weight, [gates * hidden, features]],
    ["hidden weights", recurrent, [gates * hidden, hidden]],
    ["biases", bias, [2 * gates * hidden]],
    ...inputs.slice(4, 4 + states).map((t): [string, TensorType, readonly Dim[]] => ["states", t, [batch, hidden]]),
  ];
  for (const [what, { shape }, want] of wanted)
    if (String(shape) !== String(want))
      fail("shape", `${op}: ${what} of x ${shapeText(x.shape)} should be ${shapeText(want)}, got ${shapeText(shape)}`);
  if (ragged) {
    const lengths = inputs[4 + states]!;
    checkIndices(op, lengths);
    if (String(lengths.shape) !== String([batch]))
      fail("shape", `${op}: lengths should be [${batch}], one a sequence, got ${shapeText(lengths.shape)}`);
  }
  const state: TensorType = { dtype: "f32", shape: [batch, hidden] };
  return [{ dtype: "f32", shape: [time, batch, hidden] }, ...new Array<TensorType>(states).fill(state)];
}

/**
 * Emits the ONNX node of a layer.
 * @param order ONNX's gates as places in ours. @param states how many states it carries.
 */
export function lowerLayer(
  context: LowerContext,
  opType: string,
  names: readonly string[],
  { inputs, attributes: { reverse, ragged } }: GraphNode<DirectionAttributes>,
  order: readonly number[],
  states: number,
  attributes: Readonly<Record<string, AttributeValue>> = {},
): string[] {
  const [x, weight, recurrent, bias] = names as [string, string, string, string];
  const hidden = inputs[2]!.shape[1] as number;
  const zeroth = context.int64s([0]);
  const reorder = (t: string, copies: number) => {
    const all = Array.from({ length: copies * order.length }, () => hidden);
    if (all.length === 1 || order.every((from, to) => from === to)) return t;
    const gates = context.nodes("Split", [t, context.int64s(all)], { axis: { int: 0 } }, { outputs: all.length });
    const wanted = gates.map((_, i) => gates[Math.floor(i / order.length) * order.length + order[i % order.length]!]!);
    return context.node("Concat", wanted, { axis: { int: 0 } });
  };
  const lifted = (t: string) => context.node("Unsqueeze", [t, zeroth]);
  const lengths = ragged ? context.node("Cast", [names[4 + states]!], { to: { int: onnxTypeOf("i32") } }) : "";
  const results = context.nodes(
    opType,
    [
      x,
      lifted(reorder(weight, 1)),
      lifted(reorder(recurrent, 1)),
      lifted(reorder(bias, 2)),
      lengths,
      ...names.slice(4, 4 + states).map(lifted),
    ],
    {
      hidden_size: { int: hidden },
      direction: { string: reverse ? "reverse" : "forward" },
      ...attributes,
    },
    { outputs: 1 + states },
  );
  return results.map((t, i) => context.node("Squeeze", [t, context.int64s([i ? 0 : 1])]));
}

/** A layer seen from its gradient: every sequence tensor has `time · batch` rows, step by step. */
export interface Sequence {
  readonly time: number;
  readonly batch: Dim;
  readonly x: Tensor;
  /** State before each step. */
  readonly previous: Tensor;
  /** 1 where a step belongs to its sequence, else 0: `[time · batch, 1]`; absent when all do. */
  readonly mask: Tensor | undefined;
  readonly reverse: boolean;
}

/** Prepares the inputs and the result `y` of a layer for its gradient. @throws `unsupported` for a symbolic time. */
export function sequenceOf(op: string, node: GraphNode<DirectionAttributes>, states: number): Sequence {
  const { inputs, outputs, attributes } = node;
  const [time, batch, features] = inputs[0]!.shape as [Dim, Dim, Dim];
  if (typeof time !== "number" || time < 1)
    return fail("unsupported", `${op}: the gradient needs a known number of steps, got ${time} of x ${inputs[0]}`);
  const rows = mulDims(time, batch);
  const [y, first] = [reshape(outputs[0]!, [rows, outputs[0]!.shape[2]!]), inputs[4]!];
  let mask: Tensor | undefined;
  if (attributes.ragged) {
    const valid = less(unsqueeze(range(0, time), 1), cast(inputs[4 + states]!, "i64"));
    mask = reshape(cast(valid, "f32"), [rows, 1]);
  }
  const { reverse } = attributes;
  let previous = shifted(y, first, batch, reverse);
  // backwards, a sequence begins at its own end
  if (mask && reverse) {
    const begun = shifted(mask, zerosLike({ dtype: "f32", shape: [batch, 1] }), batch, true);
    const tiled = reshape(broadcastTo(first, [time, ...first.shape]), y.shape);
    previous = where(less(begun, 0.5), tiled, previous);
  }
  return { time, batch, x: reshape(inputs[0]!, [rows, features]), previous, mask, reverse };
}

/** What each step finds: the rows of the step before it, and `first` at the beginning. */
export function shifted(rows: Tensor, first: Tensor, batch: Dim, reverse: boolean): Tensor {
  if (rows.shape[0] === batch) return first;
  if (reverse) return concat([slice(rows, { axis: 0, start: batch }), first], 0);
  return concat([first, slice(rows, { axis: 0, end: subDims(rows.shape[0]!, batch) })], 0);
}

/** Rows as steps. */
export function stepsOf(rows: Tensor, { time, batch }: Sequence): readonly Tensor[] {
  return split(rows, new Array<Dim>(time).fill(batch), 0);
}

/** Numbers of the steps in the order in which they are taken. */
export function stepOrder({ time, reverse }: Sequence): number[] {
  const steps = Array.from({ length: time }, (_, i) => i);
  return reverse ? steps.reverse() : steps;
}

/** `rows` where a step belongs to its sequence, `other` (0 or 1) where not. */
export function masked(rows: Tensor, { mask }: Sequence, other: 0 | 1 = 0): Tensor {
  if (!mask) return rows;
  return other ? add(mul(rows, mask), sub(1, mask)) : mul(rows, mask);
}

/** Cotangent of the layer's result as rows; zeros when none arrives. */
export function arriving(
  node: GraphNode<DirectionAttributes>,
  cotangent: Tensor | undefined,
  sequence: Sequence,
): Tensor {
  const [y] = node.outputs;
  const shape: Dim[] = [mulDims(sequence.time, sequence.batch), y!.shape[2]!];
  return cotangent ? masked(reshape(cotangent, shape), sequence) : zerosLike({ dtype: y!.dtype, shape });
}

/**
 * Carries cotangents of states back through the steps of a layer whose gate sums have cotangents `factors · dh`, gate by gate.
 * @param factors `[time · batch, gates · hidden]`, with respect to the sums that the hidden weights make.
 * @param kept share of a state that goes over into the next one, `[time · batch, hidden]`; none when absent.
 * @returns cotangents of the state after each step, and of the first state.
 */
export function carryBack(
  sequence: Sequence,
  arrived: Tensor,
  last: Tensor | undefined,
  factors: Tensor,
  kept: Tensor | undefined,
  recurrent: Tensor,
): { readonly states: Tensor; readonly first: Tensor } {
  const gates = Math.round((recurrent.shape[0] as number) / (recurrent.shape[1] as number));
  const [at, scale] = [stepsOf(arrived, sequence), stepsOf(factors, sequence)];
  const passed = kept && stepsOf(kept, sequence);
  const states: Tensor[] = [];
  let carried = last;
  for (const t of stepOrder(sequence).reverse()) {
    const dh: Tensor = carried ? add(carried, at[t]!) : at[t]!;
    states[t] = dh;
    const back = matmul(mul(gates > 1 ? concat(new Array<Tensor>(gates).fill(dh), 1) : dh, scale[t]!), recurrent);
    carried = passed ? add(back, mul(dh, passed[t]!)) : back;
  }
  return { states: concat(states, 0), first: carried! };
}

/**
 * Cotangents of x, both weights and the biases.
 * @param fromInput those of the gate sums that the input makes, `[time · batch, gates · hidden]`. @param fromHidden of those
 * that the state makes.
 */
export function weightCotangents(
  node: GraphNode<DirectionAttributes>,
  { x, previous }: Sequence,
  fromInput: Tensor,
  fromHidden: Tensor,
): [Tensor, Tensor, Tensor, Tensor] {
  const [input, weight] = node.inputs as [Tensor, Tensor];
  return [
    reshape(matmul(fromInput, weight), input.shape),
    matmul(swapLast(fromInput), x),
    matmul(swapLast(fromHidden), previous),
    concat([sum(fromInput, 0), sum(fromHidden, 0)], 0),
  ];
}

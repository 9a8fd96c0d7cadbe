/**
 * One GRU layer, and one plain tanh layer, in one direction. Values are ONNX's own ops; the gradients recompute the gates of
 * all steps at once, and carry cotangents back step by step (see `lstm.ts` for what that saves).
 */
import { sigmoid } from "./activations.ts";
import { add, mul, sub } from "./elementwise.ts";
import { square, tanh } from "./functions.ts";
import { linear } from "./matmul.ts";
import { reshape } from "./movement.ts";
import {
  arriving,
  carryBack,
  type DirectionAttributes,
  inferLayer,
  lowerLayer,
  masked,
  sequenceOf,
  weightCotangents,
} from "./recurrent-parts.ts";
import { concat, split } from "./slice.ts";
import { defineOp, type OpCall, type Tensor } from "./tensor.ts";

/** Inputs: x, input weights, hidden weights, both biases, first state, lengths. Outputs: y, last state. */
export const gruLayer: OpCall<DirectionAttributes> = defineOp<DirectionAttributes>({
  name: "gru",
  infer: (inputs, attributes) => inferLayer("gru", inputs, 3, 1, attributes),
  // ONNX has update, reset, new
  lower: (context, names, node) =>
    lowerLayer(context, "GRU", names, node, [1, 0, 2], 1, { linear_before_reset: { int: 1 } }),
  vjp(node, [dy, dLast]) {
    const [, weight, recurrent, bias] = node.inputs as [Tensor, Tensor, Tensor, Tensor];
    const sequence = sequenceOf("gru", node, 1);
    const width = recurrent.shape[1] as number;
    const thirds = [width, width, width];
    const [inputBias, hiddenBias] = split(bias, [3 * width, 3 * width], 0) as [Tensor, Tensor];
    const [xr, xz, xn] = split(linear(sequence.x, weight, inputBias), thirds, 1) as [Tensor, Tensor, Tensor];
    const sums = linear(sequence.previous, recurrent, hiddenBias);
    const [hr, hz, hn] = split(sums, thirds, 1) as [Tensor, Tensor, Tensor];
    const [reset, update] = [sigmoid(add(xr, hr)), sigmoid(add(xz, hz))];
    const fresh = tanh(add(xn, mul(reset, hn)));
    // what the gate sums of a step follow of its state
    const toNew = mul(sub(1, update), sub(1, square(fresh)));
    const toReset = mul(mul(toNew, hn), mul(reset, sub(1, reset)));
    const toUpdate = mul(sub(sequence.previous, fresh), mul(update, sub(1, update)));
    const fromHidden = masked(concat([toReset, toUpdate, mul(toNew, reset)], 1), sequence);
    const fromInput = masked(concat([toReset, toUpdate, toNew], 1), sequence);
    const { states, first } = carryBack(
      sequence,
      arriving(node, dy, sequence),
      dLast,
      fromHidden,
      masked(update, sequence, 1),
      recurrent,
    );
    const each = concat([states, states, states], 1);
    return [...weightCotangents(node, sequence, mul(each, fromInput), mul(each, fromHidden)), first, undefined];
  },
});

/** Inputs and outputs as for {@link gruLayer}, with a single gate: `tanh(W x + b + U h + b')`. */
export const rnnLayer: OpCall<DirectionAttributes> = defineOp<DirectionAttributes>({
  name: "rnn",
  infer: (inputs, attributes) => inferLayer("rnn", inputs, 1, 1, attributes),
  lower: (context, names, node) => lowerLayer(context, "RNN", names, node, [0], 1),
  vjp(node, [dy, dLast]) {
    const recurrent = node.inputs[2]!;
    const sequence = sequenceOf("rnn", node, 1);
    const y = reshape(node.outputs[0]!, sequence.previous.shape);
    const factors = masked(sub(1, square(y)), sequence);
    const idle = sequence.mask && sub(1, sequence.mask);
    const { states, first } = carryBack(sequence, arriving(node, dy, sequence), dLast, factors, idle, recurrent);
    const sums = mul(states, factors);
    return [...weightCotangents(node, sequence, sums, sums), first, undefined];
  },
});

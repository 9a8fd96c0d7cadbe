/**
 * Recurrent networks: LSTM, GRU and plain tanh layers, stacked and in one or two directions, over sequences of equal or unequal
 * lengths. Single layers and their gradients live in `lstm.ts` and `gru.ts`.
 */
import { fail } from "../util/errors.ts";
import { type Dim, shapeText } from "./dims.ts";
import { zerosLike } from "./gather.ts";
import { gruLayer, rnnLayer } from "./gru.ts";
import { lstmLayer } from "./lstm.ts";
import { squeeze, transpose } from "./movement.ts";
import type { DirectionAttributes } from "./recurrent-parts.ts";
import { concat, split, stack } from "./slice.ts";
import type { OpCall, Tensor } from "./tensor.ts";

/** Weights of one layer in one direction. Gates are stacked: LSTM input, forget, cell, output; GRU reset, update, new. */
export interface RecurrentWeights {
  /** `[gates · hidden, in]`. */
  readonly input: Tensor;
  /** `[gates · hidden, hidden]`. */
  readonly hidden: Tensor;
  /** `[gates · hidden]`; none when absent. */
  readonly inputBias?: Tensor;
  /** `[gates · hidden]`; none when absent. A GRU's differs from the other: the reset gate multiplies it too. */
  readonly hiddenBias?: Tensor;
}

/** Options of recurrent networks. */
export interface RecurrentOptions {
  /** First hidden states, `[layers · directions, batch, hidden]`, forward before backward; zeros by default. */
  readonly hidden?: Tensor;
  /** Whether x and the result are `[batch, time, …]` instead of `[time, batch, …]`; false by default. States never change. */
  readonly batchFirst?: boolean;
  /** Steps of each sequence, integers `[batch]`: beyond them results are zeros; all steps by default. */
  readonly lengths?: Tensor;
}

/** Options of {@link lstm}. */
export interface LstmOptions extends RecurrentOptions {
  /** First cell states, shaped like the hidden ones; zeros by default. */
  readonly cell?: Tensor;
}

/** What a recurrent network yields. */
export interface RecurrentResult {
  /** Hidden states of the last layer, `[time, batch, directions · hidden]`. */
  readonly y: Tensor;
  /** Hidden states after the last step, `[layers · directions, batch, hidden]`. */
  readonly hidden: Tensor;
}

/** What {@link lstm} yields. */
export interface LstmResult extends RecurrentResult {
  /** Cell states after the last step, shaped like the hidden ones. */
  readonly cell: Tensor;
}

/** Runs stacked layers; returns the result and, for each kind of state, the last ones. */
function runLayers(
  op: string,
  layer: OpCall<DirectionAttributes>,
  x: Tensor,
  layers: readonly (readonly RecurrentWeights[])[],
  firstStates: readonly (Tensor | undefined)[],
  { batchFirst = false, lengths }: RecurrentOptions,
): { y: Tensor; states: Tensor[] } {
  const directions = layers[0]?.length ?? 0;
  if (!directions || directions > 2 || layers.some((each) => each.length !== directions))
    fail("argument", `${op}: needs weights for one or two directions of at least one layer, the same in every layer`);
  if (x.rank !== 3) fail("shape", `${op}: x has time, batch and features, got ${shapeText(x.shape)}`);
  const count = layers.length * directions;
  const width = layers[0]![0]!.hidden.shape[1]!;
  let y = batchFirst ? transpose(x, [1, 0, 2]) : x;
  const batch = y.shape[1]!;
  const wanted: Dim[] = [count, batch, width];
  const given = firstStates.map((states) => {
    if (!states) return undefined;
    if (String(states.shape) !== String(wanted))
      fail("shape", `${op}: first states should be ${shapeText(wanted)}, got ${shapeText(states.shape)}`);
    return split(states, new Array<Dim>(count).fill(1), 0).map((t) => squeeze(t, 0));
  });
  const last: Tensor[][] = firstStates.map(() => []);
  layers.forEach((weights, depth) => {
    const results = weights.map(({ input, hidden, inputBias, hiddenBias }, direction) => {
      const none = zerosLike({ dtype: "f32", shape: [hidden.shape[0]!] });
      const bias = concat([inputBias ?? none, hiddenBias ?? none], 0);
      const at = depth * directions + direction;
      const states = given.map((list) => list?.[at] ?? zerosLike({ dtype: "f32", shape: [batch, width] }));
      const attributes = { reverse: direction === 1, ragged: lengths !== undefined };
      const [out, ...after] = layer([y, input, hidden, bias, ...states, ...(lengths ? [lengths] : [])], attributes);
      after.forEach((state, kind) => {
        last[kind]!.push(state);
      });
      return out!;
    });
    y = concat(results, 2);
  });
  return { y: batchFirst ? transpose(y, [1, 0, 2]) : y, states: last.map((states) => stack(states, 0)) };
}

/**
 * LSTM layers: gates `i, f, o = σ(…)` and `g = tanh(…)` of `W x + b + U h + b'`, cell `f c + i g`, state `o tanh(cell)`.
 * @param x `[time, batch, features]`. @param layers weights by layer, then by direction (forward, backward).
 * @throws `shape` for weights that do not fit. The gradient needs a known number of steps.
 */
export function lstm(
  x: Tensor,
  layers: readonly (readonly RecurrentWeights[])[],
  options: LstmOptions = {},
): LstmResult {
  const { y, states } = runLayers("lstm", lstmLayer, x, layers, [options.hidden, options.cell], options);
  return { y, hidden: states[0]!, cell: states[1]! };
}

/**
 * GRU layers: `r, z = σ(W x + b + U h + b')`, `n = tanh(W x + b + r (U h + b'))`, state `(1 − z) n + z h`. Otherwise as
 * {@link lstm}.
 */
export function gru(
  x: Tensor,
  layers: readonly (readonly RecurrentWeights[])[],
  options: RecurrentOptions = {},
): RecurrentResult {
  const { y, states } = runLayers("gru", gruLayer, x, layers, [options.hidden], options);
  return { y, hidden: states[0]! };
}

/** Plain recurrent layers: state `tanh(W x + b + U h + b')`. Otherwise as {@link lstm}. */
export function rnn(
  x: Tensor,
  layers: readonly (readonly RecurrentWeights[])[],
  options: RecurrentOptions = {},
): RecurrentResult {
  const { y, states } = runLayers("rnn", rnnLayer, x, layers, [options.hidden], options);
  return { y, hidden: states[0]! };
}

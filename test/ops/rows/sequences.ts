/**
 * Rows of recurrent layers and signals.
 */
import type { Tensor } from "../../../src/tensor/index.ts";
import * as t from "../../../src/tensor/index.ts";
import { NDArray } from "../../../src/util/ndarray.ts";
import { type Family, type GoldenRow, integers, numbers, type OpExample, type PlainRow } from "./row.ts";

interface LayerAttributes {
  readonly layers: number;
  readonly bidirectional: boolean;
  readonly batchFirst: boolean;
  readonly lengths?: number[];
}

const layer =
  (
    f: (x: Tensor, layers: t.RecurrentWeights[][], options: t.LstmOptions) => t.RecurrentResult & { cell?: Tensor },
  ): GoldenRow =>
  (inputs, { layers, bidirectional, batchFirst, lengths }: LayerAttributes) => {
    const weights = Array.from({ length: layers }, (_, depth) =>
      (bidirectional ? ["", ".reverse"] : [""]).map((direction) => ({
        input: inputs[`weightInput.${depth}${direction}`]!,
        hidden: inputs[`weightHidden.${depth}${direction}`]!,
        inputBias: inputs[`biasInput.${depth}${direction}`],
        hiddenBias: inputs[`biasHidden.${depth}${direction}`],
      })),
    );
    const result = f(inputs.x!, weights, {
      hidden: inputs.h0,
      cell: inputs.c0,
      batchFirst,
      lengths: lengths && t.constant(integers(lengths)),
    });
    return { y: result.y, hN: result.hidden, ...(result.cell && { cN: result.cell }) };
  };

/** Both directions over sequences of unequal lengths, every output used. */
const example = (
  gates: number,
  f: (x: Tensor, layers: t.RecurrentWeights[][], options: t.LstmOptions) => t.RecurrentResult & { cell?: Tensor },
): OpExample => ({
  inputs: () => ({
    x: numbers([3, 2, 2], 1),
    input: numbers([gates * 2, 2], 2),
    hidden: numbers([gates * 2, 2], 3),
    bias: numbers([gates * 2], 4),
    other: numbers([gates * 2], 5),
    first: numbers([2, 2, 2], 6),
    cell: numbers([2, 2, 2], 7),
  }),
  apply({ x, input, hidden, bias, other, first, cell }) {
    const weights = { input: input!, hidden: hidden!, inputBias: bias!, hiddenBias: other! };
    const lengths = t.constant(integers([2, 3]));
    const result = f(x!, [[weights, weights]], { hidden: first!, cell: cell!, lengths });
    const states = [result.hidden, ...(result.cell ? [result.cell] : [])].map((s) => s.reshape([-1]));
    return t.concat([result.y.reshape([-1]), ...states], 0);
  },
});

/** Recurrent layers. */
export const recurrent: Family = {
  golden: { lstm: layer(t.lstm), gru: layer(t.gru), rnn: layer(t.rnn) },
  examples: { lstm: example(4, t.lstm), gru: example(3, t.gru), rnn: example(1, t.rnn) },
};

const eachNumber =
  (f: (value: number, scale: t.MelScale) => number): PlainRow =>
  ({ x }, { scale }) => ({ y: NDArray.from(x!.toNumbers().map((value) => f(value, scale))) });

/** Fourier transforms and what is made of them. */
export const signal: Family = {
  golden: {
    fft: ({ x }, attrs) => ({ y: t.fft(x!, attrs) }),
    ifft: ({ x }, attrs) => ({ y: t.ifft(x!, attrs) }),
    rfft: ({ x }, attrs) => ({ y: t.rfft(x!, attrs) }),
    irfft: ({ x }, attrs) => ({ y: t.irfft(x!, attrs) }),
    stft: ({ x }, attrs) => ({ y: t.stft(x!, attrs) }),
    istft: ({ x }, attrs) => ({ y: t.istft(x!, attrs) }),
    logMelSpectrogram: ({ x }, attrs) => ({ y: t.logMelSpectrogram(x!, attrs) }),
    dct2: ({ x }) => ({ y: t.dct2(x!) }),
  },
  plain: {
    window: (_, { window, length, periodic }) => ({ y: t.windowFunction(window, length, periodic) }),
    hertzToMel: eachNumber(t.hertzToMel),
    melToHertz: eachNumber(t.melToHertz),
    melFilterbank: (_, attrs) => ({ y: t.melFilterbank(attrs) }),
  },
  examples: {},
};

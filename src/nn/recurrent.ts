/**
 * Recurrent networks as modules. Names of arrays are those of PyTorch's checkpoints (`weight_ih_l0`, `bias_hh_l1_reverse` …).
 */
import {
  gru,
  type LstmOptions,
  type LstmResult,
  lstm,
  type Parameter,
  type RecurrentOptions,
  type RecurrentResult,
  type RecurrentWeights,
  rnn,
  type Tensor,
} from "../tensor/index.ts";
import { newParameter } from "./initialize.ts";
import { uniformByFan } from "./initializers.ts";
import { Module } from "./module.ts";

/** Options of {@link Lstm}, {@link Gru} and {@link Rnn}. */
export interface RecurrentModuleOptions {
  /** Layers, one on the other; 1 by default. */
  readonly layers?: number;
  /** Whether each layer also runs backward; false by default. */
  readonly bidirectional?: boolean;
  /** True by default. */
  readonly bias?: boolean;
  /** Whether x is `[batch, time, features]` instead of `[time, batch, features]`; false by default. */
  readonly batchFirst?: boolean;
}

abstract class Recurrent extends Module {
  readonly _names: readonly (readonly string[])[];
  readonly _batchFirst: boolean;

  constructor(gates: number, features: number, hidden: number, options: RecurrentModuleOptions) {
    super();
    const { layers = 1, bidirectional = false, bias = true, batchFirst = false } = options;
    const directions = bidirectional ? ["", "_reverse"] : [""];
    const begin = uniformByFan(hidden);
    this._names = Array.from({ length: layers }, (_, layer) => directions.map((d) => `_l${layer}${d}`));
    this._batchFirst = batchFirst;
    this._names.forEach((names, layer) => {
      const inputs = layer ? hidden * directions.length : features;
      const add = (name: string, shape: readonly number[]) =>
        Object.assign(this, { [name]: newParameter(name, shape, begin) });
      for (const end of names) {
        add(`weight_ih${end}`, [gates * hidden, inputs]);
        add(`weight_hh${end}`, [gates * hidden, hidden]);
        if (!bias) continue;
        add(`bias_ih${end}`, [gates * hidden]);
        add(`bias_hh${end}`, [gates * hidden]);
      }
    });
  }

  /** Weights by layer and direction. */
  protected weights(): readonly (readonly RecurrentWeights[])[] {
    const tensor = (name: string) => (this as unknown as Record<string, Parameter | undefined>)[name]?.tensor;
    return this._names.map((names) =>
      names.map((end) => ({
        input: tensor(`weight_ih${end}`)!,
        hidden: tensor(`weight_hh${end}`)!,
        inputBias: tensor(`bias_ih${end}`),
        hiddenBias: tensor(`bias_hh${end}`),
      })),
    );
  }
}

/** What a call is given beside `x`: first states and lengths. */
export type RecurrentInputs = Omit<RecurrentOptions, "batchFirst">;

/** Long short-term memory (Hochreiter and Schmidhuber 1997). */
export class Lstm extends Recurrent {
  constructor(features: number, hidden: number, options: RecurrentModuleOptions = {}) {
    super(4, features, hidden, options);
  }

  /** Results and last states. */
  forward(x: Tensor, inputs: Omit<LstmOptions, "batchFirst"> = {}): LstmResult {
    return lstm(x, this.weights(), { ...inputs, batchFirst: this._batchFirst });
  }
}

/** Gated recurrent units (Cho et al. 2014). */
export class Gru extends Recurrent {
  constructor(features: number, hidden: number, options: RecurrentModuleOptions = {}) {
    super(3, features, hidden, options);
  }

  /** Results and last states. */
  forward(x: Tensor, inputs: RecurrentInputs = {}): RecurrentResult {
    return gru(x, this.weights(), { ...inputs, batchFirst: this._batchFirst });
  }
}

/** Plain tanh units (Elman 1990). */
export class Rnn extends Recurrent {
  constructor(features: number, hidden: number, options: RecurrentModuleOptions = {}) {
    super(1, features, hidden, options);
  }

  /** Results and last states. */
  forward(x: Tensor, inputs: RecurrentInputs = {}): RecurrentResult {
    return rnn(x, this.weights(), { ...inputs, batchFirst: this._batchFirst });
  }
}

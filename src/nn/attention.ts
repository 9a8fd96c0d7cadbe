/**
 * Multi-head attention as a module: to itself or across, with shared key heads, rotary positions, learned relative biases and
 * any mask.
 */
import {
  type Dim,
  type RopeOptions,
  range,
  reshape,
  rope,
  shapeText,
  split,
  type Tensor,
  transpose,
} from "../tensor/index.ts";
import { fail } from "../util/errors.ts";
import { attend } from "./attend.ts";
import { checkDropout, Dropout } from "./dropout.ts";
import { Linear } from "./linear.ts";
import { Module } from "./module.ts";
import { RelativeBias, type RelativeBiasOptions } from "./relative-bias.ts";
import { site } from "./tracing.ts";

/** Options of {@link Attention}. */
export interface AttentionModuleOptions {
  readonly heads: number;
  /** Heads of keys and values; as many as `heads` by default. */
  readonly keyHeads?: number;
  /** Size of a head; `features / heads` by default. */
  readonly headDim?: number;
  /** Features of what is attended to, when it is not `x` itself. */
  readonly contextFeatures?: number;
  /** Whether projections have biases; true by default. */
  readonly bias?: boolean;
  /** Whether positions see only earlier ones; false by default. */
  readonly causal?: boolean;
  /** With `causal`: how many positions are seen, itself included. */
  readonly window?: number;
  /** Rotary positions; none by default. */
  readonly rope?: RopeOptions;
  /** Learned biases by distance; none by default. */
  readonly relativeBias?: RelativeBiasOptions;
  /** Share of attention weights that training drops; 0 by default. */
  readonly dropout?: number;
}

/** What one call of {@link Attention} is given beside `x`. */
export interface AttentionInputs {
  /** What is attended to, `[batch, keys, contextFeatures]`; needed when the module has `contextFeatures`. */
  readonly context?: Tensor;
  /** `bool`, broadcast to `[batch, heads, queries, keys]`; true where a query may look at a key. */
  readonly mask?: Tensor;
  /** Added to scores, broadcast to `[batch, heads, queries, keys]`. */
  readonly bias?: Tensor;
  /** Positions for rotation, `[n]` or `[batch, n]`; 0, 1, 2 … by default. */
  readonly positions?: Tensor;
}

/**
 * Multi-head attention (Vaswani et al. 2017). Projections lie side by side: `queryKeyValue` of attention to itself, `query` and
 * `keyValue` of attention across. Sites: `heads` (what heads found, before the output projection), `weights`.
 */
export class Attention extends Module {
  /** `[(heads + 2 · keyHeads) · headDim, features]`. */
  readonly queryKeyValue?: Linear;
  readonly query?: Linear;
  readonly keyValue?: Linear;
  readonly output: Linear;
  readonly relativeBias?: RelativeBias;
  readonly dropout: Dropout;
  readonly _heads: number;
  readonly _keyHeads: number;
  readonly _headDim: number;
  readonly _options: AttentionModuleOptions;

  /** @throws `shape` when features do not divide into heads. */
  constructor(features: number, options: AttentionModuleOptions) {
    super();
    const { heads, keyHeads = heads, headDim = features / heads, bias = true, contextFeatures } = options;
    if (!Number.isInteger(headDim)) fail("shape", `Attention: ${features} features do not divide into ${heads} heads`);
    if (heads % keyHeads) fail("shape", `Attention: ${heads} query heads do not share ${keyHeads} key heads evenly`);
    if (contextFeatures === undefined)
      this.queryKeyValue = new Linear(features, (heads + 2 * keyHeads) * headDim, { bias });
    else {
      this.query = new Linear(features, heads * headDim, { bias });
      this.keyValue = new Linear(contextFeatures, 2 * keyHeads * headDim, { bias });
    }
    this.output = new Linear(heads * headDim, features, { bias });
    if (options.relativeBias) this.relativeBias = new RelativeBias(heads, options.relativeBias);
    this.dropout = new Dropout(checkDropout("Attention", options.dropout ?? 0));
    this._heads = heads;
    this._keyHeads = keyHeads;
    this._headDim = headDim;
    this._options = options;
  }

  /** `[batch, n, count · headDim] → [batch, count, n, headDim]`. */
  #inHeads(x: Tensor, count: number): Tensor {
    const [batch, n] = x.shape as readonly [Dim, Dim];
    return transpose(reshape(x, [batch, n, count, this._headDim]), [0, 2, 1, 3]);
  }

  #project(x: Tensor, context: Tensor | undefined): readonly [q: Tensor, k: Tensor, v: Tensor] {
    const [heads, keyHeads] = [this._heads, this._keyHeads];
    if (this.queryKeyValue) {
      if (context) fail("argument", "Attention: a context was given to attention without contextFeatures");
      const all = this.#inHeads(this.queryKeyValue.forward(x), heads + 2 * keyHeads);
      return split(all, [heads, keyHeads, keyHeads], 1) as [Tensor, Tensor, Tensor];
    }
    if (!context) return fail("argument", "Attention: attention across needs a context");
    const q = this.#inHeads(this.query!.forward(x), heads);
    const [k, v] = split(this.#inHeads(this.keyValue!.forward(context), 2 * keyHeads), [keyHeads, keyHeads], 1);
    return [q, k!, v!];
  }

  /** `[batch, n, features] → [batch, n, features]`. @throws `shape` or `argument` for inputs that do not fit. */
  forward(x: Tensor, inputs: AttentionInputs = {}): Tensor {
    if (x.rank !== 3) fail("shape", `Attention: needs [batch, n, features], got ${shapeText(x.shape)}`);
    const { causal, window, rope: rotation } = this._options;
    let [q, k, v] = this.#project(x, inputs.context);
    if (rotation) {
      const turn = (t: Tensor) => rope(t, inputs.positions ?? range(0, t.shape[2]!), rotation);
      [q, k] = [turn(q), turn(k)];
    }
    const relative = this.relativeBias?.forward(q.shape[2]!, k.shape[2]!);
    const attended = attend(q, k, v, {
      causal,
      window,
      mask: inputs.mask,
      bias: relative && inputs.bias ? relative.add(inputs.bias) : (relative ?? inputs.bias),
      onWeights: (weights) => this.dropout.forward(site("weights", weights)),
    });
    const [batch, n] = x.shape as readonly [Dim, Dim];
    const joined = reshape(transpose(attended, [0, 2, 1, 3]), [batch, n, this._heads * this._headDim]);
    return this.output.forward(site("heads", joined));
  }
}

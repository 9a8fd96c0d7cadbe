/**
 * Transformer blocks: norm before or after, encoder, decoder (causal), with attention across where there is a context.
 */
import type { Tensor } from "../tensor/index.ts";
import { Attention, type AttentionInputs, type AttentionModuleOptions } from "./attention.ts";
import { Dropout } from "./dropout.ts";
import { GatedMlp, Mlp, type MlpOptions } from "./mlp.ts";
import { Module } from "./module.ts";
import { LayerNorm, RmsNorm } from "./norm.ts";

/** Options of {@link TransformerBlock}. */
export interface TransformerBlockOptions extends Omit<AttentionModuleOptions, "contextFeatures"> {
  /** Neurons of the feed-forward network; four times the features by default. */
  readonly hidden?: number;
  /** Whether sums are normalised before each part (the default) or after it. */
  readonly normalize?: "before" | "after";
  /** `layer` by default. */
  readonly norm?: "layer" | "rms";
  /** 1e-5 by default. */
  readonly epsilon?: number;
  /** Whether the feed-forward network is gated; false by default. */
  readonly gated?: boolean;
  /** Of the feed-forward network: GELU by default, SiLU where it is gated. */
  readonly activation?: MlpOptions["activation"];
  /** Features of a context that an attention across reads; none by default. */
  readonly contextFeatures?: number;
}

/** Inputs of a call beside `x`. */
export interface TransformerInputs extends Omit<AttentionInputs, "context"> {
  /** What attention across reads, `[batch, keys, contextFeatures]`. */
  readonly context?: Tensor;
  /** Mask of attention across. */
  readonly contextMask?: Tensor;
}

/** Attention to itself, perhaps across, and feed-forward, each with norm and residual. */
export class TransformerBlock extends Module {
  readonly norm1: LayerNorm | RmsNorm;
  readonly attention: Attention;
  readonly normAcross?: LayerNorm | RmsNorm;
  readonly across?: Attention;
  readonly norm2: LayerNorm | RmsNorm;
  readonly mlp: Mlp | GatedMlp;
  readonly dropout: Dropout;
  readonly _before: boolean;

  constructor(features: number, options: TransformerBlockOptions) {
    super();
    const { hidden = 4 * features, normalize = "before", norm = "layer", epsilon = 1e-5 } = options;
    const { dropout = 0, gated = false, bias = true, activation, contextFeatures, ...attention } = options;
    const newNorm = () => new (norm === "rms" ? RmsNorm : LayerNorm)(features, { epsilon });
    this.norm1 = newNorm();
    this.attention = new Attention(features, { ...attention, bias, dropout });
    if (contextFeatures !== undefined) {
      this.normAcross = newNorm();
      this.across = new Attention(features, {
        heads: options.heads,
        keyHeads: options.keyHeads,
        headDim: options.headDim,
        bias,
        dropout,
        contextFeatures,
      });
    }
    this.norm2 = newNorm();
    this.mlp = new (gated ? GatedMlp : Mlp)(features, hidden, { bias, dropout, activation });
    this.dropout = new Dropout(dropout);
    this._before = normalize === "before";
  }

  #part(x: Tensor, norm: LayerNorm | RmsNorm, f: (x: Tensor) => Tensor): Tensor {
    return this._before ? x.add(f(norm.forward(x))) : norm.forward(x.add(f(x)));
  }

  /** `[batch, n, features] → [batch, n, features]`. */
  forward(x: Tensor, inputs: TransformerInputs = {}): Tensor {
    const { context, contextMask, ...own } = inputs;
    let y = this.#part(x, this.norm1, (t) => this.dropout.forward(this.attention.forward(t, own)));
    if (this.across)
      y = this.#part(y, this.normAcross!, (t) =>
        this.dropout.forward(this.across!.forward(t, { context, mask: contextMask })),
      );
    return this.#part(y, this.norm2, (t) => this.mlp.forward(t));
  }
}

/** Blocks one on the other, with a last norm when they normalise before: an encoder, or with `causal` a decoder. */
export class Transformer extends Module {
  readonly blocks: readonly TransformerBlock[];
  readonly norm?: LayerNorm | RmsNorm;

  constructor(features: number, layers: number, options: TransformerBlockOptions) {
    super();
    this.blocks = Array.from({ length: layers }, () => new TransformerBlock(features, options));
    if ((options.normalize ?? "before") === "before")
      this.norm = new (options.norm === "rms" ? RmsNorm : LayerNorm)(features, { epsilon: options.epsilon ?? 1e-5 });
  }

  /** `[batch, n, features] → [batch, n, features]`. */
  forward(x: Tensor, inputs: TransformerInputs = {}): Tensor {
    let y = x;
    for (const block of this.blocks) y = block.forward(y, inputs);
    return this.norm ? this.norm.forward(y) : y;
  }
}

/**
 * What every decoder family offers: from embedded tokens to final hidden states, and from those to logits.
 */

import { Linear } from "../nn/linear.ts";
import { Module } from "../nn/module.ts";
import { type Tensor, tanh } from "../tensor/index.ts";
import type { DecoderConfig } from "./config.ts";
import type { ForwardContext } from "./context.ts";

/** A causal language model. */
export abstract class Decoder extends Module {
  readonly _config: DecoderConfig;
  /** Projection to the vocabulary, `[vocabulary, hidden]`; shares the embedding's values when they are tied. */
  readonly lm_head: Linear;

  constructor(config: DecoderConfig) {
    super();
    this._config = config;
    this.lm_head = new Linear(config.hiddenSize, config.vocabSize);
  }

  /** Path of the token embedding in a checkpoint; the embedding is looked up outside of the step's graph. */
  abstract readonly _embeddingPath: string;

  /** Path of learned position embeddings, for families that have them. */
  readonly _positionPath?: string;

  /** Hidden states after the final norm: `[n, hidden] → [n, hidden]`. */
  abstract hidden(embeddings: Tensor, context: ForwardContext): Tensor;

  /** Logits of some rows of hidden states: `[r, hidden] → [r, vocabulary]`. */
  logits(hidden: Tensor): Tensor {
    const y = this.lm_head.forward(hidden);
    const cap = this._config.logitSoftcap;
    return cap ? tanh(y.div(cap)).mul(cap) : y;
  }
}

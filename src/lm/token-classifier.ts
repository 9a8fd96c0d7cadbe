/**
 * A decoder that labels tokens in one pass: a linear head over hidden states, read at the token itself. Which labels there are, and how the
 * layers see each other, is the caller's matter.
 */
import { Dropout, Linear, Module } from "../nn/index.ts";
import type { Tensor } from "../tensor/index.ts";
import type { Decoder } from "./decoder.ts";
import { type SequenceLayout, type SequencePrefix, sequenceHidden } from "./whole-sequences.ts";

/** Options of {@link TokenClassifier}. */
export interface TokenClassifierOptions {
  /** Number of labels. */
  readonly labels: number;
  /** Share of hidden features that training drops before the head; 0.1 by default. */
  readonly dropout?: number;
}

/** A decoder with a head for labels instead of tokens. */
export class TokenClassifier extends Module {
  readonly decoder: Decoder;
  /** `[labels, hidden]`, with a bias. */
  readonly score: Linear;
  readonly _dropout: Dropout;

  constructor(decoder: Decoder, { labels, dropout = 0.1 }: TokenClassifierOptions) {
    super();
    this.decoder = decoder;
    this.score = new Linear(decoder._config.hiddenSize, labels, { bias: true });
    this._dropout = new Dropout(dropout);
  }

  /**
   * Logits of the labels of every token: `[batch, n, labels]`.
   * @param from tokens `i64[batch, n]`, or the residual stream after some blocks. @param layout causal when absent; see `unmaskedLayout`.
   * @throws as `sequenceHidden`.
   */
  forward(from: Tensor | SequencePrefix, layout?: SequenceLayout): Tensor {
    return this.score.forward(this._dropout.forward(sequenceHidden(this.decoder, from, layout)));
  }
}

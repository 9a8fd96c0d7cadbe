/**
 * The character GPT that `bar:learning` trains and `bar:train-speed` times: 6 layers, 192 features, 6 heads, 128 characters.
 */
import { Embedding, initialize, Linear, Module, normal, Transformer } from "../../src/nn/index.ts";
import { adamW } from "../../src/optim/index.ts";
import { crossEntropy, range, type Tensor } from "../../src/tensor/index.ts";
import type { Batch, TrainStepOptions } from "../../src/train/index.ts";

/** Sizes of the model and of a batch. */
export const charGptSize = { batch: 32, length: 128, layers: 6, features: 192, heads: 6 } as const;

const ids = { dtype: "i64", shape: [charGptSize.batch, charGptSize.length] } as const;

/** Types of a batch. */
export const charGptInputs = { tokens: ids, targets: ids } as const;

/** A decoder over characters with learned positions, as GPT-2 is one (Radford et al. 2019). */
export class CharGpt extends Module {
  readonly tokens: Embedding;
  readonly positions: Embedding;
  readonly body: Transformer;
  readonly head: Linear;

  constructor(vocabulary: number) {
    super();
    const { features, layers, heads, length } = charGptSize;
    this.tokens = new Embedding(vocabulary, features);
    this.positions = new Embedding(length, features);
    this.body = new Transformer(features, layers, { heads, causal: true, bias: false });
    this.head = new Linear(features, vocabulary);
  }

  /** `[batch, n] → [batch, n, vocabulary]`. */
  forward(tokens: Tensor): Tensor {
    const places = this.positions.forward(range(0, tokens.shape[1]!));
    return this.head.forward(this.body.forward(this.tokens.forward(tokens).add(places)));
  }

  /** Mean cross entropy in nats. */
  loss({ tokens, targets }: { readonly tokens: Tensor; readonly targets: Tensor }): Tensor {
    const logits = this.forward(tokens);
    return crossEntropy(logits.reshape([-1, logits.shape[2]!]), targets.reshape([-1]));
  }
}

/** A model with its first values: deviation 0.02, and less where a layer's result is added to what is there. */
export function newCharGpt(vocabulary: number, seed: number): CharGpt {
  const model = new CharGpt(vocabulary);
  initialize(model, seed, [
    [/\.(output|down)\.weight$/, normal(0.02 / Math.sqrt(2 * charGptSize.layers))],
    [/^(tokens|positions|head)\.weight$|\.(queryKeyValue|up)\.weight$/, normal(0.02)],
  ]);
  return model;
}

/** How it learns, but for the rate. */
export function charGptStep(model: CharGpt): TrainStepOptions<typeof charGptInputs> {
  return {
    module: model,
    inputs: charGptInputs,
    loss: (batch) => model.loss(batch),
    optimizer: adamW({ betas: [0.9, 0.99], weightDecay: 0.1 }),
    groups: [{ paths: /norm|bias/, optimizer: adamW({ betas: [0.9, 0.99], weightDecay: 0 }) }],
    clipNorm: 1,
  };
}

/** A batch of it. */
export type CharGptBatch = Batch<typeof charGptInputs>;

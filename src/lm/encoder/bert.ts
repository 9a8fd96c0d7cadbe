/**
 * BERT (Devlin et al. 2019), the encoder of MiniLM and most sentence-transformers models: learned positions, attention
 * that sees both ways, layer norm after each sum. Module names equal those in Hugging Face checkpoints.
 */
import { Embedding, LayerNorm, Linear, LinearGroup, Module } from "../../nn/index.ts";
import { gelu, matmul, mulDims, relu, softmax, type Tensor, withScope } from "../../tensor/index.ts";
import { scaledMatmulTransposed } from "../../tensor/kernels/index.ts";
import type { EncoderConfig } from "../config.ts";

class BertEmbeddings extends Module {
  readonly word_embeddings: Embedding;
  readonly position_embeddings: Embedding;
  readonly token_type_embeddings: Embedding;
  readonly LayerNorm: LayerNorm;

  constructor({ vocabSize, contextLength, typeCount, hiddenSize, normEpsilon }: EncoderConfig) {
    super();
    this.word_embeddings = new Embedding(vocabSize, hiddenSize);
    this.position_embeddings = new Embedding(contextLength, hiddenSize);
    this.token_type_embeddings = new Embedding(typeCount, hiddenSize);
    this.LayerNorm = new LayerNorm(hiddenSize, { epsilon: normEpsilon });
  }

  /** `i64[b, l] → [b, l, hidden]`; a text is one segment, of the first type. */
  forward(ids: Tensor): Tensor {
    const rows = (table: Embedding, end: Tensor["shape"][number]) =>
      table.weight.tensor.slice({ axis: 0, start: 0, end });
    const fixed = rows(this.position_embeddings, ids.shape[1]!).add(rows(this.token_type_embeddings, 1));
    return this.LayerNorm.forward(this.word_embeddings.forward(ids).add(fixed));
  }
}

class BertSelfAttention extends Module {
  /** `query`, `key`, `value`. */
  readonly qkv: LinearGroup;
  readonly _headCount: number;

  constructor({ hiddenSize, headCount }: EncoderConfig) {
    super();
    const sizes = { query: hiddenSize, key: hiddenSize, value: hiddenSize };
    this.qkv = new LinearGroup(hiddenSize, sizes, { bias: true });
    this._headCount = headCount;
  }

  /** `[b·l, hidden] → [b·l, hidden]`. @param hide `[b, 1, 1, l]`, added to scores. */
  forward(x: Tensor, hide: Tensor): Tensor {
    const [b, , , l] = hide.shape as [string, 1, 1, string];
    const features = x.shape[1] as number;
    const dim = features / this._headCount;
    const [q, k, v] = this.qkv
      .forward(x)
      .map((part) => part.reshape([b, l, this._headCount, dim]).transpose([0, 2, 1, 3])) as [Tensor, Tensor, Tensor];
    const weights = softmax(scaledMatmulTransposed(q, k, 1 / Math.sqrt(dim)).add(hide));
    return matmul(weights, v)
      .transpose([0, 2, 1, 3])
      .reshape([mulDims(b, l), features]);
  }
}

/** A projection whose result is added to the residual stream and normalised. */
class BertOutput extends Module {
  readonly dense: Linear;
  readonly LayerNorm: LayerNorm;

  constructor(inFeatures: number, { hiddenSize, normEpsilon }: EncoderConfig) {
    super();
    this.dense = new Linear(inFeatures, hiddenSize, { bias: true });
    this.LayerNorm = new LayerNorm(hiddenSize, { epsilon: normEpsilon });
  }

  forward(x: Tensor, residual: Tensor): Tensor {
    return this.LayerNorm.forward(residual.add(this.dense.forward(x)));
  }
}

class BertAttention extends Module {
  readonly self: BertSelfAttention;
  readonly output: BertOutput;

  constructor(config: EncoderConfig) {
    super();
    this.self = new BertSelfAttention(config);
    this.output = new BertOutput(config.hiddenSize, config);
  }
}

class BertIntermediate extends Module {
  readonly dense: Linear;

  constructor({ hiddenSize, intermediateSize }: EncoderConfig) {
    super();
    this.dense = new Linear(hiddenSize, intermediateSize, { bias: true });
  }
}

class BertLayer extends Module {
  readonly attention: BertAttention;
  readonly intermediate: BertIntermediate;
  readonly output: BertOutput;

  constructor(config: EncoderConfig) {
    super();
    this.attention = new BertAttention(config);
    this.intermediate = new BertIntermediate(config);
    this.output = new BertOutput(config.intermediateSize, config);
  }
}

class BertStack extends Module {
  readonly layer: readonly BertLayer[];

  constructor(config: EncoderConfig) {
    super();
    this.layer = Array.from({ length: config.layerCount }, () => new BertLayer(config));
  }
}

const activations: Readonly<Record<EncoderConfig["activation"], (x: Tensor) => Tensor>> = {
  gelu: (x) => gelu(x),
  "gelu-tanh": (x) => gelu(x, "tanh"),
  relu,
};

/** Encoder of the BERT family. */
export class Bert extends Module {
  readonly embeddings: BertEmbeddings;
  readonly encoder: BertStack;
  readonly _config: EncoderConfig;

  constructor(config: EncoderConfig) {
    super();
    this._config = config;
    this.embeddings = new BertEmbeddings(config);
    this.encoder = new BertStack(config);
  }

  /**
   * Hidden states of the last layer, `i64[b, l] → [b, l, hidden]`.
   * @param mask `f32[b, l]`, 1 for tokens and 0 for padding: no token sees padding, so a text's values do not depend on
   * what else is in the batch, but for the order in which sums are rounded.
   */
  hidden(ids: Tensor, mask: Tensor): Tensor {
    const [b, l] = ids.shape as [string, string];
    const { hiddenSize, activation } = this._config;
    const hide = mask.sub(1).mul(1e30).reshape([b, 1, 1, l]);
    let x = withScope("embeddings", () => this.embeddings.forward(ids)).reshape([mulDims(b, l), hiddenSize]);
    this.encoder.layer.forEach((layer, i) => {
      withScope(`encoder.layer.${i}`, () => {
        const attended = withScope("attention", () =>
          layer.attention.output.forward(layer.attention.self.forward(x, hide), x),
        );
        const neurons = activations[activation](layer.intermediate.dense.forward(attended));
        x = layer.output.forward(neurons, attended);
      });
    });
    return x.reshape([b, l, hiddenSize]);
  }
}

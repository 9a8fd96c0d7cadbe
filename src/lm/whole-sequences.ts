/**
 * A decoder over whole sequences at once, without a cache and with gradients: what training needs. The family's own file says
 * what happens between; knows no loss and no optimiser.
 */
import { attend, enter, site } from "../nn/index.ts";
import {
  type Dim,
  embedding,
  range,
  reshape,
  rope,
  shapeText,
  split,
  type Tensor,
  transpose,
} from "../tensor/index.ts";
import { fail } from "../util/errors.ts";
import type { DecoderConfig } from "./config.ts";
import type { AttentionRequest, ForwardContext } from "./context.ts";
import type { Decoder } from "./decoder.ts";

/** Where tokens stand and whom they see, when they do not simply follow one another. */
export interface SequenceLayout {
  /** Position of each token, `i64[batch, n]`. */
  readonly positions: Tensor;
  /** Added to scores, `f32[batch, 1, n, n]`: 0 where the token of the row sees that of the column, and far below 0 elsewhere. */
  readonly bias: Tensor;
}

class WholeSequences implements ForwardContext {
  readonly #config: DecoderConfig;
  readonly #layout: SequenceLayout | undefined;

  constructor(config: DecoderConfig, layout?: SequenceLayout) {
    const { rope, localRope } = config;
    for (const { llama3, frequencyDivisors } of [rope, localRope ?? rope])
      if (llama3 || frequencyDivisors)
        fail("unsupported", "whole sequences: rotary positions with stretched wavelengths are not supported");
    if (layout && config.localLayers.some(Boolean))
      fail("unsupported", "whole sequences: a layout of one's own and sliding windows are not supported together");
    this.#config = config;
    this.#layout = layout;
  }

  attend(request: AttentionRequest): Tensor {
    const { qkv, headCount, kvHeadCount, headDim, softcap, local, normalizeQueries, normalizeKeys } = request;
    const [batch, n] = qkv.shape as readonly [Dim, Dim];
    const heads = transpose(reshape(qkv, [batch, n, headCount + 2 * kvHeadCount, headDim]), [0, 2, 1, 3]);
    let [q, k, v] = split(heads, [headCount, kvHeadCount, kvHeadCount], 1) as [Tensor, Tensor, Tensor];
    if (normalizeQueries) q = normalizeQueries(q);
    if (normalizeKeys) k = normalizeKeys(k);
    if (request.rope !== "none") {
      const { base, scale } = (request.rope === "local" && this.#config.localRope) || this.#config.rope;
      const positions = this.#layout?.positions ?? range(0, n);
      const turn = (x: Tensor) => rope(x, positions, { base, positionScale: 1 / scale });
      [q, k] = [turn(q), turn(k)];
    }
    const window = local ? this.#config.slidingWindow : undefined;
    const order = this.#layout ? { bias: this.#layout.bias } : { causal: true, window };
    const attended = attend(q, k, v, { ...order, scale: request.scale, softcap });
    return reshape(transpose(attended, [0, 2, 1, 3]), [batch, n, headCount * headDim]);
  }

  site(name: string, x: Tensor): Tensor {
    return site(name, x, "model");
  }
}

/**
 * Logits after every token of some sequences that begin at position 0.
 * @param tokens `i64[batch, n]`. @param layout other positions and another order than one after the other.
 * @returns `[batch, n, vocabulary]`.
 * @throws `shape` for tokens of another rank, `unsupported` for decoders whose embedding is no parameter of theirs: those that do
 * not share it with the head, or with learned positions; and for a layout where layers have sliding windows.
 */
export function sequenceLogits(decoder: Decoder, tokens: Tensor, layout?: SequenceLayout): Tensor {
  const { tiedEmbeddings, embeddingScale } = decoder._config;
  if (tokens.rank !== 2) fail("shape", `sequenceLogits: needs tokens [batch, n], got ${shapeText(tokens.shape)}`);
  if (!tiedEmbeddings || decoder._positionPath)
    fail(
      "unsupported",
      `sequenceLogits: ${decoder._config.family} keeps ${tiedEmbeddings ? "positions" : "an embedding"} outside of its parameters`,
    );
  return enter(decoder, () => {
    const rows = embedding(decoder.lm_head.weight.tensor, tokens);
    const hidden = decoder.hidden(
      embeddingScale === 1 ? rows : rows.mul(embeddingScale),
      new WholeSequences(decoder._config, layout),
    );
    return decoder.logits(hidden);
  });
}

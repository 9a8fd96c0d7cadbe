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
  /** Position of each token, `i64[batch, n]`; from 0 on when absent. */
  readonly positions?: Tensor;
  /**
   * Added to scores, broadcast to `f32[batch, 1, n, n]`: 0 where the token of the row sees that of the column, and far below 0 elsewhere.
   * One for all layers, or one for each: a function gets the layer's number and its sliding window, if it has one. Causal when absent.
   */
  readonly bias?: Tensor | ((layer: number, window: number | undefined) => Tensor);
}

/** The residual stream after some of a decoder's blocks: what the rest of them goes on from. */
export interface SequencePrefix {
  /** Number of blocks that made it, at least 1. */
  readonly blocks: number;
  /** `f32[batch, n, hidden]`. */
  readonly residual: Tensor;
}

/** Site of the residual stream after some blocks. */
const residualAfter = (blocks: number) => `blocks.${blocks - 1}.residual`;

class WholeSequences implements ForwardContext {
  readonly #config: DecoderConfig;
  readonly #layout: SequenceLayout;
  readonly #start: SequencePrefix | undefined;
  readonly #keep: string | undefined;
  /** What the site to keep held. */
  kept: Tensor | undefined;

  constructor(config: DecoderConfig, layout: SequenceLayout, part: { start?: SequencePrefix; keep?: string } = {}) {
    const { rope, localRope } = config;
    for (const { llama3, frequencyDivisors } of [rope, localRope ?? rope])
      if (llama3 || frequencyDivisors)
        fail("unsupported", "whole sequences: rotary positions with stretched wavelengths are not supported");
    if (layout.bias && typeof layout.bias !== "function" && config.localLayers.some(Boolean))
      fail("unsupported", "whole sequences: one order for all layers does not fit those with a sliding window");
    this.#config = config;
    this.#layout = layout;
    this.#start = part.start;
    this.#keep = part.keep;
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
      const positions = this.#layout.positions ?? range(0, n);
      const turn = (x: Tensor) => rope(x, positions, { base, positionScale: 1 / scale });
      [q, k] = [turn(q), turn(k)];
    }
    const window = local ? this.#config.slidingWindow : undefined;
    const { bias } = this.#layout;
    const order = bias
      ? { bias: typeof bias === "function" ? bias(request.layer, window) : bias }
      : { causal: true, window };
    const attended = attend(q, k, v, { ...order, scale: request.scale, softcap });
    return reshape(transpose(attended, [0, 2, 1, 3]), [batch, n, headCount * headDim]);
  }

  site(name: string, x: Tensor): Tensor {
    // what made the blocks before is no part of the graph any more
    const y = this.#start && name === residualAfter(this.#start.blocks) ? this.#start.residual : x;
    const seen = site(name, y, "model");
    if (name === this.#keep) this.kept = seen;
    return seen;
  }
}

/** Embedded tokens. @throws `shape`, `unsupported`: see {@link sequenceLogits}. */
function embed(owner: string, decoder: Decoder, tokens: Tensor): Tensor {
  const { tiedEmbeddings, embeddingScale, family } = decoder._config;
  if (tokens.rank !== 2) fail("shape", `${owner}: needs tokens [batch, n], got ${shapeText(tokens.shape)}`);
  if (!tiedEmbeddings || decoder._positionPath)
    fail(
      "unsupported",
      `${owner}: ${family} keeps ${tiedEmbeddings ? "positions" : "an embedding"} outside of its parameters`,
    );
  const rows = embedding(decoder.lm_head.weight.tensor, tokens);
  return embeddingScale === 1 ? rows : rows.mul(embeddingScale);
}

function checkBlocks(owner: string, decoder: Decoder, blocks: number): void {
  const { layerCount } = decoder._config;
  if (!Number.isInteger(blocks) || blocks < 1 || blocks > layerCount)
    fail("argument", `${owner}: ${blocks} blocks of ${layerCount}; it must be a whole number from 1 to ${layerCount}`);
}

/**
 * Hidden states of every token of some sequences, after the final norm.
 * @param from tokens `i64[batch, n]`, or the residual stream after some blocks: then only the others are computed.
 * @returns `[batch, n, hidden]`. @throws as {@link sequenceLogits}, and `argument` for a number of blocks that there is not.
 */
export function sequenceHidden(decoder: Decoder, from: Tensor | SequencePrefix, layout: SequenceLayout = {}): Tensor {
  if ("blocks" in from) checkBlocks("sequenceHidden", decoder, from.blocks);
  return enter(decoder, () =>
    "blocks" in from
      ? // the residual stands in for the embeddings, which nothing reads then
        decoder.hidden(from.residual, new WholeSequences(decoder._config, layout, { start: from }))
      : decoder.hidden(embed("sequenceHidden", decoder, from), new WholeSequences(decoder._config, layout)),
  );
}

/**
 * The residual stream after a decoder's first blocks, to be kept where those do not change: {@link sequenceHidden} goes on from it.
 * @throws as {@link sequenceHidden}.
 */
export function sequencePrefix(
  decoder: Decoder,
  tokens: Tensor,
  blocks: number,
  layout: SequenceLayout = {},
): SequencePrefix {
  checkBlocks("sequencePrefix", decoder, blocks);
  const context = new WholeSequences(decoder._config, layout, { keep: residualAfter(blocks) });
  enter(decoder, () => decoder.hidden(embed("sequencePrefix", decoder, tokens), context));
  return { blocks, residual: context.kept! };
}

/**
 * Logits after every token of some sequences that begin at position 0.
 * @param tokens `i64[batch, n]`. @param layout other positions and another order than one after the other.
 * @returns `[batch, n, vocabulary]`.
 * @throws `shape` for tokens of another rank, `unsupported` for decoders whose embedding is no parameter of theirs: those that do
 * not share it with the head, or with learned positions; and for one order for all layers where some have sliding windows.
 */
export function sequenceLogits(decoder: Decoder, tokens: Tensor, layout: SequenceLayout = {}): Tensor {
  return enter(decoder, () => {
    const hidden = decoder.hidden(
      embed("sequenceLogits", decoder, tokens),
      new WholeSequences(decoder._config, layout),
    );
    return decoder.logits(hidden);
  });
}

/**
 * What a decoder's forward pass asks of its surroundings: attention over whatever past there is, and named sites that
 * can be read or rewritten. The families know only this interface, so one family file serves generation, training and
 * interpretation.
 */
import type { Tensor } from "../tensor/index.ts";

/** Attention of one layer. */
export interface AttentionRequest {
  /** Number of the layer. */
  readonly layer: number;
  /** Queries, keys and values side by side, `[1, n, (heads + 2 · kvHeads) · headDim]`. */
  readonly qkv: Tensor;
  readonly headCount: number;
  readonly kvHeadCount: number;
  readonly headDim: number;
  /** Factor on scores. */
  readonly scale: number;
  /** Scores become `cap · tanh(score / cap)`. */
  readonly softcap?: number;
  /** Which rotary positions apply; none for learned positions. */
  readonly rope: "global" | "local" | "none";
  /** Whether keys older than the sliding window are invisible. */
  readonly local: boolean;
  /** Normalises queries `[1, heads, n, headDim]` before rotation. */
  readonly normalizeQueries?: (q: Tensor) => Tensor;
  /** Normalises keys `[1, kvHeads, n, headDim]` before rotation. */
  readonly normalizeKeys?: (k: Tensor) => Tensor;
}

/** Surroundings of a forward pass over `n` rows. */
export interface ForwardContext {
  /** Attention over past and present: `[1, n, heads · headDim]`. */
  attend(request: AttentionRequest): Tensor;
  /** A named site; returns the tensor, or what an edit puts in its place. */
  site(name: string, x: Tensor): Tensor;
}

/**
 * What a checkpoint says of its architecture, brought to one form whether it comes from GGUF metadata or from a
 * Hugging Face `config.json`. Knows no weights.
 */

/** Names of the decoder families. */
export type DecoderFamily = "llama" | "qwen2" | "qwen3" | "gemma2" | "gemma3" | "gpt2";

/** Rotary positions of one kind of layer. */
export interface RopeConfig {
  /** Base of the geometric series of wavelengths. */
  readonly base: number;
  /** Positions are divided by this (linear scaling); 1 for none. */
  readonly scale: number;
  /** Llama 3's scaling of long wavelengths, or per-frequency factors as some GGUF files store them. */
  readonly llama3?: {
    readonly factor: number;
    readonly lowFactor: number;
    readonly highFactor: number;
    readonly originalContext: number;
  };
  /** Divisors of the frequencies, `[headDim / 2]`, when the file stores them. */
  readonly frequencyDivisors?: readonly number[];
}

/** Architecture of a decoder. */
export interface DecoderConfig {
  readonly family: DecoderFamily;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly layerCount: number;
  /** Query heads. */
  readonly headCount: number;
  /** Key and value heads; each serves `headCount / kvHeadCount` query heads. */
  readonly kvHeadCount: number;
  readonly headDim: number;
  readonly intermediateSize: number;
  /** Longest sequence that the model was trained for. */
  readonly contextLength: number;
  readonly normEpsilon: number;
  /** Rotary positions of layers that see everything. */
  readonly rope: RopeConfig;
  /** Rotary positions of layers with a sliding window; those of `rope` when absent. */
  readonly localRope?: RopeConfig;
  /** Number of keys that a local layer sees, itself included. */
  readonly slidingWindow?: number;
  /** Of each layer, whether it sees only the sliding window. */
  readonly localLayers: readonly boolean[];
  /** Factor on scores before softmax. */
  readonly attentionScale: number;
  /** Scores become `cap · tanh(score / cap)`. */
  readonly attentionSoftcap?: number;
  /** Logits become `cap · tanh(logit / cap)`. */
  readonly logitSoftcap?: number;
  /** Factor on embeddings. */
  readonly embeddingScale: number;
  /** Whether the logits come from the embedding matrix. */
  readonly tiedEmbeddings: boolean;
  /** Whether query, key and value projections have biases. */
  readonly attentionBias: boolean;
  /** Whether the output projection of rotary families has one; false when absent. */
  readonly attentionOutputBias?: boolean;
}

/** Names of the encoder families. */
export type EncoderFamily = "bert";

/** Architecture of an encoder. */
export interface EncoderConfig {
  readonly family: EncoderFamily;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly layerCount: number;
  readonly headCount: number;
  readonly intermediateSize: number;
  readonly contextLength: number;
  readonly normEpsilon: number;
  /** Kinds of segments that the checkpoint has embeddings for; this library uses the first. */
  readonly typeCount: number;
  /** Activation of the feed-forward blocks. */
  readonly activation: "gelu" | "gelu-tanh" | "relu";
}

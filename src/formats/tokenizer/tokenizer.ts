/**
 * What a tokenizer is to the rest of the library: text to ids, ids to text, and the exact bytes of each token. Knows
 * nothing of files; `tokenizerFromJson` and `tokenizerFromGguf` make them.
 */

/** Ids with a meaning, and what `addSpecial` adds. */
export interface TokenizerSpecials {
  /** Beginning of sequence, if there is one. */
  readonly bosId?: number;
  /** Ids that end a generation: the end of sequence first, then ends of turns; may be empty. */
  readonly eosIds: readonly number[];
  /** What stands for text that no token covers. */
  readonly unknownId?: number;
  /** Padding, if there is a token for it. */
  readonly padId?: number;
  /** Whether `addSpecial` puts the beginning of sequence first. */
  readonly addBos: boolean;
  /** Whether `addSpecial` puts an end of sequence (or separator) last. */
  readonly addEos: boolean;
}

/** How to encode. */
export interface EncodeOptions {
  /** Add what the model's own tokenizer adds around a text (see {@link TokenizerSpecials}); default false. */
  readonly addSpecial?: boolean;
  /**
   * Read the text of control tokens (such as `<|im_end|>`) as these tokens; default false, which is what text from users
   * wants. Rendered chat templates want true.
   */
  readonly parseSpecial?: boolean;
}

/** How to decode. */
export interface DecodeOptions {
  /** Leave control tokens out; default false. */
  readonly skipSpecial?: boolean;
}

/** Text to token ids and back. */
export interface Tokenizer {
  /** Number of ids, added tokens included. */
  readonly vocabSize: number;
  readonly specials: TokenizerSpecials;
  /** Token ids of a text. */
  encode(text: string, options?: EncodeOptions): number[];
  /** Text of token ids; broken UTF-8 becomes U+FFFD. @throws `argument` for an id that does not exist. */
  decode(ids: ArrayLike<number>, options?: DecodeOptions): string;
  /**
   * The exact bytes that a token stands for in the middle of a text; for control tokens those of their name. The result
   * is shared and must not be written to. @throws `argument` for an id that does not exist.
   */
  tokenBytes(id: number): Uint8Array;
  /** Whether decoding leaves the token out under `skipSpecial`. */
  isSpecial(id: number): boolean;
  /** Id of a token as the vocabulary spells it (`Ġthe`, `▁the`, `##ing`, `<|im_end|>`). */
  idOf(tokenText: string): number | undefined;
  /** A token as the vocabulary spells it. @throws `argument` for an id that does not exist. */
  textOf(id: number): string;
}

/** Largest vocabulary and largest number of merges that are accepted; the largest in use have 900,000 and 600,000. */
export const maxVocabulary = 1 << 20;

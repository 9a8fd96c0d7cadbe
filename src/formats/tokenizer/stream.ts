/**
 * Token ids to text, one at a time: characters whose bytes are spread over several tokens are held back until complete.
 */
import type { DecodeOptions, Tokenizer } from "./tokenizer.ts";

/**
 * Decodes a stream of tokens that continue a text: the pieces it returns are whole characters, and together they are the
 * tokens' bytes as text (a leading space, which `decode` may drop at the start of a text, is kept).
 */
export class StreamDecoder {
  readonly #tokenizer: Tokenizer;
  readonly #skipSpecial: boolean;
  #utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

  constructor(tokenizer: Tokenizer, options: DecodeOptions = {}) {
    this.#tokenizer = tokenizer;
    this.#skipSpecial = options.skipSpecial ?? false;
  }

  /**
   * Text that the next token completes; often one word, "" while a character is incomplete. Ids beyond the vocabulary
   * have no text: models round their number of outputs up, and may choose such an id.
   */
  push(id: number): string {
    if (id >= this.#tokenizer.vocabSize) return "";
    if (this.#skipSpecial && this.#tokenizer.isSpecial(id)) return "";
    return this.#utf8.decode(this.#tokenizer.tokenBytes(id), { stream: true });
  }

  /** What is left at the end: "", or U+FFFD for an incomplete character. The decoder starts afresh. */
  flush(): string {
    const rest = this.#utf8.decode();
    this.#utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
    return rest;
  }
}

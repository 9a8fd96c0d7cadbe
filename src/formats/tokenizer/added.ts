/**
 * Finds added tokens (control tokens, whole words added to a vocabulary) in a text, before anything else looks at it:
 * the leftmost first, the longest among these.
 */
import { TokenTrie } from "./token-trie.ts";

/** A token that is matched as a whole. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Control token: only matched when specials are parsed, left out under `skipSpecial`. */
  readonly special: boolean;
  /** Takes the white space before it along. */
  readonly stripLeft?: boolean;
  /** Takes the white space behind it along. */
  readonly stripRight?: boolean;
  /** Only matches between non-word characters. */
  readonly singleWord?: boolean;
  /** Is matched in the normalised text instead of the original one. */
  readonly normalized?: boolean;
}

/** A stretch of text, or the token found there. */
export type Section = string | AddedToken;

const word = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]/u;

/** Splits texts at a set of added tokens. */
export class AddedTokenSplitter {
  readonly #trie: TokenTrie;
  readonly #tokens: readonly AddedToken[];
  readonly #starts = new Uint8Array(65536);

  /**
   * @param tokens each with the text to look for; of equal texts the last counts.
   * @throws `format` when they are too long or too many.
   */
  constructor(tokens: readonly (readonly [text: string, token: AddedToken])[]) {
    this.#tokens = tokens.map(([, token]) => token);
    this.#trie = new TokenTrie(tokens.map(([text], index) => [text, index] as const));
    for (const [text] of tokens) if (text) this.#starts[text.charCodeAt(0)] = 1;
  }

  #matchAt(text: string, start: number): [AddedToken, number] | undefined {
    let node = TokenTrie.root;
    let found: [AddedToken, number] | undefined;
    for (let i = start; i < text.length; i++) {
      node = this.#trie.next(node, text.charCodeAt(i));
      if (node < 0) break;
      const token = this.#tokens[this.#trie.valueAt(node)];
      if (token && this.#fits(token, text, start, i + 1)) found = [token, i + 1];
    }
    return found;
  }

  #fits(token: AddedToken, text: string, start: number, end: number): boolean {
    return !token.singleWord || !(word.test(text[start - 1] ?? "") || word.test(text[end] ?? ""));
  }

  /** The text as stretches and tokens; stretches are not empty. */
  split(text: string): Section[] {
    if (this.#trie.empty) return text ? [text] : [];
    const sections: Section[] = [];
    let from = 0;
    for (let i = 0; i < text.length; ) {
      const match = this.#starts[text.charCodeAt(i)] ? this.#matchAt(text, i) : undefined;
      if (!match) {
        i++;
        continue;
      }
      const [token, end] = match;
      const before = token.stripLeft ? text.slice(from, i).trimEnd() : text.slice(from, i);
      if (before) sections.push(before);
      sections.push(token);
      i = end;
      if (token.stripRight) while (i < text.length && /\s/.test(text[i])) i++;
      from = i;
    }
    if (from < text.length) sections.push(text.slice(from));
    return sections;
  }
}

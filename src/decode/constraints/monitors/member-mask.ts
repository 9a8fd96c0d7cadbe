/**
 * Which tokens go on with one of several words, or end one: masks over the vocabulary's trie. Words and tokens are bytes, written
 * as strings of one character each; which characters end a word is the caller's matter.
 */
import type { TokenMask } from "../constraint.ts";
import type { Vocabulary } from "../vocabulary.ts";

/** Whether a character can be part of an identifier. */
export type IdentifierPart = (character: string) => boolean;

/** Bytes of a text in UTF-8, one character a byte. */
export function byteString(text: string): string {
  let ascii = true;
  for (let i = 0; ascii && i < text.length; i++) ascii = text.charCodeAt(i) < 128;
  return ascii ? text : stringOfBytes(new TextEncoder().encode(text));
}

/** Bytes, one character each. */
export function stringOfBytes(bytes: Uint8Array): string {
  let out = "";
  for (const byte of bytes) out += String.fromCharCode(byte);
  return out;
}

/** Bytes of the character that a first byte begins; 0 where none can begin with it. */
function characterLength(first: number): number {
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return 2;
  if (first >= 0xe0 && first <= 0xef) return 3;
  return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** The character that bytes spell; undefined when they spell none. */
function characterOf(bytes: readonly number[]): string | undefined {
  try {
    return utf8.decode(Uint8Array.from(bytes));
  } catch {
    return undefined;
  }
}

/** Masks of words for one vocabulary. */
export class MemberMasks {
  readonly #vocabulary: Vocabulary;
  readonly #isPart: IdentifierPart;
  /** By ASCII code: whether the character ends an identifier. */
  readonly #breaks: readonly boolean[];
  /** Tokens that begin with a character that ends an identifier. */
  readonly #breaking: TokenMask;
  /** Bytes that are a token of their own. */
  readonly #spelled: ReadonlySet<number>;

  constructor(vocabulary: Vocabulary, isPart: IdentifierPart) {
    this.#vocabulary = vocabulary;
    this.#isPart = isPart;
    this.#breaks = Array.from({ length: 128 }, (_, code) => !isPart(String.fromCharCode(code)));
    const { bytes, size, token } = vocabulary.trie;
    const spelled = new Set<number>();
    for (let child = 1; child < size[0]!; child += size[child]!) if (token[child]! >= 0) spelled.add(bytes[child]!);
    this.#spelled = spelled;
    this.#breaking = new Uint32Array(vocabulary.words);
    this.#addBreaks(0, this.#breaking);
  }

  /** Whether tokens can spell a word whatever tokens it is begun with: no text that goes on with it gets stuck. */
  canSpell(word: string): boolean {
    for (let i = 0; i < word.length; i++) if (!this.#spelled.has(word.charCodeAt(i))) return false;
    return true;
  }

  /** Whether bytes go on with a word of the list, or end one. */
  allows(words: readonly string[], bytes: string): boolean {
    if (!bytes) return false;
    return words.some((word) => word.startsWith(bytes) || (bytes.startsWith(word) && this.#endsAt(bytes, word.length)));
  }

  /** Whether bytes from a place on begin with a character that ends an identifier. */
  #endsAt(bytes: string, at: number): boolean {
    const first = bytes.charCodeAt(at);
    if (first < 128) return this.#breaks[first]!;
    const length = characterLength(first);
    if (!length || at + length > bytes.length) return false;
    const character = characterOf(Array.from({ length }, (_, i) => bytes.charCodeAt(at + i)));
    return character !== undefined && !this.#isPart(character);
  }

  /** Tokens that go on with a word of the list, or end one. */
  build(words: readonly string[]): TokenMask {
    const mask = new Uint32Array(this.#vocabulary.words);
    const { bytes, size, token } = this.#vocabulary.trie;
    for (const word of words) {
      let node = 0;
      for (let i = 0; i < word.length && node >= 0; i++) {
        const byte = word.charCodeAt(i);
        const end = node + size[node]!;
        let child = node + 1;
        while (child < end && bytes[child] !== byte) child += size[child]!;
        node = child < end ? child : -1;
        if (node >= 0) this.#add(token[node]!, mask);
      }
      if (node > 0) this.#addBreaks(node, mask);
      else if (node === 0) for (let i = 0; i < mask.length; i++) mask[i]! |= this.#breaking[i]!;
    }
    return mask;
  }

  #add(first: number, mask: TokenMask): void {
    for (let id = first; id >= 0; id = this.#vocabulary.sameBytes[id]!) mask[id >>> 5]! |= 1 << (id & 31);
  }

  /** Adds the tokens below a node whose next character ends an identifier. */
  #addBreaks(node: number, mask: TokenMask): void {
    const { bytes, size } = this.#vocabulary.trie;
    const end = node + size[node]!;
    for (let child = node + 1; child < end; child += size[child]!) {
      const byte = bytes[child]!;
      if (byte >= 128) this.#addWide(child, [byte], characterLength(byte), mask);
      else if (this.#breaks[byte]) this.#addSubtree(child, mask);
    }
  }

  #addSubtree(node: number, mask: TokenMask): void {
    const { size, token } = this.#vocabulary.trie;
    for (let below = node; below < node + size[node]!; below++) if (token[below]! >= 0) this.#add(token[below]!, mask);
  }

  /** The same for a character of several bytes, of which some lead to a node. */
  #addWide(node: number, before: readonly number[], length: number, mask: TokenMask): void {
    if (before.length === length) {
      const character = characterOf(before);
      if (character !== undefined && !this.#isPart(character)) this.#addSubtree(node, mask);
      return;
    }
    const { bytes, size } = this.#vocabulary.trie;
    const end = node + size[node]!;
    if (before.length < length)
      for (let child = node + 1; child < end; child += size[child]!)
        this.#addWide(child, [...before, bytes[child]!], length, mask);
  }
}

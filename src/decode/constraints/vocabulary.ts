/**
 * The bytes of a tokenizer's tokens as a trie in flat arrays, depth first, and the ends of tokens behind a quote as a second
 * one. Built once per tokenizer; knows no constraint.
 */
import type { Tokenizer } from "../../formats/index.ts";

/** What a vocabulary needs of a tokenizer. */
export type TokenBytes = Pick<Tokenizer, "vocabSize" | "specials" | "tokenBytes" | "isSpecial"> &
  Partial<Pick<Tokenizer, "encode">>;

const quote = 34;

/** A trie in flat arrays; node 0 is the root, children of `n` begin at `n + 1`, siblings follow `size[n]` later. */
export interface FlatTrie {
  readonly bytes: Uint8Array;
  readonly size: Int32Array;
  /** First token that ends at a node, or -1; others with the same bytes follow in `sameBytes`. */
  readonly token: Int32Array;
}

interface Draft {
  readonly children: Map<number, Draft>;
  tokens: number[];
  id: number;
}

const draft = (): Draft => ({ children: new Map(), tokens: [], id: 0 });

function insert(root: Draft, bytes: ArrayLike<number>, from: number): Draft {
  let node = root;
  for (let i = from; i < bytes.length; i++) {
    let child = node.children.get(bytes[i]!);
    if (!child) {
      child = draft();
      node.children.set(bytes[i]!, child);
    }
    node = child;
  }
  return node;
}

function flatten(root: Draft): { bytes: number[]; size: number[]; tokens: (readonly number[])[] } {
  const out = { bytes: [] as number[], size: [] as number[], tokens: [] as (readonly number[])[] };
  const visit = (node: Draft, byte: number): number => {
    const at = out.bytes.length;
    node.id = at;
    out.bytes.push(byte);
    out.size.push(1);
    out.tokens.push(node.tokens);
    let size = 1;
    for (const [next, child] of [...node.children].sort((a, b) => a[0] - b[0])) size += visit(child, next);
    out.size[at] = size;
    return size;
  };
  visit(root, 0);
  return out;
}

/** Tokens of a tokenizer, ready for masks. */
export class Vocabulary {
  /** Number of token ids. */
  readonly size: number;
  /** Words of a mask. */
  readonly words: number;
  /** Tokens that end a text. */
  readonly endTokens: readonly number[];
  readonly trie: FlatTrie;
  /** The next token with the same bytes, or -1. */
  readonly sameBytes: Int32Array;
  /** What follows a quote inside tokens: bytes and sizes as in the trie. */
  readonly suffixes: Pick<FlatTrie, "bytes" | "size">;
  /** Longest token in bytes. */
  readonly longest: number;
  /** Room for lists of tokens while a mask is built. */
  readonly scratch: { readonly inside: Int32Array; readonly needs: Uint16Array };
  readonly #bytes: (Uint8Array | undefined)[];
  readonly #encode: ((text: string) => number[]) | undefined;

  constructor(tokenizer: TokenBytes) {
    this.size = tokenizer.vocabSize;
    this.words = Math.ceil(this.size / 32);
    this.endTokens = tokenizer.specials.eosIds.filter((id) => id < this.size);
    this.sameBytes = new Int32Array(this.size).fill(-1);
    this.#bytes = new Array(this.size);
    this.#encode = tokenizer.encode ? (text) => tokenizer.encode!(text) : undefined;
    this.scratch = { inside: new Int32Array(this.size), needs: new Uint16Array(this.size) };
    const root = draft();
    const suffixRoot = draft();
    let longest = 1;
    for (let id = 0; id < this.size; id++) {
      if (tokenizer.isSpecial(id) || this.endTokens.includes(id)) continue;
      const bytes = tokenizer.tokenBytes(id);
      if (!bytes.length) continue;
      this.#bytes[id] = bytes;
      longest = Math.max(longest, bytes.length);
      insert(root, bytes, 0).tokens.push(id);
      for (let i = 0; i < bytes.length; i++) if (bytes[i] === quote) insert(suffixRoot, bytes, i + 1);
    }
    this.longest = longest;
    const flat = flatten(root);
    const token = new Int32Array(flat.bytes.length).fill(-1);
    flat.tokens.forEach((tokens, node) => {
      for (let i = 0; i < tokens.length; i++) {
        if (i === 0) token[node] = tokens[0]!;
        else this.sameBytes[tokens[i - 1]!] = tokens[i]!;
      }
    });
    this.trie = { bytes: Uint8Array.from(flat.bytes), size: Int32Array.from(flat.size), token };
    const suffix = flatten(suffixRoot);
    this.suffixes = { bytes: Uint8Array.from(suffix.bytes), size: Int32Array.from(suffix.size) };
  }

  /** Bytes of a token; undefined for tokens that are no text. */
  bytesOf(token: number): Uint8Array | undefined {
    return this.#bytes[token];
  }

  /** The child of a suffix node; -1 when there is none. */
  suffixChild(node: number, byte: number): number {
    const { bytes, size } = this.suffixes;
    const end = node + size[node]!;
    for (let child = node + 1; child < end; child += size[child]!) if (bytes[child] === byte) return child;
    return -1;
  }

  /** The tokenizer's own spelling of a text, or longest tokens first where it has none that is exact. */
  tokensOf(bytes: Uint8Array): number[] {
    if (!bytes.length) return [];
    const text = new TextDecoder().decode(bytes);
    const own = this.#encode?.(text);
    if (own && this.#spells(own, bytes)) return own;
    const { trie } = this;
    const out: number[] = [];
    for (let at = 0; at < bytes.length; ) {
      let node = 0;
      let found = -1;
      let length = 0;
      for (let i = at; i < bytes.length; i++) {
        const end = node + trie.size[node]!;
        let child = node + 1;
        while (child < end && trie.bytes[child] !== bytes[i]) child += trie.size[child]!;
        if (child >= end) break;
        node = child;
        if (trie.token[node]! >= 0) {
          found = trie.token[node]!;
          length = i + 1 - at;
        }
      }
      if (found < 0) return [];
      out.push(found);
      at += length;
    }
    return out;
  }

  #spells(tokens: readonly number[], bytes: Uint8Array): boolean {
    let at = 0;
    for (const token of tokens) {
      const own = this.#bytes[token];
      if (!own) return false;
      for (const byte of own) if (bytes[at++] !== byte) return false;
    }
    return at === bytes.length;
  }
}

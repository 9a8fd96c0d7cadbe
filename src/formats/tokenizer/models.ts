/**
 * The four token models: merges by rank (BPE), merges by score (SentencePiece as llama.cpp runs it), longest match
 * (WordPiece) and most probable path (Unigram). Each turns one piece of normalised text into ids. They replace those of
 * `@huggingface/tokenizers`, which join and split strings for every merge and overflow the stack on long pieces.
 */
import { charOfByte, spellingOf } from "./bytes.ts";
import { type MergeRules, mergeSymbols, PairTable } from "./merge.ts";
import { TokenTrie } from "./token-trie.ts";

/** Turns pieces of text into ids. */
export interface TokenModel {
  /** Appends the ids of a piece. */
  encode(piece: string, out: number[]): void;
}

/** Ids of tokens by their text. */
export type TokenIds = ReadonlyMap<string, number>;

/** How text becomes the first symbols of a merge model. */
export interface SymbolOptions {
  /** Symbols are the UTF-8 bytes, spelt in the byte-level alphabet; else characters. */
  readonly byteLevel: boolean;
  /** Ids of `<0x00>`…`<0xFF>`, for characters that have no token. */
  readonly byteFallback?: Int32Array;
  /** Id for what remains; without it the text is dropped. */
  readonly unknownId?: number;
  /** One unknown id for a run of unknown characters. */
  readonly fuseUnknown?: boolean;
  /** A piece that is a token as a whole is taken as it is. */
  readonly ignoreMerges?: boolean;
}

const utf8 = new TextEncoder();
const cachedPieces = 20_000;
const cachedLength = 64;

/** BPE and score merging: both are {@link mergeSymbols} under different rules. */
export function mergeModel(ids: TokenIds, rules: MergeRules, options: SymbolOptions): TokenModel {
  const byteIds = Int32Array.from(charOfByte, (char) => ids.get(String.fromCharCode(char)) ?? -1);
  const charIds = new Map<number, number>();
  const cache = new Map<string, number[]>();
  const unknown = options.unknownId ?? -1;
  let symbols = new Int32Array(256);
  let scratch = new Uint8Array(768);

  function bytesOf(piece: string): number {
    if (scratch.length < 3 * piece.length) scratch = new Uint8Array(3 * piece.length);
    return utf8.encodeInto(piece, scratch).written;
  }

  function byteSymbols(piece: string): number {
    const length = bytesOf(piece);
    let count = 0;
    for (let i = 0; i < length; i++) {
      const id = byteIds[scratch[i]];
      if (id >= 0) symbols[count++] = id;
      else if (unknown >= 0) symbols[count++] = unknown;
    }
    return count;
  }

  function charSymbols(piece: string): number {
    let count = 0;
    let wasUnknown = false;
    for (const char of piece) {
      const code = char.codePointAt(0)!;
      let id = charIds.get(code);
      if (id === undefined) {
        id = ids.get(char) ?? -1;
        if (charIds.size < 65536) charIds.set(code, id);
      }
      if (id >= 0) {
        symbols[count++] = id;
        wasUnknown = false;
        continue;
      }
      const fallback = options.byteFallback;
      if (fallback) {
        const length = bytesOf(char);
        for (let i = 0; i < length; i++) {
          const byte = fallback[scratch[i]];
          if (byte >= 0) symbols[count++] = byte;
          else if (unknown >= 0) symbols[count++] = unknown;
        }
        wasUnknown = false;
      } else if (unknown >= 0 && !(wasUnknown && options.fuseUnknown)) {
        symbols[count++] = unknown;
        wasUnknown = true;
      }
    }
    return count;
  }

  return {
    encode(piece, out) {
      const cacheable = piece.length <= cachedLength;
      const cached = cacheable ? cache.get(piece) : undefined;
      if (cached) {
        for (const id of cached) out.push(id);
        return;
      }
      const start = out.length;
      const whole = options.ignoreMerges ? ids.get(options.byteLevel ? spellingOf(piece) : piece) : undefined;
      if (whole !== undefined) out.push(whole);
      else {
        // a UTF-16 unit becomes at most 3 bytes, an astral character 4 from 2 units
        if (symbols.length < 3 * piece.length) symbols = new Int32Array(3 * piece.length);
        const count = mergeSymbols(symbols, options.byteLevel ? byteSymbols(piece) : charSymbols(piece), rules);
        for (let i = 0; i < count; i++) out.push(symbols[i]);
      }
      if (!cacheable) return;
      if (cache.size >= cachedPieces) cache.clear();
      cache.set(piece, out.slice(start));
    },
  };
}

/** Rules of byte-pair encoding: pairs of ids in the order of their merges. */
export function rankedMerges(
  merges: Iterable<readonly [left: number, right: number, merged: number]>,
  count: number,
): MergeRules {
  const table = new PairTable(count);
  const mergedIds: number[] = [];
  for (const [left, right, merged] of merges) {
    table.set(left, right, mergedIds.length, true);
    mergedIds.push(merged);
  }
  return {
    rankOf: (left, right) => table.get(left, right) ?? -1,
    mergedOf: (left, right) => mergedIds[table.get(left, right)!],
  };
}

const cachedPairs = 1 << 19;

/**
 * Rules of SentencePiece's merging: any pair whose text is a token, the highest score first. `mergeable` is 1 for tokens
 * that may take part (control and byte tokens may not).
 */
export function scoredMerges(
  texts: readonly string[],
  ids: TokenIds,
  scores: Float32Array,
  mergeable: Uint8Array,
): MergeRules {
  const order = Float32Array.from(scores).sort();
  let cache = new PairTable(1024);
  /** Number of scores above that of the token. */
  function rank(id: number): number {
    let low = 0;
    let high = order.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (order[middle] <= scores[id]) low = middle + 1;
      else high = middle;
    }
    return order.length - low;
  }
  function merged(left: number, right: number): number {
    if (left < 0 || right < 0) return -1;
    const known = cache.get(left, right);
    if (known !== undefined) return known;
    let id = mergeable[left] && mergeable[right] ? (ids.get(texts[left] + texts[right]) ?? -1) : -1;
    if (id >= 0 && !mergeable[id]) id = -1;
    if (cache.count >= cachedPairs) cache = new PairTable(1024);
    cache.set(left, right, id);
    return id;
  }
  const ranks = new Int32Array(texts.length).fill(-1);
  return {
    rankOf(left, right) {
      const id = merged(left, right);
      if (id < 0) return -1;
      if (ranks[id] < 0) ranks[id] = rank(id);
      return ranks[id];
    },
    mergedOf: merged,
  };
}

/**
 * WordPiece: the longest token that starts a word, then the longest continuations; all of it or `unknownId`.
 * @throws `format` when a token is too long.
 */
export function wordPieceModel(ids: TokenIds, prefix: string, unknownId: number, maxCharacters: number): TokenModel {
  const trie = new TokenTrie(ids);
  const continued = trie.walk(prefix);
  return {
    encode(piece, out) {
      const start = out.length;
      let characters = 0;
      for (const _ of piece) if (++characters > maxCharacters) break;
      let at = characters > maxCharacters ? -1 : 0;
      while (at >= 0 && at < piece.length) {
        let node = at ? continued : TokenTrie.root;
        let id = -1;
        let end = -1;
        for (let i = at; i < piece.length && node >= 0; i++) {
          node = trie.next(node, piece.charCodeAt(i));
          if (node >= 0 && trie.valueAt(node) >= 0) [id, end] = [trie.valueAt(node), i + 1];
        }
        if (id >= 0) out.push(id);
        at = end;
      }
      if (at < 0) {
        out.length = start;
        out.push(unknownId);
      }
    },
  };
}

/**
 * Unigram: the path of highest total log probability; runs of unknown characters become one `unknownId`.
 * @throws `format` when a token is too long.
 */
export function unigramModel(ids: TokenIds, scores: ArrayLike<number>, unknownId: number): TokenModel {
  const trie = new TokenTrie(ids);
  let least = 0;
  for (let i = 0; i < scores.length; i++) least = Math.min(least, scores[i]);
  const unknownScore = least - 10;
  return {
    encode(piece, out) {
      const n = piece.length;
      const best = new Float64Array(n + 1).fill(Number.NEGATIVE_INFINITY);
      const from = new Int32Array(n + 1);
      const token = new Int32Array(n + 1);
      best[0] = 0;
      for (let i = 0; i < n; i++) {
        if (best[i] === Number.NEGATIVE_INFINITY) continue;
        const width = piece.codePointAt(i)! > 0xffff ? 2 : 1;
        let single = false;
        let node = TokenTrie.root;
        for (let j = i; j < n; ) {
          node = trie.next(node, piece.charCodeAt(j));
          if (node < 0) break;
          const id = trie.valueAt(node);
          j++;
          if (id < 0 || id === unknownId || j < i + width) continue;
          if (j === i + width) single = true;
          const score = best[i] + scores[id];
          if (score > best[j]) [best[j], from[j], token[j]] = [score, i, id];
        }
        if (!single && best[i] + unknownScore > best[i + width])
          [best[i + width], from[i + width], token[i + width]] = [best[i] + unknownScore, i, unknownId];
      }
      const path: number[] = [];
      for (let i = n; i > 0; i = from[i]) if (token[i] !== unknownId || path.at(-1) !== unknownId) path.push(token[i]);
      for (let i = path.length - 1; i >= 0; i--) out.push(path[i]);
    },
  };
}

/**
 * Counts of n-grams in sorted arrays of their hashes: small, fast to build, and a file of them can be mapped as it is. Knows token ids
 * only, no text, and nothing of what the counts are for.
 */
import { fail } from "../../util/errors.ts";

/** First bytes of {@link NgramCounts.bytes}: name and version. */
const magic = 0x4e47_5201;
/** Bytes before the hashes: magic, order and number of entries, padded to 16. */
const headerBytes = 16;

/** Hash of a token sequence so far, in two lanes. */
interface Hash {
  readonly a: number;
  readonly b: number;
}

const start: Hash = { a: 0x243f6a88, b: 0x85a308d3 };

/** Hash of a sequence with one token more. */
function follow({ a, b }: Hash, token: number): Hash {
  let x = Math.imul(a ^ (token + 0x9e3779b9), 0x85ebca6b);
  let y = Math.imul(b + (token ^ (x >>> 11)), 0xc2b2ae35);
  x ^= x >>> 15;
  y ^= y >>> 13;
  x = Math.imul(x + y, 0x27d4eb2f);
  y = Math.imul(y ^ (x >>> 16), 0x165667b1);
  return { a: x ^ (x >>> 13), b: y ^ (y >>> 16) };
}

/** 53 bits of a hash as a number. */
const numberOf = ({ a, b }: Hash): number => (a >>> 0) * 2097152 + (b >>> 11);

/** Estimate of the next token by the contexts that end a text. */
export interface NextTokens {
  /**
   * Interpolated share of a token among what follows the text's last tokens: `Σ weight_j · count(last j tokens, token) / count(last j
   * tokens)`. Contexts that were never seen are left out; 0 when every context that was seen goes on otherwise, or none was seen.
   */
  share(token: number): number;
}

/** How often sequences of up to `order` tokens occur in some documents. */
export class NgramCounts {
  /** Length of the longest n-grams. */
  readonly order: number;
  readonly #hashes: Float64Array;
  readonly #counts: Uint32Array;

  private constructor(order: number, hashes: Float64Array, counts: Uint32Array) {
    this.order = order;
    this.#hashes = hashes;
    this.#counts = counts;
  }

  /**
   * Counts the n-grams of documents; none crosses from one to the next.
   * @param order length of the longest ones, 2 to 8; 6 by default.
   */
  static fromDocuments(documents: Iterable<readonly number[]>, order = 6): NgramCounts {
    if (!Number.isInteger(order) || order < 2 || order > 8)
      fail("argument", `n-grams of order ${order}; it must be a whole number from 2 to 8`);
    let seen = new Float64Array(1 << 16);
    let size = 0;
    for (const tokens of documents) {
      if (size + order * tokens.length > seen.length) {
        const larger = new Float64Array(Math.max(2 * seen.length, size + order * tokens.length));
        larger.set(seen);
        seen = larger;
      }
      for (let i = 0; i < tokens.length; i++) {
        let hash = start;
        for (let j = i; j < Math.min(tokens.length, i + order); j++) {
          hash = follow(hash, tokens[j]!);
          seen[size++] = numberOf(hash);
        }
      }
    }
    const sorted = seen.subarray(0, size).sort();
    let distinct = 0;
    for (let i = 0; i < size; i++) if (!i || sorted[i] !== sorted[i - 1]) distinct++;
    const hashes = new Float64Array(distinct);
    const counts = new Uint32Array(distinct);
    for (let i = 0, at = -1; i < size; i++) {
      if (!i || sorted[i] !== sorted[i - 1]) hashes[++at] = sorted[i]!;
      counts[at]!++;
    }
    return new NgramCounts(order, hashes, counts);
  }

  /**
   * Counts from what {@link bytes} gave, without a copy where the memory is aligned to 8 bytes, as that of a mapped file is.
   * @throws `format` for anything else.
   */
  static fromBytes(bytes: Uint8Array): NgramCounts {
    const aligned = bytes.byteOffset % 8 ? bytes.slice() : bytes;
    const { buffer, byteOffset, byteLength } = aligned;
    const view = new DataView(buffer, byteOffset, byteLength);
    if (byteLength < headerBytes || view.getUint32(0, true) !== magic)
      fail("format", "these bytes are no n-gram counts, or of another version; count the documents again");
    const order = view.getUint32(4, true);
    const size = view.getUint32(8, true);
    if (order < 2 || order > 8 || byteLength !== headerBytes + 12 * size)
      fail(
        "format",
        `n-gram counts of order ${order} with ${size} entries in ${byteLength} bytes: the file was cut or is broken; count the documents again`,
      );
    return new NgramCounts(
      order,
      new Float64Array(buffer, byteOffset + headerBytes, size),
      new Uint32Array(buffer, byteOffset + headerBytes + 8 * size, size),
    );
  }

  /** The counts as bytes, for a file; little-endian. */
  bytes(): Uint8Array {
    const size = this.#counts.length;
    const out = new Uint8Array(headerBytes + 12 * size);
    const view = new DataView(out.buffer);
    view.setUint32(0, magic, true);
    view.setUint32(4, this.order, true);
    view.setUint32(8, size, true);
    new Float64Array(out.buffer, headerBytes, size).set(this.#hashes);
    new Uint32Array(out.buffer, headerBytes + 8 * size, size).set(this.#counts);
    return out;
  }

  /** The counts of both: how a store grows with its user's documents. @throws `argument` when the orders differ. */
  merge(other: NgramCounts): NgramCounts {
    if (other.order !== this.order)
      fail(
        "argument",
        `n-gram counts of orders ${this.order} and ${other.order} cannot be merged; count with one order`,
      );
    const most = this.size + other.size;
    const hashes = new Float64Array(most);
    const counts = new Uint32Array(most);
    let size = 0;
    for (let i = 0, j = 0; i < this.size || j < other.size; size++) {
      const a = this.#hashes[i] ?? Number.POSITIVE_INFINITY;
      const b = other.#hashes[j] ?? Number.POSITIVE_INFINITY;
      hashes[size] = Math.min(a, b);
      counts[size] = (a <= b ? this.#counts[i++]! : 0) + (b <= a ? other.#counts[j++]! : 0);
    }
    return new NgramCounts(this.order, hashes.slice(0, size), counts.slice(0, size));
  }

  /** Only the n-grams that occur at least `least` times. */
  prune(least: number): NgramCounts {
    let size = 0;
    for (const count of this.#counts) if (count >= least) size++;
    const hashes = new Float64Array(size);
    const counts = new Uint32Array(size);
    for (let i = 0, at = 0; i < this.size; i++)
      if (this.#counts[i]! >= least) {
        hashes[at] = this.#hashes[i]!;
        counts[at++] = this.#counts[i]!;
      }
    return new NgramCounts(this.order, hashes, counts);
  }

  /** Number of different n-grams of all lengths. */
  get size(): number {
    return this.#counts.length;
  }

  /** Bytes that the counts take. */
  get byteLength(): number {
    return this.#hashes.byteLength + this.#counts.byteLength;
  }

  /** How often a sequence occurs; 0 for one that is longer than {@link order}. */
  count(tokens: readonly number[]): number {
    return tokens.length > this.order ? 0 : this.#find(tokens.reduce(follow, start));
  }

  /**
   * What may follow a text.
   * @param weights of the contexts of 1, 2, … tokens; those that are longer than `order − 1` are not read.
   */
  after(tokens: readonly number[], weights: readonly number[]): NextTokens {
    const contexts: { readonly hash: Hash; readonly factor: number }[] = [];
    for (let j = 1; j < this.order && j <= weights.length && j <= tokens.length; j++) {
      const hash = tokens.slice(-j).reduce(follow, start);
      const total = this.#find(hash);
      // a longer context of one that was never seen was not seen either
      if (!total) break;
      contexts.push({ hash, factor: weights[j - 1]! / total });
    }
    return {
      share: (token) => contexts.reduce((sum, { hash, factor }) => sum + factor * this.#find(follow(hash, token)), 0),
    };
  }

  #find(hash: Hash): number {
    const wanted = numberOf(hash);
    const hashes = this.#hashes;
    let low = 0;
    let high = hashes.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const value = hashes[middle]!;
      if (value === wanted) return this.#counts[middle]!;
      if (value < wanted) low = middle + 1;
      else high = middle - 1;
    }
    return 0;
  }
}

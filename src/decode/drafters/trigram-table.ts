/**
 * Successors of token pairs with weights, in flat arrays: what stands for a language model in Adaptive Draft-Verification (Liu et al. 2024,
 * arXiv 2407.12021). Counted from documents, and nudged towards what is really said.
 */
import { fail } from "../../util/errors.ts";

/** Successors kept of a pair, as in the paper. */
export const trigramWidth = 12;

/** Entries that a key may lie in. */
const probes = 8;

/** Successors by pair. When a place is needed, the pair that was used least recently gives way. */
export class TrigramTable {
  readonly #keys: Int32Array;
  readonly #tokens: Int32Array;
  readonly #weights: Float32Array;
  readonly #counts: Uint8Array;
  readonly #used: Uint32Array;
  readonly #mask: number;
  #clock = 0;
  #size = 0;

  /** @param capacity pairs that it can hold, a power of two; 65,536 by default. */
  constructor(capacity = 65_536) {
    if (capacity < probes || (capacity & (capacity - 1)) !== 0)
      fail(
        "argument",
        `a trigram table of ${capacity} pairs; its capacity must be a power of two of at least ${probes}`,
      );
    this.#keys = new Int32Array(2 * capacity).fill(-1);
    this.#tokens = new Int32Array(trigramWidth * capacity);
    this.#weights = new Float32Array(trigramWidth * capacity);
    this.#counts = new Uint8Array(capacity);
    this.#used = new Uint32Array(capacity);
    this.#mask = capacity - 1;
  }

  /**
   * Counts the trigrams of documents; no window crosses from one to the next. The most frequent successors of a pair are kept, with
   * their shares as weights.
   */
  static fromDocuments(documents: Iterable<readonly number[]>, capacity?: number): TrigramTable {
    const counts = new Map<number, Map<number, Map<number, number>>>();
    let pairs = 0;
    for (const tokens of documents)
      for (let i = 2; i < tokens.length; i++) {
        const [a, b, c] = [tokens[i - 2]!, tokens[i - 1]!, tokens[i]!];
        let second = counts.get(a);
        if (!second) {
          second = new Map();
          counts.set(a, second);
        }
        let third = second.get(b);
        if (!third) {
          third = new Map();
          second.set(b, third);
          pairs++;
        }
        third.set(c, (third.get(c) ?? 0) + 1);
      }
    const table = new TrigramTable(capacity ?? 2 ** Math.max(12, Math.ceil(Math.log2(1.5 * pairs + 1))));
    for (const [a, second] of counts)
      for (const [b, third] of second) {
        const total = [...third.values()].reduce((sum, n) => sum + n, 0);
        // sorted by token on ties, so that nothing depends on the order of documents
        const best = [...third].sort((x, y) => y[1] - x[1] || x[0] - y[0]).slice(0, trigramWidth);
        for (const [c, count] of best) table.set(a, b, c, count / total);
      }
    return table;
  }

  /** Pairs in the table. */
  get size(): number {
    return this.#size;
  }

  /** Bytes that it takes. */
  get byteLength(): number {
    return [this.#keys, this.#tokens, this.#weights, this.#counts, this.#used].reduce((n, x) => n + x.byteLength, 0);
  }

  /** An independent copy. */
  clone(): TrigramTable {
    const copy = new TrigramTable(this.#mask + 1);
    copy.#keys.set(this.#keys);
    copy.#tokens.set(this.#tokens);
    copy.#weights.set(this.#weights);
    copy.#counts.set(this.#counts);
    copy.#used.set(this.#used);
    copy.#clock = this.#clock;
    copy.#size = this.#size;
    return copy;
  }

  /** Row of a pair, −1 when it is not there. */
  find(a: number, b: number): number {
    const hash = this.#hash(a, b);
    for (let k = 0; k < probes; k++) {
      const row = (hash + k) & this.#mask;
      if (this.#keys[2 * row] === a && this.#keys[2 * row + 1] === b) return row;
    }
    return -1;
  }

  /** Number of successors in a row. */
  count(row: number): number {
    return this.#counts[row]!;
  }

  /** Successor `i` of a row. */
  token(row: number, i: number): number {
    return this.#tokens[row * trigramWidth + i]!;
  }

  /** Weight of successor `i` of a row. */
  weight(row: number, i: number): number {
    return this.#weights[row * trigramWidth + i]!;
  }

  /** Sets the weight of a successor. */
  set(a: number, b: number, c: number, weight: number): void {
    this.#weights[this.#place(a, b, c)] = weight;
  }

  /** Adds to the weight of a successor, up to a limit; pairs and successors that were not there begin at nothing. */
  reward(a: number, b: number, c: number, amount: number, limit: number): void {
    const place = this.#place(a, b, c);
    this.#weights[place] = Math.min(this.#weights[place]! + amount, limit);
  }

  #hash(a: number, b: number): number {
    const mixed = Math.imul(a ^ (b << 16) ^ (b >>> 7), 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b);
    return (mixed ^ (mixed >>> 15)) & this.#mask;
  }

  /** Place of a successor among the weights; made if it is not there, instead of the lightest one when the row is full. */
  #place(a: number, b: number, c: number): number {
    const row = this.#claim(a, b);
    this.#used[row] = ++this.#clock;
    const start = row * trigramWidth;
    const count = this.#counts[row]!;
    let lightest = 0;
    for (let i = 0; i < count; i++) {
      if (this.#tokens[start + i] === c) return start + i;
      if (this.#weights[start + i]! < this.#weights[start + lightest]!) lightest = i;
    }
    const at = count < trigramWidth ? count : lightest;
    if (count < trigramWidth) this.#counts[row] = count + 1;
    this.#tokens[start + at] = c;
    this.#weights[start + at] = 0;
    return start + at;
  }

  #claim(a: number, b: number): number {
    const hash = this.#hash(a, b);
    let oldest = hash & this.#mask;
    for (let k = 0; k < probes; k++) {
      const row = (hash + k) & this.#mask;
      if (this.#keys[2 * row] === a && this.#keys[2 * row + 1] === b) return row;
      if (this.#keys[2 * row]! < 0) {
        oldest = row;
        break;
      }
      if (this.#used[row]! < this.#used[oldest]!) oldest = row;
    }
    if (this.#keys[2 * oldest]! < 0) this.#size++;
    this.#keys[2 * oldest] = a;
    this.#keys[2 * oldest + 1] = b;
    this.#counts[oldest] = 0;
    return oldest;
  }
}

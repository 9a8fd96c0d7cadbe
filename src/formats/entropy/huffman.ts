/**
 * Canonical Huffman codes of limited length: a code is told by the lengths of its words alone. Lengths that come out of a file are checked, so
 * that no table can lead astray.
 */
import { fail } from "../../util/errors.ts";
import type { BitReader, BitWriter } from "./bits.ts";

/** How often each of `symbols` symbols occurs. */
export function countSymbols(values: Iterable<number>, symbols: number): Float64Array {
  const counts = new Float64Array(symbols);
  for (const value of values) {
    if (!(value in counts)) fail("argument", `there is no symbol ${value} among ${symbols}`);
    counts[value]!++;
  }
  return counts;
}

/**
 * Lengths of the words of the best code whose words have at most `maxLength` bits (Larmore and Hirschberg's package-merge). Symbols that do not occur
 * get length 0, a symbol that occurs alone length 1.
 * @throws `argument` when there are more symbols than words.
 */
export function huffmanLengths(counts: ArrayLike<number>, maxLength = 15): Uint8Array {
  const used = Array.from({ length: counts.length }, (_, symbol) => symbol).filter((symbol) => counts[symbol]! > 0);
  if (used.length > 2 ** maxLength)
    fail("argument", `${used.length} symbols have no words of at most ${maxLength} bits; allow longer ones`);
  const lengths = new Uint8Array(counts.length);
  if (used.length === 1) lengths[used[0]!] = 1;
  if (used.length < 2) return lengths;
  interface Package {
    readonly weight: number;
    readonly symbols: readonly number[];
  }
  const byWeight = (a: Package, b: Package) => a.weight - b.weight;
  const leaves = used.map((symbol) => ({ weight: counts[symbol]!, symbols: [symbol] })).sort(byWeight);
  let level: readonly Package[] = leaves;
  for (let bit = 1; bit < maxLength; bit++) {
    const pairs: Package[] = [];
    for (let i = 0; i + 1 < level.length; i += 2) {
      const [a, b] = [level[i]!, level[i + 1]!];
      pairs.push({ weight: a.weight + b.weight, symbols: [...a.symbols, ...b.symbols] });
    }
    level = [...leaves, ...pairs].sort(byWeight);
  }
  for (const { symbols } of level.slice(0, 2 * used.length - 2)) for (const symbol of symbols) lengths[symbol]!++;
  return lengths;
}

/** A code: words by symbol, and the way back. */
export class HuffmanCode {
  /** Length of each symbol's word; 0 where it has none. */
  readonly lengths: Uint8Array;
  readonly #words: Uint32Array;
  /** Symbols in the order of their words. */
  readonly #order: readonly number[];
  /** Number of words by length. */
  readonly #perLength: Uint32Array;

  /** @throws `format` for lengths that are no complete code (a single word of one bit is allowed). */
  constructor(lengths: Uint8Array) {
    const most = lengths.reduce((a, b) => Math.max(a, b), 0);
    if (most > 24) fail("format", `a Huffman table has a word of ${most} bits; 24 are the most`);
    const perLength = new Uint32Array(most + 1);
    for (const length of lengths) if (length) perLength[length]!++;
    const words = perLength.reduce((sum, n) => sum + n, 0);
    const taken = perLength.reduce((sum, n, length) => sum + n * 2 ** -length, 0);
    if (words === 0 || (taken !== 1 && !(words === 1 && most === 1)))
      fail("format", `a Huffman table of ${words} words fills ${taken} of the space of words; it must fill it exactly`);
    this.lengths = lengths;
    this.#perLength = perLength;
    this.#order = Array.from(lengths, (_, symbol) => symbol)
      .filter((symbol) => lengths[symbol])
      .sort((a, b) => lengths[a]! - lengths[b]! || a - b);
    this.#words = new Uint32Array(lengths.length);
    let word = 0;
    let before = 0;
    for (const symbol of this.#order) {
      word <<= lengths[symbol]! - before;
      before = lengths[symbol]!;
      this.#words[symbol] = word++;
    }
  }

  /** Word of a symbol, as a number. @throws `argument` when it has none. */
  wordOf(symbol: number): number {
    return this.lengths[symbol] ? this.#words[symbol]! : fail("argument", `the Huffman code has no word for ${symbol}`);
  }

  /** Writes symbols. @throws `argument` for one without a word. */
  encode(symbols: ArrayLike<number>, writer: BitWriter): void {
    for (let i = 0; i < symbols.length; i++) writer.write(this.wordOf(symbols[i]!), this.lengths[symbols[i]!]!);
  }

  /** The next symbol. @throws `format` when bits are missing or are no word. */
  decode(reader: BitReader): number {
    let [word, first, index] = [0, 0, 0];
    for (let length = 1; length < this.#perLength.length; length++) {
      word = (word << 1) | reader.bit();
      const count = this.#perLength[length]!;
      if (word - first < count) return this.#order[index + word - first]!;
      index += count;
      first = (first + count) << 1;
    }
    return fail("format", "coded bits hold a word that the Huffman table does not have");
  }
}

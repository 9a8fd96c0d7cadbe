/**
 * A range coder (Martin 1979) with 32 bits of range, which comes within a thousandth of a bit of a model's entropy, and the models of quantised
 * numbers that it is used with here. Models are computed by additions, products and quotients alone, which every machine rounds alike: a file
 * decodes everywhere as it was coded.
 */
import { fail } from "../../util/errors.ts";

/** Sum of all frequencies of a model, as a power of 2. */
const totalBits = 16;
const total = 2 ** totalBits;
/** Range below which a byte is moved out. */
const least = 2 ** 24;

/** Where each symbol lies on the range: symbol `s` takes `[starts[s], starts[s + 1])` of 65,536. */
export interface SymbolModel {
  readonly starts: Uint32Array;
}

/** Writes symbols under models. */
export class RangeEncoder {
  readonly #bytes: number[] = [];
  #low = 0;
  #range = 2 ** 32 - 1;
  /** The last byte that a carry may still change, and how many bytes of 255 follow it. */
  #pending = -1;
  #full = 0;

  /** Writes a symbol. @throws `argument` when the model has none such. */
  encode(symbol: number, { starts }: SymbolModel): void {
    const start = starts[symbol] ?? 0;
    const end = starts[symbol + 1] ?? 0;
    if (end <= start) fail("argument", `the model has no symbol ${symbol}`);
    const unit = Math.floor(this.#range / total);
    this.#low += unit * start;
    this.#range = unit * (end - start);
    while (this.#range < least) {
      this.#range *= 256;
      this.#shift();
    }
  }

  #shift(): void {
    if (this.#low < 0xff000000 || this.#low >= 2 ** 32) {
      const carry = this.#low >= 2 ** 32 ? 1 : 0;
      if (this.#pending >= 0) this.#bytes.push((this.#pending + carry) & 255);
      for (; this.#full; this.#full--) this.#bytes.push((255 + carry) & 255);
      this.#pending = Math.floor(this.#low / least) & 255;
    } else this.#full++;
    this.#low = (this.#low % least) * 256;
  }

  /** Ends, and gives the bytes. Zeros at the end are left out: the decoder reads as many as it needs. */
  finish(): Uint8Array {
    for (let i = 0; i < 5; i++) this.#shift();
    let { length } = this.#bytes;
    while (length && !this.#bytes[length - 1]) length--;
    return Uint8Array.from(this.#bytes.slice(0, length));
  }
}

/** Reads what a {@link RangeEncoder} wrote, under the same models. Damaged bytes give other symbols, never an endless loop. */
export class RangeDecoder {
  readonly #bytes: Uint8Array;
  #at = 0;
  #code = 0;
  #range = 2 ** 32 - 1;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    for (let i = 0; i < 4; i++) this.#code = this.#code * 256 + this.#next();
  }

  #next(): number {
    return this.#bytes[this.#at++] ?? 0;
  }

  /** The next symbol. */
  decode({ starts }: SymbolModel): number {
    const unit = Math.floor(this.#range / total);
    const place = Math.min(total - 1, Math.floor(this.#code / unit));
    let low = 0;
    let high = starts.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (starts[middle]! <= place) low = middle;
      else high = middle;
    }
    this.#code -= unit * starts[low]!;
    this.#range = unit * (starts[low + 1]! - starts[low]!);
    while (this.#range < least) {
      this.#range *= 256;
      this.#code = this.#code * 256 + this.#next();
    }
    return low;
  }
}

/** A bell around a centre, by two bytes. */
export interface BellModel {
  /** The likeliest symbol. */
  readonly centre: number;
  /** How fast it falls: that of Laplace for 0 to 127, that of Gauss for 128 to 255; wider as it grows. */
  readonly shape: number;
}

/** Widths of bells, growing by a tenth each. */
const widths = new Float64Array(128).fill(0.05);
for (let i = 1; i < widths.length; i++) widths[i] = widths[i - 1]! * 1.1;

/** The model of a bell over `symbols` symbols; each has at least one part in 65,536. @throws `argument` for a bell that is none. */
export function bellModel({ centre, shape }: BellModel, symbols: number): SymbolModel {
  if (!Number.isInteger(shape) || shape < 0 || shape > 255 || !(centre >= 0 && centre < symbols))
    fail("argument", `there is no bell of shape ${shape} around ${centre} over ${symbols} symbols`);
  const width = widths[shape & 127]!;
  const ratio = width / (width + 1);
  const weights = new Float64Array(symbols);
  // by repeated products, which round alike everywhere, unlike powers and exponentials
  let [weight, step] = [1, ratio];
  for (let distance = 0; distance < symbols; distance++) {
    if (centre + distance < symbols) weights[centre + distance] = weight;
    if (centre - distance >= 0) weights[centre - distance] = weight;
    weight *= step;
    if (shape >= 128) step *= ratio * ratio;
  }
  let sum = 0;
  for (let i = 0; i < symbols; i++) sum += weights[i]!;
  const starts = new Uint32Array(symbols + 1);
  const free = total - symbols;
  for (let i = 0; i < symbols; i++) starts[i + 1] = starts[i]! + 1 + Math.floor((weights[i]! / sum) * free);
  // what rounding left over goes to the likeliest
  const rest = total - starts[symbols]!;
  for (let i = centre + 1; i <= symbols; i++) starts[i]! += rest;
  return { starts };
}

/** Bits that symbols take under a model. */
export function modelBits(counts: ArrayLike<number>, { starts }: SymbolModel): number {
  let bits = 0;
  for (let i = 0; i < counts.length; i++)
    if (counts[i]) bits += counts[i]! * (totalBits - Math.log2(starts[i + 1]! - starts[i]!));
  return bits;
}

/** The bell under which symbols take the fewest bits. */
export function fitBell(counts: ArrayLike<number>): BellModel {
  const symbols = counts.length;
  let sum = 0;
  let number = 0;
  let likeliest = 0;
  for (let i = 0; i < symbols; i++) {
    sum += i * counts[i]!;
    number += counts[i]!;
    if (counts[i]! > counts[likeliest]!) likeliest = i;
  }
  const middle = number ? Math.round(sum / number) : 0;
  const centres = new Set([likeliest, ...[-2, -1, 0, 1, 2].map((offset) => middle + offset)]);
  let best: BellModel = { centre: likeliest, shape: 0 };
  let fewest = Number.POSITIVE_INFINITY;
  for (const centre of centres) {
    if (centre < 0 || centre >= symbols) continue;
    for (let shape = 0; shape < 256; shape++) {
      const bits = modelBits(counts, bellModel({ centre, shape }, symbols));
      if (bits < fewest) [best, fewest] = [{ centre, shape }, bits];
    }
  }
  return best;
}

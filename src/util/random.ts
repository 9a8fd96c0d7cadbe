/**
 * Seeded, counter-based random numbers (Philox 4×32-10, Salmon et al. 2011). A stream is a pure function of its seed
 * and position, so every run can be repeated and streams can be split without coordination.
 */

const multiplier0 = 0xd2511f53;
const multiplier1 = 0xcd9e8d57;
const weyl0 = 0x9e3779b9;
const weyl1 = 0xbb67ae85;

function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = aLow * bHigh + (middle % 65536);
  return (aHigh * bHigh + Math.floor(middle / 65536) + Math.floor(carry / 65536)) >>> 0;
}

/** Ten rounds of Philox on a 128-bit counter with a 64-bit key; writes four 32-bit words to `out`. */
export function philox(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
  out: Uint32Array,
): void {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(multiplier0, c0);
    const low0 = Math.imul(multiplier0, c0) >>> 0;
    const high1 = multiplyHigh(multiplier1, c2);
    const low1 = Math.imul(multiplier1, c2) >>> 0;
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0;
    k0 = (k0 + weyl0) >>> 0;
    k1 = (k1 + weyl1) >>> 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/** A stream of random numbers. */
export class Random {
  readonly #key: readonly [number, number];
  readonly #words = new Uint32Array(4);
  #position = 0;
  #spare: number | undefined;

  /** @param seed any integer; its low 53 bits count. @param stream separates independent streams of one seed. */
  constructor(
    seed: number,
    readonly stream = 0,
  ) {
    const low = seed >>> 0;
    const high = Math.floor(Math.abs(seed) / 4294967296) >>> 0;
    this.#key = [low, high];
  }

  /** A stream of the same seed that shares no numbers with this one. */
  split(stream: number): Random {
    return new Random(
      this.#key[0] + this.#key[1] * 4294967296,
      (Math.imul(this.stream, 0x9e3779b1) ^ (stream + 1)) >>> 0,
    );
  }

  /** The next 32 random bits. */
  nextUint32(): number {
    const lane = this.#position & 3;
    if (lane === 0) {
      const block = Math.floor(this.#position / 4);
      philox([block >>> 0, Math.floor(block / 4294967296) >>> 0, this.stream, 0], this.#key, this.#words);
    }
    this.#position++;
    return this.#words[lane] as number;
  }

  /** Uniform in [0, 1), 53 random bits. */
  next(): number {
    const high = this.nextUint32() >>> 5;
    const low = this.nextUint32() >>> 6;
    return (high * 67108864 + low) / 9007199254740992;
  }

  /** Uniform integer in [0, n). */
  integer(n: number): number {
    return Math.floor(this.next() * n);
  }

  /** Standard normal (Box and Muller 1958). */
  normal(): number {
    if (this.#spare !== undefined) {
      const value = this.#spare;
      this.#spare = undefined;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.next()));
    const angle = 2 * Math.PI * this.next();
    this.#spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** A new array of standard normals times `scale`. */
  normals(count: number, scale = 1): Float32Array {
    const out = new Float32Array(count);
    for (let i = 0; i < count; i++) out[i] = this.normal() * scale;
    return out;
  }
}

/**
 * Bits in a row of bytes, the highest first.
 */
import { fail } from "../../util/errors.ts";

/** Collects bits. */
export class BitWriter {
  #bytes = new Uint8Array(1024);
  #bits = 0;

  /** Number of bits so far. */
  get length(): number {
    return this.#bits;
  }

  /** Adds the low `count` bits of a number, at most 24 of them. */
  write(value: number, count: number): void {
    if ((this.#bits + count + 7) >> 3 > this.#bytes.length) {
      const more = new Uint8Array(this.#bytes.length * 2);
      more.set(this.#bytes);
      this.#bytes = more;
    }
    for (let bit = count - 1; bit >= 0; bit--) {
      if ((value >> bit) & 1) this.#bytes[this.#bits >> 3]! |= 128 >> (this.#bits & 7);
      this.#bits++;
    }
  }

  /** The bytes, filled up with zeros. */
  toBytes(): Uint8Array {
    return this.#bytes.slice(0, (this.#bits + 7) >> 3);
  }
}

/** Reads bits. */
export class BitReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Number of bits read so far. */
  get position(): number {
    return this.#at;
  }

  /** The next bit. @throws `format` behind the last byte. */
  bit(): number {
    if (this.#at >> 3 >= this.#bytes.length)
      fail("format", `coded bits are cut: all ${this.#bytes.length} bytes are read and more are needed`);
    const bit = (this.#bytes[this.#at >> 3]! >> (7 - (this.#at & 7))) & 1;
    this.#at++;
    return bit;
  }

  /** The next `count` bits as a number, at most 24 of them. @throws `format` behind the last byte. */
  read(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) value = (value << 1) | this.bit();
    return value;
  }
}

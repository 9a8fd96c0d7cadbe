/**
 * Numbers in bytes, the lowest byte first, with every read checked.
 */
import { fail } from "../util/errors.ts";

/** Collects numbers. */
export class ByteWriter {
  readonly #bytes: number[] = [];

  /** Number of bytes so far. */
  get length(): number {
    return this.#bytes.length;
  }

  /** One byte. */
  u8(value: number): void {
    this.#bytes.push(value & 255);
  }

  /** Two bytes. */
  u16(value: number): void {
    this.u8(value);
    this.u8(value >>> 8);
  }

  /** Four bytes. */
  u32(value: number): void {
    this.u16(value);
    this.u16(value >>> 16);
  }

  /** A double. */
  f64(value: number): void {
    this.bytes(new Uint8Array(new Float64Array([value]).buffer));
  }

  /** Bytes as they are. */
  bytes(values: Uint8Array): void {
    for (const value of values) this.#bytes.push(value);
  }

  /** All of it. */
  toBytes(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}

/** Reads numbers. Every read throws `format` when the bytes end before. */
export class ByteReader {
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  readonly name: string;
  #at = 0;

  /** @param name for error messages. */
  constructor(bytes: Uint8Array, name: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.name = name;
  }

  /** Number of bytes that have not been read. */
  get left(): number {
    return this.#bytes.length - this.#at;
  }

  /** Checks that so many bytes are left. */
  need(count: number): void {
    if (count > this.left)
      fail("format", `${this.name} is cut: ${count} bytes are needed at byte ${this.#at}, ${this.left} are left`);
  }

  #skip(count: number): number {
    this.need(count);
    this.#at += count;
    return this.#at - count;
  }

  /** One byte. */
  u8(): number {
    return this.#view.getUint8(this.#skip(1));
  }

  /** Two bytes. */
  u16(): number {
    return this.#view.getUint16(this.#skip(2), true);
  }

  /** Four bytes. */
  u32(): number {
    return this.#view.getUint32(this.#skip(4), true);
  }

  /** A double. */
  f64(): number {
    return this.#view.getFloat64(this.#skip(8), true);
  }

  /** A view of the next bytes. */
  take(count: number): Uint8Array {
    const at = this.#skip(count);
    return this.#bytes.subarray(at, at + count);
  }
}

/**
 * A forward reader over a byte source with a window that grows as needed: the caller asks for bytes with `need` and then
 * takes them synchronously, so that long lists of short strings cost no promise each.
 */
import { type ByteSource, fail } from "../../util/index.ts";

const window = 1 << 20;
const utf8 = new TextDecoder();

/** Reads little-endian values one after another; refuses what would leave the file. */
export class Cursor {
  readonly source: ByteSource;
  #bytes = new Uint8Array(0);
  #view = new DataView(this.#bytes.buffer);
  #start = 0;
  #at = 0;

  constructor(source: ByteSource) {
    this.source = source;
  }

  /** Position in the file. */
  get position(): number {
    return this.#start + this.#at;
  }

  /** Bytes between the position and the end of the file. */
  get remaining(): number {
    return this.source.size - this.position;
  }

  /** Throws `format`, naming the file. */
  refuse(what: string): never {
    fail("format", `${this.source.name}: ${what}`);
  }

  /** Whether the next `length` bytes are in the window, so that they can be taken without {@link need}. */
  has(length: number): boolean {
    return this.#at + length <= this.#bytes.length;
  }

  /** Brings the next `length` bytes into the window. @throws `format` when the file ends before. */
  async need(length: number, what: string): Promise<void> {
    if (this.has(length)) return;
    if (length > this.remaining)
      this.refuse(`the ${what} needs ${length} bytes at ${this.position}, the file has ${this.remaining} left`);
    this.#start = this.position;
    this.#at = 0;
    this.#bytes = (await this.source.read(
      this.#start,
      Math.min(Math.max(length, window), this.source.size - this.#start),
    )) as Uint8Array<ArrayBuffer>;
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.length);
  }

  /** The next `length` bytes as a view. Call {@link need} first, as for all below. */
  take(length: number): Uint8Array {
    const start = this.#at;
    this.#at += length;
    return this.#bytes.subarray(start, this.#at);
  }

  u8(): number {
    return this.#bytes[this.#at++];
  }

  u32(): number {
    this.#at += 4;
    return this.#view.getUint32(this.#at - 4, true);
  }

  /** A 64-bit count, size or offset as a number. @throws `format` above 2^53. */
  u64(what: string): number {
    const low = this.u32();
    const high = this.u32();
    if (high >= 1 << 21) this.refuse(`the ${what} is ${(BigInt(high) << 32n) + BigInt(low)}, beyond any file`);
    return high * 4294967296 + low;
  }

  /** The view of the next `length` bytes for other numeric types. */
  view(length: number): DataView {
    this.#at += length;
    return new DataView(this.#bytes.buffer, this.#bytes.byteOffset + this.#at - length, length);
  }

  /** A length-prefixed string. @throws `format` when it is longer than `limit` bytes or than the file. */
  async string(what: string, limit: number): Promise<string> {
    if (!this.has(8)) await this.need(8, what);
    const length = this.u64(`length of the ${what}`);
    if (length > limit) this.refuse(`the ${what} claims ${length} bytes, at most ${limit} are allowed`);
    if (!this.has(length)) await this.need(length, what);
    return this.text(length);
  }

  /** The next `length` bytes as UTF-8; short ASCII, by far the most common, is decoded in place. */
  text(length: number): string {
    const bytes = this.#bytes;
    const start = this.#at;
    this.#at += length;
    if (length <= 24) {
      let out = "";
      let i = start;
      for (; i < this.#at && bytes[i] < 128; i++) out += String.fromCharCode(bytes[i]);
      if (i === this.#at) return out;
    }
    return utf8.decode(bytes.subarray(start, this.#at));
  }
}

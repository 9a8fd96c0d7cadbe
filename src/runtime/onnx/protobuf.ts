/**
 * A minimal protobuf writer: just the wire types that ONNX uses. A dependency would bring a schema compiler and
 * copy every weight once more; this appends the bytes of large tensors as they are.
 */

const textEncoder = new TextEncoder();

/** Appends fields of one protobuf message. */
export class MessageWriter {
  readonly #chunks: Uint8Array[] = [];
  #small: Uint8Array = new Uint8Array(256);
  #used = 0;
  #length = 0;

  /** Number of bytes so far. */
  get length(): number {
    return this.#length + this.#used;
  }

  #flush(): void {
    if (!this.#used) return;
    this.#chunks.push(this.#small.subarray(0, this.#used));
    this.#length += this.#used;
    this.#small = new Uint8Array(Math.min(65536, this.#small.length * 2));
    this.#used = 0;
  }

  #varint(value: number | bigint): void {
    if (this.#used + 10 > this.#small.length) this.#flush();
    if (typeof value === "number" && value >= 0 && value <= 0x7fffffff) {
      let rest = value;
      while (rest > 127) {
        this.#small[this.#used++] = (rest & 127) | 128;
        rest >>>= 7;
      }
      this.#small[this.#used++] = rest;
      return;
    }
    let rest = BigInt.asUintN(64, BigInt(value));
    while (rest > 127n) {
      this.#small[this.#used++] = Number(rest & 127n) | 128;
      rest >>= 7n;
    }
    this.#small[this.#used++] = Number(rest);
  }

  /** An integer field (int32, int64, enum, bool). */
  integer(field: number, value: number | bigint): this {
    this.#varint(field << 3);
    this.#varint(value);
    return this;
  }

  /** A 32-bit float field. */
  float(field: number, value: number): this {
    this.#varint((field << 3) | 5);
    if (this.#used + 4 > this.#small.length) this.#flush();
    new DataView(this.#small.buffer, this.#small.byteOffset).setFloat32(this.#used, value, true);
    this.#used += 4;
    return this;
  }

  /** A bytes field; large values are kept by reference, not copied. */
  bytes(field: number, value: Uint8Array): this {
    this.#varint((field << 3) | 2);
    this.#varint(value.length);
    if (value.length + this.#used <= this.#small.length) {
      this.#small.set(value, this.#used);
      this.#used += value.length;
    } else {
      this.#flush();
      this.#chunks.push(value);
      this.#length += value.length;
    }
    return this;
  }

  /** A string field. */
  string(field: number, value: string): this {
    return this.bytes(field, textEncoder.encode(value));
  }

  /** A nested message. */
  message(field: number, value: MessageWriter): this {
    this.#varint((field << 3) | 2);
    this.#varint(value.length);
    for (const chunk of value.chunks()) {
      if (chunk.length + this.#used > this.#small.length) this.#flush();
      if (chunk.length <= this.#small.length) {
        this.#small.set(chunk, this.#used);
        this.#used += chunk.length;
      } else {
        this.#chunks.push(chunk);
        this.#length += chunk.length;
      }
    }
    return this;
  }

  /** The pieces written so far, in order. */
  chunks(): readonly Uint8Array[] {
    this.#flush();
    return this.#chunks;
  }

  /** All bytes in one array. */
  finish(): Uint8Array {
    const out = new Uint8Array(this.length);
    let at = 0;
    for (const chunk of this.chunks()) {
      out.set(chunk, at);
      at += chunk.length;
    }
    return out;
  }
}

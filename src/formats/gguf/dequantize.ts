/**
 * Block-quantised weights back to 32-bit floats, bit for bit as ggml's reference does it. All products are exact in
 * double precision, so one rounding at the store gives the reference's result.
 */
import { f16Values, fail } from "../../util/index.ts";
import {
  dequantizeIq4Xs,
  dequantizeQ2K,
  dequantizeQ3K,
  dequantizeQ4K,
  dequantizeQ5K,
  dequantizeQ6K,
  iq4Values,
} from "./dequantize-k.ts";
import { type GgufType, ggufTypes } from "./types.ts";

/**
 * Unpacks `blocks` whole blocks that start at byte `at` of `bytes` to `out[to…]`. Signature of all unpackers.
 */
export type BlockReader = (bytes: Uint8Array, at: number, blocks: number, out: Float32Array, to: number) => void;

const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

function readF32(bytes: Uint8Array, at: number, count: number, out: Float32Array, to: number): void {
  if (littleEndian) {
    new Uint8Array(out.buffer, out.byteOffset + 4 * to, 4 * count).set(bytes.subarray(at, at + 4 * count));
    return;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, 4 * count);
  for (let i = 0; i < count; i++) out[to + i] = view.getFloat32(4 * i, true);
}

function readF16(bytes: Uint8Array, at: number, count: number, out: Float32Array, to: number): void {
  const half = f16Values();
  for (let i = 0; i < count; i++, at += 2) out[to + i] = half[bytes[at] | (bytes[at + 1] << 8)];
}

function readBf16(bytes: Uint8Array, at: number, count: number, out: Float32Array, to: number): void {
  const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < count; i++, at += 2) bits[to + i] = (bytes[at] << 16) | (bytes[at + 1] << 24);
}

function readQ8(bytes: Uint8Array, at: number, blocks: number, out: Float32Array, to: number): void {
  const half = f16Values();
  const signed = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let b = 0; b < blocks; b++, at += 34, to += 32) {
    const d = half[bytes[at] | (bytes[at + 1] << 8)];
    const q = at + 2;
    for (let i = 0; i < 32; i++) out[to + i] = d * signed[q + i];
  }
}

function readQ4(bytes: Uint8Array, at: number, blocks: number, out: Float32Array, to: number): void {
  const half = f16Values();
  for (let b = 0; b < blocks; b++, at += 18, to += 32) {
    const d = half[bytes[at] | (bytes[at + 1] << 8)];
    for (let i = 0; i < 16; i++) {
      const q = bytes[at + 2 + i];
      out[to + i] = d * ((q & 15) - 8);
      out[to + 16 + i] = d * ((q >> 4) - 8);
    }
  }
}

function readQ4WithMinimum(bytes: Uint8Array, at: number, blocks: number, out: Float32Array, to: number): void {
  const half = f16Values();
  for (let b = 0; b < blocks; b++, at += 20, to += 32) {
    const d = half[bytes[at] | (bytes[at + 1] << 8)];
    const m = half[bytes[at + 2] | (bytes[at + 3] << 8)];
    for (let i = 0; i < 16; i++) {
      const q = bytes[at + 4 + i];
      out[to + i] = d * (q & 15) + m;
      out[to + 16 + i] = d * (q >> 4) + m;
    }
  }
}

function readQ5(bytes: Uint8Array, at: number, blocks: number, out: Float32Array, to: number): void {
  const half = f16Values();
  for (let b = 0; b < blocks; b++, at += 22, to += 32) {
    const d = half[bytes[at] | (bytes[at + 1] << 8)];
    const fifth = bytes[at + 2] | (bytes[at + 3] << 8) | (bytes[at + 4] << 16) | (bytes[at + 5] << 24);
    for (let i = 0; i < 16; i++) {
      const q = bytes[at + 6 + i];
      out[to + i] = d * (((q & 15) | (((fifth >>> i) & 1) << 4)) - 16);
      out[to + 16 + i] = d * (((q >> 4) | (((fifth >>> (i + 16)) & 1) << 4)) - 16);
    }
  }
}

function readQ5WithMinimum(bytes: Uint8Array, at: number, blocks: number, out: Float32Array, to: number): void {
  const half = f16Values();
  for (let b = 0; b < blocks; b++, at += 24, to += 32) {
    const d = half[bytes[at] | (bytes[at + 1] << 8)];
    const m = half[bytes[at + 2] | (bytes[at + 3] << 8)];
    const fifth = bytes[at + 4] | (bytes[at + 5] << 8) | (bytes[at + 6] << 16) | (bytes[at + 7] << 24);
    for (let i = 0; i < 16; i++) {
      const q = bytes[at + 8 + i];
      out[to + i] = d * ((q & 15) | (((fifth >>> i) & 1) << 4)) + m;
      out[to + 16 + i] = d * ((q >> 4) | (((fifth >>> (i + 16)) & 1) << 4)) + m;
    }
  }
}

function readIq4Nl(bytes: Uint8Array, at: number, blocks: number, out: Float32Array, to: number): void {
  const half = f16Values();
  for (let b = 0; b < blocks; b++, at += 18, to += 32) {
    const d = half[bytes[at] | (bytes[at + 1] << 8)];
    for (let i = 0; i < 16; i++) {
      const q = bytes[at + 2 + i];
      out[to + i] = d * iq4Values[q & 15];
      out[to + 16 + i] = d * iq4Values[q >> 4];
    }
  }
}

const readers: { readonly [K in GgufType]?: BlockReader } = {
  F32: readF32,
  F16: readF16,
  BF16: readBf16,
  Q8_0: readQ8,
  Q4_0: readQ4,
  Q4_1: readQ4WithMinimum,
  Q5_0: readQ5,
  Q5_1: readQ5WithMinimum,
  Q2_K: dequantizeQ2K,
  Q3_K: dequantizeQ3K,
  Q4_K: dequantizeQ4K,
  Q5_K: dequantizeQ5K,
  Q6_K: dequantizeQ6K,
  IQ4_NL: readIq4Nl,
  IQ4_XS: dequantizeIq4Xs,
};

/** Whether {@link dequantize} knows the type. */
export function canDequantize(type: string): boolean {
  return Object.hasOwn(readers, type);
}

/**
 * Unpacks `count` elements of a type, starting at byte `byteOffset` of `bytes`, to `out[outOffset…]`: a row, or any
 * other run of whole blocks.
 * @throws `unsupported` for a type without an unpacker; `shape` when `count` is not whole blocks or either array is too
 * short.
 */
export function dequantizeInto(
  type: string,
  bytes: Uint8Array,
  byteOffset: number,
  count: number,
  out: Float32Array,
  outOffset = 0,
): void {
  const read = Object.hasOwn(readers, type) ? readers[type as GgufType] : undefined;
  if (!read)
    fail(
      "unsupported",
      `GGUF type ${type} cannot be dequantised; convert to one of ${Object.keys(readers).join(", ")}`,
    );
  const { blockSize, bytesPerBlock } = ggufTypes[type as GgufType];
  const blocks = count / blockSize;
  if (!Number.isInteger(blocks) || blocks < 0)
    fail("shape", `dequantize: ${count} elements are not whole ${type} blocks of ${blockSize}`);
  if (!(byteOffset >= 0 && byteOffset + blocks * bytesPerBlock <= bytes.length))
    fail(
      "shape",
      `dequantize: ${count} elements of ${type} take ${blocks * bytesPerBlock} bytes, ${bytes.length - byteOffset} are there`,
    );
  if (!(outOffset >= 0 && outOffset + count <= out.length))
    fail("shape", `dequantize: ${count} elements do not fit at ${outOffset} of an array of ${out.length}`);
  read(bytes, byteOffset, blocks, out, outOffset);
}

/** {@link dequantizeInto} a new array: the first `count` elements that `bytes` hold. */
export function dequantize(type: string, bytes: Uint8Array, count: number): Float32Array {
  if (!canDequantize(type)) dequantizeInto(type, bytes, 0, count, new Float32Array(0));
  const { blockSize, bytesPerBlock } = ggufTypes[type as GgufType];
  if (!(count >= 0 && (count / blockSize) * bytesPerBlock <= bytes.length))
    fail("shape", `dequantize: ${bytes.length} bytes do not hold ${count} elements of ${type}`);
  const out = new Float32Array(count);
  dequantizeInto(type, bytes, 0, count, out);
  return out;
}

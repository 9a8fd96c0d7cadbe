/**
 * Element types, and the bit patterns of the two half-precision ones. Knows nothing of shapes.
 */

/** Element types of arrays and tensors. `f16` and `bf16` are storage types: their data are bit patterns in a `Uint16Array`. */
export type DType = "f32" | "f16" | "bf16" | "i64" | "i32" | "i8" | "u8" | "u16" | "u32" | "bool" | "u4" | "i4";

/** The typed arrays that hold elements. `bool` uses a `Uint8Array` of 0 and 1; `u4` and `i4` pack two elements a byte, low half first. */
export type TypedArray = Float32Array | Uint16Array | BigInt64Array | Int32Array | Int8Array | Uint8Array | Uint32Array;

/** What is known of an element type. */
export interface DTypeInfo {
  /** Bits that one element takes. */
  readonly bits: number;
  /** Constructor of the array that holds it. */
  readonly array: new (
    lengthOrBuffer: number | ArrayBufferLike,
    byteOffset?: number,
    length?: number,
  ) => TypedArray;
  /** Whether gradients flow through it. */
  readonly float: boolean;
}

/** The table of element types. */
export const dtypes: Readonly<Record<DType, DTypeInfo>> = {
  f32: { bits: 32, array: Float32Array as never, float: true },
  f16: { bits: 16, array: Uint16Array as never, float: true },
  bf16: { bits: 16, array: Uint16Array as never, float: true },
  i64: { bits: 64, array: BigInt64Array as never, float: false },
  i32: { bits: 32, array: Int32Array as never, float: false },
  i8: { bits: 8, array: Int8Array as never, float: false },
  u8: { bits: 8, array: Uint8Array as never, float: false },
  u16: { bits: 16, array: Uint16Array as never, float: false },
  u32: { bits: 32, array: Uint32Array as never, float: false },
  bool: { bits: 8, array: Uint8Array as never, float: false },
  u4: { bits: 4, array: Uint8Array as never, float: false },
  i4: { bits: 4, array: Uint8Array as never, float: false },
};

/** Length of the typed array that holds `count` elements. */
export function storageLength(dtype: DType, count: number): number {
  return dtypes[dtype].bits === 4 ? Math.ceil(count / 2) : count;
}

const floatView = new Float32Array(1);
const bitsView = new Uint32Array(floatView.buffer);

/** Nearest half-precision bit pattern of `value`, ties to even; overflow gives infinity (IEEE 754 binary16). */
export function f32ToF16Bits(value: number): number {
  floatView[0] = value;
  const x = bitsView[0] as number;
  const sign = (x >>> 16) & 0x8000;
  const magnitude = x & 0x7fffffff;
  if (magnitude >= 0x7f800000)
    return sign | 0x7c00 | (magnitude > 0x7f800000 ? 0x200 | ((magnitude >> 13) & 0x3ff) : 0);
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // subnormal in half precision: count multiples of 2^-24, rounding ties to even
    if (magnitude < 0x33000000) return sign;
    const shift = 126 - (magnitude >>> 23);
    const mantissa = (magnitude & 0x7fffff) | 0x800000;
    const floor = mantissa >>> shift;
    const rest = mantissa & ((1 << shift) - 1);
    const half = 1 << (shift - 1);
    return sign | (floor + (rest > half || (rest === half && floor & 1) ? 1 : 0));
  }
  const rounded = magnitude + 0xfff + ((magnitude >> 13) & 1);
  return sign | ((rounded - 0x38000000) >>> 13);
}

let halfTable: Float32Array | undefined;

/** Table of the 65,536 half-precision values, indexed by bit pattern. */
export function f16Values(): Float32Array {
  if (halfTable) return halfTable;
  const table = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const exponent = (bits >> 10) & 31;
    const mantissa = bits & 1023;
    const sign = bits & 0x8000 ? -1 : 1;
    if (exponent === 31) table[bits] = mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    else if (exponent === 0) table[bits] = sign * mantissa * 2 ** -24;
    else table[bits] = sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
  }
  halfTable = table;
  return table;
}

/** Value of a half-precision bit pattern. */
export function f16BitsToF32(bits: number): number {
  return f16Values()[bits & 0xffff] as number;
}

/** Nearest bfloat16 bit pattern of `value`, ties to even. */
export function f32ToBf16Bits(value: number): number {
  floatView[0] = value;
  const x = bitsView[0] as number;
  if ((x & 0x7fffffff) > 0x7f800000) return ((x >>> 16) | 0x40) & 0xffff;
  return ((x + 0x7fff + ((x >>> 16) & 1)) >>> 16) & 0xffff;
}

/** Value of a bfloat16 bit pattern. */
export function bf16BitsToF32(bits: number): number {
  bitsView[0] = (bits & 0xffff) << 16;
  return floatView[0] as number;
}

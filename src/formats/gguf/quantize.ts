/**
 * Packs 32-bit floats into GGUF's types as ggml's reference does it: all arithmetic in single precision, values rounded
 * half away from zero.
 */
import { f32ToBf16Bits, f32ToF16Bits, fail } from "../../util/index.ts";
import { type GgufType, ggufTypes } from "./types.ts";

/** Packs `blocks` whole blocks of `values`. */
type BlockWriter = (values: Float32Array, blocks: number, out: DataView) => void;

const f = Math.fround;

function writeQ8(values: Float32Array, blocks: number, out: DataView): void {
  for (let b = 0; b < blocks; b++) {
    let largest = 0;
    for (let i = 0; i < 32; i++) largest = Math.max(largest, Math.abs(values[32 * b + i]));
    const d = f(largest / 127);
    const inverse = d ? f(1 / d) : 0;
    out.setUint16(34 * b, f32ToF16Bits(d), true);
    for (let i = 0; i < 32; i++) {
      const x = f(values[32 * b + i] * inverse);
      out.setInt8(34 * b + 2 + i, Math.sign(x) * Math.floor(Math.abs(x) + 0.5));
    }
  }
}

/** Value of largest magnitude in a block, with its sign. */
function extreme(values: Float32Array, at: number): number {
  let found = 0;
  for (let i = at; i < at + 32; i++) if (Math.abs(values[i]) > Math.abs(found)) found = values[i];
  return found;
}

function symmetric(levels: 16 | 32): BlockWriter {
  const half = levels / 2;
  const bytesPerBlock = levels === 16 ? 18 : 22;
  return (values, blocks, out) => {
    for (let b = 0; b < blocks; b++) {
      const d = f(extreme(values, 32 * b) / -half);
      const inverse = d ? f(1 / d) : 0;
      out.setUint16(bytesPerBlock * b, f32ToF16Bits(d), true);
      const level = (i: number) => Math.min(levels - 1, Math.trunc(f(f(values[32 * b + i] * inverse) + (half + 0.5))));
      pack(out, bytesPerBlock * b + 2, level, levels === 32);
    }
  };
}

function withMinimum(levels: 16 | 32): BlockWriter {
  const bytesPerBlock = levels === 16 ? 20 : 24;
  return (values, blocks, out) => {
    for (let b = 0; b < blocks; b++) {
      const block = values.subarray(32 * b, 32 * b + 32);
      let low = block[0];
      let high = block[0];
      for (const x of block) {
        low = Math.min(low, x);
        high = Math.max(high, x);
      }
      const d = f(f(high - low) / (levels - 1));
      const inverse = d ? f(1 / d) : 0;
      out.setUint16(bytesPerBlock * b, f32ToF16Bits(d), true);
      out.setUint16(bytesPerBlock * b + 2, f32ToF16Bits(low), true);
      const level = (i: number) => Math.min(levels - 1, Math.trunc(f(f(f(block[i] - low) * inverse) + 0.5)));
      pack(out, bytesPerBlock * b + 4, level, levels === 32);
    }
  };
}

/** Packs 32 levels: first the fifth bits if there are any, then the low four bits, halves side by side. */
function pack(out: DataView, at: number, level: (i: number) => number, fifth: boolean): void {
  let bits = 0;
  const start = fifth ? at + 4 : at;
  for (let i = 0; i < 16; i++) {
    const first = level(i);
    const second = level(i + 16);
    out.setUint8(start + i, (first & 15) | ((second & 15) << 4));
    bits |= ((first >> 4) << i) | ((second >> 4) << (i + 16));
  }
  if (fifth) out.setUint32(at, bits >>> 0, true);
}

const writers: { readonly [K in GgufType]?: BlockWriter } = {
  F32: (values, count, out) => {
    for (let i = 0; i < count; i++) out.setFloat32(4 * i, values[i], true);
  },
  F16: (values, count, out) => {
    for (let i = 0; i < count; i++) out.setUint16(2 * i, f32ToF16Bits(values[i]), true);
  },
  BF16: (values, count, out) => {
    for (let i = 0; i < count; i++) out.setUint16(2 * i, f32ToBf16Bits(values[i]), true);
  },
  Q8_0: writeQ8,
  Q4_0: symmetric(16),
  Q4_1: withMinimum(16),
  Q5_0: symmetric(32),
  Q5_1: withMinimum(32),
};

/** Types that {@link quantize} can make. */
export const quantizableTypes: readonly GgufType[] = Object.keys(writers) as GgufType[];

/**
 * Packs values into a type; their number must be whole blocks (rows of a multiple of 32 for the `Q` types).
 * @throws `unsupported` for other types than {@link quantizableTypes}; `shape` for partial blocks.
 */
export function quantize(type: string, values: Float32Array): Uint8Array<ArrayBuffer> {
  const write = Object.hasOwn(writers, type) ? writers[type as GgufType] : undefined;
  if (!write)
    return fail("unsupported", `cannot write GGUF type ${type}; choose one of ${quantizableTypes.join(", ")}`);
  const { blockSize, bytesPerBlock } = ggufTypes[type as GgufType];
  if (values.length % blockSize)
    fail("shape", `quantize: ${values.length} values are not whole ${type} blocks of ${blockSize}`);
  const blocks = values.length / blockSize;
  const bytes = new Uint8Array(blocks * bytesPerBlock);
  write(values, blocks, new DataView(bytes.buffer));
  return bytes;
}

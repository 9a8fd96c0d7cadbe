/**
 * Unpackers of the 256-element "super-block" types. Each block has one or two half-precision scales and small integer
 * scales for its 16 or 32-element parts.
 */
import { f16Values } from "../../util/index.ts";

/** Q2_K: 84 bytes a block. */
export function dequantizeQ2K(bytes: Uint8Array, at: number, blocks: number, out: Float32Array, to: number): void {
  const half = f16Values();
  for (let b = 0; b < blocks; b++, at += 84) {
    const d = half[bytes[at + 80] | (bytes[at + 81] << 8)];
    const minimum = half[bytes[at + 82] | (bytes[at + 83] << 8)];
    let part = at;
    for (let q = at + 16; q < at + 80; q += 32) {
      for (let shift = 0; shift < 8; shift += 2) {
        for (let h = 0; h < 32; h += 16) {
          const packed = bytes[part++];
          const scale = d * (packed & 15);
          const low = minimum * (packed >> 4);
          for (let i = h; i < h + 16; i++) out[to++] = scale * ((bytes[q + i] >> shift) & 3) - low;
        }
      }
    }
  }
}

const scales3 = new Int8Array(16);

/** Q3_K: 110 bytes a block. */
export function dequantizeQ3K(bytes: Uint8Array, at: number, blocks: number, out: Float32Array, to: number): void {
  const half = f16Values();
  for (let b = 0; b < blocks; b++, at += 110) {
    const d = half[bytes[at + 108] | (bytes[at + 109] << 8)];
    const s = at + 96;
    for (let i = 0; i < 16; i++) {
      const low = i < 8 ? bytes[s + i] & 15 : bytes[s + i - 8] >> 4;
      scales3[i] = (low | (((bytes[s + 8 + (i & 3)] >> (2 * (i >> 2))) & 3) << 4)) - 32;
    }
    let part = 0;
    let mask = 1;
    for (let q = at + 32; q < at + 96; q += 32) {
      for (let shift = 0; shift < 8; shift += 2, mask <<= 1) {
        for (let h = 0; h < 32; h += 16) {
          const scale = d * scales3[part++];
          for (let i = h; i < h + 16; i++)
            out[to++] = scale * (((bytes[q + i] >> shift) & 3) - (bytes[at + i] & mask ? 0 : 4));
        }
      }
    }
  }
}

/** Six-bit scale of part `j` (of 8) in the twelve bytes that Q4_K and Q5_K share. */
function scale6(bytes: Uint8Array, s: number, j: number): number {
  return j < 4 ? bytes[s + j] & 63 : (bytes[s + j + 4] & 15) | ((bytes[s + j - 4] >> 6) << 4);
}

/** Six-bit minimum of part `j`. */
function minimum6(bytes: Uint8Array, s: number, j: number): number {
  return j < 4 ? bytes[s + j + 4] & 63 : (bytes[s + j + 4] >> 4) | ((bytes[s + j] >> 6) << 4);
}

/** Q4_K: 144 bytes a block. */
export function dequantizeQ4K(bytes: Uint8Array, at: number, blocks: number, out: Float32Array, to: number): void {
  const half = f16Values();
  for (let b = 0; b < blocks; b++, at += 144) {
    const d = half[bytes[at] | (bytes[at + 1] << 8)];
    const minimum = half[bytes[at + 2] | (bytes[at + 3] << 8)];
    const s = at + 4;
    let q = at + 16;
    for (let j = 0; j < 8; j += 2, q += 32, to += 64) {
      const d1 = d * scale6(bytes, s, j);
      const m1 = minimum * minimum6(bytes, s, j);
      const d2 = d * scale6(bytes, s, j + 1);
      const m2 = minimum * minimum6(bytes, s, j + 1);
      for (let i = 0; i < 32; i++) {
        const v = bytes[q + i];
        out[to + i] = d1 * (v & 15) - m1;
        out[to + 32 + i] = d2 * (v >> 4) - m2;
      }
    }
  }
}

/** Q5_K: 176 bytes a block. */
export function dequantizeQ5K(bytes: Uint8Array, at: number, blocks: number, out: Float32Array, to: number): void {
  const half = f16Values();
  for (let b = 0; b < blocks; b++, at += 176) {
    const d = half[bytes[at] | (bytes[at + 1] << 8)];
    const minimum = half[bytes[at + 2] | (bytes[at + 3] << 8)];
    const s = at + 4;
    const high = at + 16;
    let q = at + 48;
    for (let j = 0; j < 8; j += 2, q += 32, to += 64) {
      const d1 = d * scale6(bytes, s, j);
      const m1 = minimum * minimum6(bytes, s, j);
      const d2 = d * scale6(bytes, s, j + 1);
      const m2 = minimum * minimum6(bytes, s, j + 1);
      for (let i = 0; i < 32; i++) {
        const v = bytes[q + i];
        const h = bytes[high + i] >> j;
        out[to + i] = d1 * ((v & 15) | ((h & 1) << 4)) - m1;
        out[to + 32 + i] = d2 * ((v >> 4) | ((h & 2) << 3)) - m2;
      }
    }
  }
}

/** Q6_K: 210 bytes a block. */
export function dequantizeQ6K(bytes: Uint8Array, at: number, blocks: number, out: Float32Array, to: number): void {
  const half = f16Values();
  const signed = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let b = 0; b < blocks; b++, at += 210) {
    const d = half[bytes[at + 208] | (bytes[at + 209] << 8)];
    for (let h = 0; h < 2; h++, to += 128) {
      const low = at + 64 * h;
      const high = at + 128 + 32 * h;
      const s = at + 192 + 8 * h;
      for (let g = 0; g < 2; g++) {
        const s1 = d * signed[s + g];
        const s2 = d * signed[s + 2 + g];
        const s3 = d * signed[s + 4 + g];
        const s4 = d * signed[s + 6 + g];
        for (let i = 16 * g; i < 16 * g + 16; i++) {
          const l1 = bytes[low + i];
          const l2 = bytes[low + 32 + i];
          const u = bytes[high + i];
          out[to + i] = s1 * (((l1 & 15) | ((u & 3) << 4)) - 32);
          out[to + 32 + i] = s2 * (((l2 & 15) | ((u & 12) << 2)) - 32);
          out[to + 64 + i] = s3 * (((l1 >> 4) | (u & 48)) - 32);
          out[to + 96 + i] = s4 * (((l2 >> 4) | ((u & 192) >> 2)) - 32);
        }
      }
    }
  }
}

/** The sixteen values that IQ4_NL and IQ4_XS choose from. */
export const iq4Values = new Int8Array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113]);

/** IQ4_XS: 136 bytes a block. */
export function dequantizeIq4Xs(bytes: Uint8Array, at: number, blocks: number, out: Float32Array, to: number): void {
  const half = f16Values();
  for (let b = 0; b < blocks; b++, at += 136) {
    const d = half[bytes[at] | (bytes[at + 1] << 8)];
    const high = bytes[at + 2] | (bytes[at + 3] << 8);
    let q = at + 8;
    for (let j = 0; j < 8; j++, q += 16, to += 32) {
      const low = (bytes[at + 4 + (j >> 1)] >> (4 * (j & 1))) & 15;
      const scale = d * ((low | (((high >> (2 * j)) & 3) << 4)) - 32);
      for (let i = 0; i < 16; i++) {
        out[to + i] = scale * iq4Values[bytes[q + i] & 15];
        out[to + 16 + i] = scale * iq4Values[bytes[q + i] >> 4];
      }
    }
  }
}

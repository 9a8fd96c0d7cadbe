/**
 * Mutations of binary files: blind ones, and ones that know where a format keeps its counts, lengths and offsets.
 */
import type { Random } from "../../src/util/random.ts";

/** A place in a file that a reader will trust. */
export interface Field {
  readonly at: number;
  /** Bytes of the little-endian number. */
  readonly bytes: 4 | 8;
  readonly what: string;
}

/** A mutated file and what was done to it. */
export interface Mutation<T> {
  readonly what: string;
  readonly value: T;
}

const absurd: readonly bigint[] = [
  0n,
  1n,
  2n,
  3n,
  7n,
  8n,
  31n,
  33n,
  255n,
  256n,
  65_535n,
  1n << 20n,
  1n << 24n,
  (1n << 31n) - 1n,
  1n << 31n,
  (1n << 32n) - 1n,
  1n << 32n,
  (1n << 53n) - 1n,
  1n << 53n,
  1n << 61n,
  (1n << 63n) - 1n,
  1n << 63n,
  (1n << 64n) - 1n,
];

/** An element of a list. */
export function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.integer(list.length)]!;
}

/** A number that no reader should believe: a known trap, one near the old value, or noise. */
function absurdNumber(random: Random, old: bigint): bigint {
  const kind = random.integer(4);
  if (kind === 0) return old + BigInt(pick(random, [-2, -1, 1, 2, 8, 16, 32]));
  if (kind === 1) return BigInt(random.nextUint32()) << BigInt(random.integer(33));
  return pick(random, absurd);
}

function setField(bytes: Uint8Array, field: Field, random: Random): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const old = field.bytes === 8 ? view.getBigUint64(field.at, true) : BigInt(view.getUint32(field.at, true));
  const value = BigInt.asUintN(8 * field.bytes, absurdNumber(random, old));
  if (field.bytes === 8) view.setBigUint64(field.at, value, true);
  else view.setUint32(field.at, Number(value), true);
  return `${field.what} at ${field.at}: ${old} → ${value}`;
}

/** One to four mutations of a file; of structured files most of them hit `fields`. */
export function mutateBytes(random: Random, original: Uint8Array, fields: readonly Field[]): Mutation<Uint8Array> {
  let bytes = original.slice();
  const done: string[] = [];
  for (let count = 1 + random.integer(3); count > 0; count--) {
    const size = bytes.length;
    const at = random.integer(size);
    const kind = fields.length && size === original.length && random.integer(3) ? 99 : random.integer(7);
    switch (kind) {
      case 99:
        done.push(setField(bytes, pick(random, fields), random));
        break;
      case 0:
        done.push(`cut to ${at} bytes`);
        bytes = bytes.slice(0, Math.max(1, at));
        break;
      case 1: {
        const flips = 1 + random.integer(16);
        for (let i = 0; i < flips; i++) bytes[random.integer(size)]! ^= 1 << random.integer(8);
        done.push(`${flips} bits flipped`);
        break;
      }
      case 2: {
        const length = Math.min(size - at, 1 + random.integer(64));
        for (let i = 0; i < length; i++) bytes[at + i] = random.integer(256);
        done.push(`noise at ${at}, ${length} bytes`);
        break;
      }
      case 3: {
        const length = Math.min(size - at, 1 + random.integer(200));
        bytes.copyWithin(random.integer(size), at, at + length);
        done.push(`${length} bytes copied from ${at}`);
        break;
      }
      case 4: {
        const length = 1 + random.integer(64);
        const longer = new Uint8Array(size + length);
        longer.set(bytes.subarray(0, at));
        longer.set(bytes.subarray(at), at + length);
        bytes = longer;
        done.push(`${length} zeros put in at ${at}`);
        break;
      }
      case 5: {
        const length = Math.min(size - at, 1 + random.integer(64));
        bytes.copyWithin(at, at + length);
        bytes = bytes.slice(0, Math.max(1, size - length));
        done.push(`${length} bytes taken out at ${at}`);
        break;
      }
      default: {
        const place = Math.min(at, Math.max(0, size - 8));
        if (size >= 8)
          done.push(setField(bytes, { at: place, bytes: random.integer(2) ? 8 : 4, what: "number" }, random));
      }
    }
  }
  return { what: done.join("; "), value: bytes };
}

/**
 * The key-value part of GGUF: typed scalars, strings and arrays. Knows nothing of what the keys mean.
 */
import type { Cursor } from "./cursor.ts";

/** Names of the value types in the order of their numbers in a file. */
export const ggufValueTypes = [
  "u8",
  "i8",
  "u16",
  "i16",
  "u32",
  "i32",
  "f32",
  "bool",
  "string",
  "array",
  "u64",
  "i64",
  "f64",
] as const;

/** Type of a metadata value. */
export type GgufValueType = (typeof ggufValueTypes)[number];

/** A numeric array; `bool` arrays are `Uint8Array`s of 0 and 1. */
export type GgufNumbers =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigUint64Array
  | BigInt64Array;

/** A metadata value; 64-bit integers are numbers where these are exact and bigints beyond. */
export type GgufValue = number | bigint | boolean | string | GgufNumbers | readonly string[] | readonly GgufValue[];

/** Metadata by key. */
export type GgufMetadata = ReadonlyMap<string, GgufValue>;

/** Typed array and size in bytes of each numeric type. */
export const ggufNumberArrays = {
  u8: Uint8Array,
  i8: Int8Array,
  u16: Uint16Array,
  i16: Int16Array,
  u32: Uint32Array,
  i32: Int32Array,
  f32: Float32Array,
  bool: Uint8Array,
  u64: BigUint64Array,
  i64: BigInt64Array,
  f64: Float64Array,
} as const;

type NumberType = keyof typeof ggufNumberArrays;

const maxEntries = 1 << 16;
const maxStrings = 1 << 22;
const maxNesting = 4;
const maxNestedArrays = 1 << 16;
const maxKeyBytes = 65535;
const maxStringBytes = 1 << 26;
const maxMetadataBytes = 1 << 28;

/** Room that the keys and values of one file may still take. */
interface Budget {
  bytes: number;
  nested: number;
  strings: number;
}

function readNumber(view: DataView, type: NumberType): number | bigint | boolean {
  switch (type) {
    case "u8":
      return view.getUint8(0);
    case "bool":
      return view.getUint8(0) !== 0;
    case "i8":
      return view.getInt8(0);
    case "u16":
      return view.getUint16(0, true);
    case "i16":
      return view.getInt16(0, true);
    case "u32":
      return view.getUint32(0, true);
    case "i32":
      return view.getInt32(0, true);
    case "f32":
      return view.getFloat32(0, true);
    case "f64":
      return view.getFloat64(0, true);
    default: {
      const value = type === "u64" ? view.getBigUint64(0, true) : view.getBigInt64(0, true);
      const number = Number(value);
      return Number.isSafeInteger(number) ? number : value;
    }
  }
}

function spend(cursor: Cursor, budget: Budget, bytes: number, key: string): void {
  budget.bytes -= bytes;
  if (budget.bytes < 0) cursor.refuse(`${key}: the metadata is larger than ${maxMetadataBytes} bytes`);
}

async function readStrings(
  cursor: Cursor,
  key: string,
  count: number,
  budget: Budget,
  keep: boolean,
): Promise<string[]> {
  // short strings take several times more memory than the file does for them
  budget.strings -= count;
  if (budget.strings < 0) cursor.refuse(`${key}: the metadata has more than ${maxStrings} strings in lists`);
  const out: string[] = [];
  for (let i = 0; i < count; i++) {
    if (!cursor.has(8)) await cursor.need(8, `string ${i} of ${key}`);
    const length = cursor.u64(`length of string ${i} of ${key}`);
    if (length > maxStringBytes)
      cursor.refuse(`string ${i} of ${key} claims ${length} bytes, at most ${maxStringBytes} are allowed`);
    spend(cursor, budget, length, key);
    if (!cursor.has(length)) await cursor.need(length, `string ${i} of ${key}`);
    if (keep) out.push(cursor.text(length));
    else cursor.take(length);
  }
  return out;
}

async function readArray(
  cursor: Cursor,
  key: string,
  nesting: number,
  budget: Budget,
  keep: boolean,
): Promise<GgufValue> {
  await cursor.need(12, `array ${key}`);
  const type = ggufValueTypes[cursor.u32()];
  const count = cursor.u64(`length of ${key}`);
  if (!type) cursor.refuse(`the array ${key} has elements of an unknown type`);
  const elementBytes = type === "string" ? 8 : type === "array" ? 12 : ggufNumberArrays[type].BYTES_PER_ELEMENT;
  const bytes = count * elementBytes;
  if (bytes > cursor.remaining)
    cursor.refuse(
      `the array ${key} claims ${count} elements of type ${type}, the file has ${cursor.remaining} bytes left`,
    );
  spend(cursor, budget, bytes, key);
  if (type === "string") return readStrings(cursor, key, count, budget, keep);
  if (type === "array") {
    budget.nested -= count;
    if (nesting >= maxNesting || budget.nested < 0)
      cursor.refuse(`${key} nests arrays deeper than ${maxNesting} or more than ${maxNestedArrays} of them`);
    const out: GgufValue[] = [];
    for (let i = 0; i < count; i++) out.push(await readArray(cursor, key, nesting + 1, budget, keep));
    return out;
  }
  await cursor.need(bytes, `array ${key}`);
  // the copy is aligned, and does not keep the window alive; `slice` of a Node Buffer would be no copy
  const copy = new Uint8Array(cursor.take(bytes));
  return new ggufNumberArrays[type](copy.buffer, 0, count);
}

/**
 * Reads `count` key-value pairs.
 * @param wanted whether the value of a key is kept; others are checked and passed over.
 * @throws `format`, naming the key, for whatever does not fit.
 */
export async function readMetadata(
  cursor: Cursor,
  count: number,
  wanted: (key: string) => boolean = () => true,
): Promise<Map<string, GgufValue>> {
  if (count > maxEntries) cursor.refuse(`${count} metadata entries, at most ${maxEntries} are allowed`);
  const metadata = new Map<string, GgufValue>();
  const keys = new Set<string>();
  const budget: Budget = { bytes: maxMetadataBytes, nested: maxNestedArrays, strings: maxStrings };
  for (let i = 0; i < count; i++) {
    const key = await cursor.string(`key of metadata entry ${i}`, maxKeyBytes);
    spend(cursor, budget, key.length, key);
    if (keys.has(key)) cursor.refuse(`the metadata key ${key} occurs twice`);
    keys.add(key);
    // the reader itself needs the alignment
    const keep = key === "general.alignment" || wanted(key);
    await cursor.need(4, `type of ${key}`);
    const id = cursor.u32();
    const type = ggufValueTypes[id];
    if (!type) cursor.refuse(`the metadata key ${key} has value type ${id}, 0 to 12 are known`);
    if (type === "string") {
      const value = await cursor.string(key, maxStringBytes);
      spend(cursor, budget, value.length, key);
      if (keep) metadata.set(key, value);
    } else if (type === "array") {
      const value = await readArray(cursor, key, 1, budget, keep);
      if (keep) metadata.set(key, value);
    } else {
      const bytes = ggufNumberArrays[type].BYTES_PER_ELEMENT;
      await cursor.need(bytes, key);
      const value = readNumber(cursor.view(bytes), type);
      if (keep) metadata.set(key, value);
    }
  }
  return metadata;
}

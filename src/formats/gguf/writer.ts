/**
 * Writes GGUF files (version 3, little endian) as a sequence of chunks, so that a file need not fit in memory at once.
 */
import { fail, sizeOf } from "../../util/index.ts";
import { type GgufValue, type GgufValueType, ggufNumberArrays, ggufValueTypes } from "./metadata.ts";
import { quantize } from "./quantize.ts";
import { type GgufType, ggufTypes } from "./types.ts";

/** A metadata value with its type in the file; needed where the value alone does not tell (`f64` from `f32`, `i32` from `u32`). */
export interface TypedGgufValue {
  readonly type: GgufValueType;
  readonly value: GgufValue;
}

/** A tensor to write. */
export interface GgufTensorToWrite {
  readonly name: string;
  /** Row-major shape, outermost first; up to 4 dimensions. */
  readonly shape: readonly number[];
  readonly type: GgufType;
  /**
   * Values to pack into the type, or the packed bytes; a function is called when its turn comes, so that tensors can be
   * made one at a time.
   */
  readonly data: Float32Array | Uint8Array | (() => Promise<Float32Array | Uint8Array>);
}

/** What goes into a file. */
export interface GgufToWrite {
  /** Numbers become `u32`, `i32`, `i64` or `f32` as they fit, unless wrapped as {@link TypedGgufValue}. */
  readonly metadata: ReadonlyMap<string, GgufValue | TypedGgufValue>;
  readonly tensors: readonly GgufTensorToWrite[];
  /** Alignment of tensors in bytes, a power of two; default 32. */
  readonly alignment?: number;
}

const utf8 = new TextEncoder();

/** A growing buffer of little-endian values. */
class Sink {
  #bytes = new Uint8Array(4096);
  #view = new DataView(this.#bytes.buffer);
  length = 0;

  #room(more: number): number {
    const at = this.length;
    this.length += more;
    if (this.length > this.#bytes.length) {
      const bigger = new Uint8Array(2 * this.length);
      bigger.set(this.#bytes);
      this.#bytes = bigger;
      this.#view = new DataView(bigger.buffer);
    }
    return at;
  }

  u32(value: number): void {
    const at = this.#room(4);
    this.#view.setUint32(at, value, true);
  }

  u64(value: number | bigint): void {
    const at = this.#room(8);
    this.#view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)), true);
  }

  raw(bytes: Uint8Array): void {
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
  }

  text(value: string): void {
    const bytes = utf8.encode(value);
    this.u64(bytes.length);
    this.raw(bytes);
  }

  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }
}

function typeOfNumber(value: number): GgufValueType {
  if (!Number.isInteger(value)) return "f32";
  if (value >= 0 && value <= 0xffffffff) return "u32";
  if (value >= -0x80000000 && value < 0) return "i32";
  return Number.isSafeInteger(value) ? "i64" : "f64";
}

function elementType(value: object): GgufValueType {
  for (const [type, array] of Object.entries(ggufNumberArrays))
    if (value instanceof array) return type as GgufValueType;
  return fail("argument", `GGUF metadata cannot hold a ${value.constructor.name}`);
}

function typeOf(value: GgufValue): GgufValueType {
  if (typeof value === "string") return "string";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "bigint") return value < 0n ? "i64" : "u64";
  return typeof value === "number" ? typeOfNumber(value) : "array";
}

function writeValue(sink: Sink, type: GgufValueType, value: GgufValue, key: string): void {
  if (type === "string") {
    if (typeof value !== "string") fail("argument", `GGUF metadata ${key}: ${String(value)} is not a string`);
    sink.text(value);
  } else if (type === "array") {
    if (typeof value !== "object") fail("argument", `GGUF metadata ${key}: ${String(value)} is not a list`);
    if (Array.isArray(value)) {
      const inner = value.length ? typeOf(value[0] as GgufValue) : "string";
      sink.u32(ggufValueTypes.indexOf(inner));
      sink.u64(value.length);
      for (const item of value as GgufValue[]) writeValue(sink, inner, item, key);
    } else {
      const numbers = value as Float32Array;
      sink.u32(ggufValueTypes.indexOf(elementType(numbers)));
      sink.u64(numbers.length);
      sink.raw(new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength));
    }
  } else if (type === "u64" || type === "i64") sink.u64(value as number | bigint);
  else {
    if (typeof value !== "number" && typeof value !== "boolean")
      fail("argument", `GGUF metadata ${key}: ${String(value)} is not a number`);
    const one = new ggufNumberArrays[type](1);
    (one as Float64Array)[0] = Number(value);
    sink.raw(new Uint8Array(one.buffer));
  }
}

function isTyped(value: GgufValue | TypedGgufValue): value is TypedGgufValue {
  return typeof value === "object" && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

function byteLengthOf(tensor: GgufTensorToWrite): number {
  const { blockSize, bytesPerBlock } = ggufTypes[tensor.type];
  const row = tensor.shape.at(-1) ?? 1;
  if (row % blockSize || tensor.shape.length > 4)
    fail(
      "shape",
      `tensor ${tensor.name}: [${tensor.shape}] cannot be written as ${tensor.type}, whose blocks have ${blockSize} elements`,
    );
  return (sizeOf(tensor.shape) / blockSize) * bytesPerBlock;
}

/**
 * The bytes of a GGUF file in order: its head, then each tensor with its padding.
 * @throws `shape` when a tensor's data do not fit its shape and type; `argument` for metadata that cannot be written.
 */
export async function* writeGguf({ metadata, tensors, alignment = 32 }: GgufToWrite): AsyncGenerator<Uint8Array> {
  if (alignment < 8 || alignment & (alignment - 1))
    fail("argument", `alignment ${alignment} is not a power of two from 8`);
  const entries = new Map(metadata);
  if (alignment !== 32) entries.set("general.alignment", { type: "u32", value: alignment });
  const head = new Sink();
  head.raw(utf8.encode("GGUF"));
  head.u32(3);
  head.u64(tensors.length);
  head.u64(entries.size);
  for (const [key, entry] of entries) {
    const { type, value } = isTyped(entry) ? entry : { type: typeOf(entry), value: entry };
    head.text(key);
    head.u32(ggufValueTypes.indexOf(type));
    writeValue(head, type, value, key);
  }
  let offset = 0;
  for (const tensor of tensors) {
    head.text(tensor.name);
    head.u32(tensor.shape.length);
    for (const n of [...tensor.shape].reverse()) head.u64(n);
    head.u32(ggufTypes[tensor.type].id);
    head.u64(offset);
    offset += Math.ceil(byteLengthOf(tensor) / alignment) * alignment;
  }
  head.raw(new Uint8Array(-head.length & (alignment - 1)));
  yield head.bytes();
  for (const tensor of tensors) {
    const data = typeof tensor.data === "function" ? await tensor.data() : tensor.data;
    const bytes = data instanceof Float32Array ? quantize(tensor.type, data) : data;
    if (bytes.length !== byteLengthOf(tensor))
      fail(
        "shape",
        `tensor ${tensor.name}: [${tensor.shape}] of ${tensor.type} takes ${byteLengthOf(tensor)} bytes, the data have ${bytes.length}`,
      );
    yield bytes;
    yield new Uint8Array(-bytes.length & (alignment - 1));
  }
}

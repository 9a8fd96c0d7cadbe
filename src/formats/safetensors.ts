/**
 * safetensors: a JSON header and plain little-endian tensors. Sizes, ranges, overlaps and element types are checked
 * before anything is read; tensors are read one at a time.
 */
import { type ByteSource, type DType, dtypes, fail, NDArray, sizeOf } from "../util/index.ts";
import { type JsonLimits, parseJson } from "./json.ts";

/** Element type as the format spells it. */
export type SafetensorsType =
  | "F64"
  | "F32"
  | "F16"
  | "BF16"
  | "I64"
  | "I32"
  | "I16"
  | "I8"
  | "U64"
  | "U32"
  | "U16"
  | "U8"
  | "BOOL"
  | "F8_E4M3"
  | "F8_E5M2";

/** Bytes of an element, and the element type of arrays that hold it; without `dtype` a tensor can only be read as bytes. */
const types: Readonly<Record<SafetensorsType, { readonly bytes: number; readonly dtype?: DType }>> = {
  F64: { bytes: 8 },
  F32: { bytes: 4, dtype: "f32" },
  F16: { bytes: 2, dtype: "f16" },
  BF16: { bytes: 2, dtype: "bf16" },
  I64: { bytes: 8, dtype: "i64" },
  I32: { bytes: 4, dtype: "i32" },
  I16: { bytes: 2 },
  I8: { bytes: 1, dtype: "i8" },
  U64: { bytes: 8 },
  U32: { bytes: 4, dtype: "u32" },
  U16: { bytes: 2, dtype: "u16" },
  U8: { bytes: 1, dtype: "u8" },
  BOOL: { bytes: 1, dtype: "bool" },
  F8_E4M3: { bytes: 1 },
  F8_E5M2: { bytes: 1 },
};

const nameOfDtype = new Map(
  Object.entries(types).flatMap(([name, { dtype }]) => (dtype ? [[dtype, name as SafetensorsType] as const] : [])),
);

/** What a file says of one tensor. */
export interface SafetensorsTensorInfo {
  readonly name: string;
  /** Row-major shape. */
  readonly shape: readonly number[];
  /** Element type; one this version does not know is listed under its own name. */
  readonly type: SafetensorsType | (string & {});
  /** Position of its first byte in its file. */
  readonly offset: number;
  /** Bytes that it takes. */
  readonly byteLength: number;
  /** The file that holds it. */
  readonly source: ByteSource;
}

/** One or several opened safetensors files. */
export interface SafetensorsFile {
  /** Tensors by name. */
  readonly tensors: ReadonlyMap<string, SafetensorsTensorInfo>;
  /** The header's `__metadata__`. */
  readonly metadata: ReadonlyMap<string, string>;
}

/** A tensor takes about eight values, and the largest files have some ten thousand of them. */
const headerLimits: JsonLimits = { maxBytes: 1 << 25, maxDepth: 4, maxValues: 1_000_000 };
const indexLimits: JsonLimits = { maxBytes: 1 << 25, maxDepth: 8, maxValues: 1_000_000 };
const maxRank = 16;
const maxShards = 4096;

function tensorOf(source: ByteSource, name: string, entry: unknown, dataOffset: number): SafetensorsTensorInfo {
  const refuse = (why: string): never => fail("format", `${source.name}: tensor ${name.slice(0, 200)} ${why}`);
  if (entry === null || typeof entry !== "object" || Array.isArray(entry))
    return refuse("is not described by an object");
  const { dtype, shape, data_offsets: offsets } = entry as Record<string, unknown>;
  const count = (n: unknown): n is number => typeof n === "number" && Number.isSafeInteger(n) && n >= 0;
  if (typeof dtype !== "string" || dtype.length > 32) return refuse("has no dtype");
  if (!Array.isArray(shape) || shape.length > maxRank || !shape.every(count))
    return refuse(`has no shape of at most ${maxRank} whole numbers`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(count)) return refuse("has no data_offsets");
  const [start, end] = offsets as [number, number];
  const room = source.size - dataOffset;
  if (start > end || end > room) return refuse(`lies at bytes ${start}…${end} of ${room}; the file may be cut short`);
  const known = Object.hasOwn(types, dtype) ? types[dtype as SafetensorsType] : undefined;
  const bytes = known ? sizeOf(shape as number[]) * known.bytes : end - start;
  if (bytes !== end - start)
    return refuse(`is [${shape}] of ${dtype} and takes ${bytes} bytes, but has ${end - start}`);
  return { name, shape: shape as number[], type: dtype, offset: dataOffset + start, byteLength: bytes, source };
}

function refuseOverlaps(source: ByteSource, tensors: Iterable<SafetensorsTensorInfo>): void {
  const inOrder = [...tensors].filter((t) => t.byteLength).sort((a, b) => a.offset - b.offset);
  for (let i = 1; i < inOrder.length; i++)
    if (inOrder[i - 1].offset + inOrder[i - 1].byteLength > inOrder[i].offset)
      fail("format", `${source.name}: tensors ${inOrder[i - 1].name} and ${inOrder[i].name} overlap`);
}

/**
 * Opens a safetensors file: reads its header, not its tensors.
 * @throws `format` when the file is not safetensors or contradicts itself.
 */
export async function readSafetensors(source: ByteSource): Promise<SafetensorsFile> {
  if (source.size < 8) fail("format", `${source.name}: ${source.size} bytes are too few for a safetensors file`);
  const head = await source.read(0, 8);
  const length = Number(new DataView(head.buffer, head.byteOffset, 8).getBigUint64(0, true));
  if (length > source.size - 8 || length > headerLimits.maxBytes)
    fail(
      "format",
      `${source.name}: the header claims ${length} bytes of a file of ${source.size}; is it a safetensors file?`,
    );
  const text = new TextDecoder().decode(await source.read(8, length));
  const header = parseJson(text, `${source.name}: header`, headerLimits);
  if (header === null || typeof header !== "object" || Array.isArray(header))
    return fail("format", `${source.name}: the header is not an object`);
  const tensors = new Map<string, SafetensorsTensorInfo>();
  const metadata = new Map<string, string>();
  for (const [name, entry] of Object.entries(header)) {
    if (name !== "__metadata__") tensors.set(name, tensorOf(source, name, entry, 8 + length));
    else if (entry !== null && typeof entry === "object")
      for (const [key, value] of Object.entries(entry)) metadata.set(key, String(value));
  }
  refuseOverlaps(source, tensors.values());
  return { tensors, metadata };
}

/**
 * Opens a model that is split over several files, given the text of its `model.safetensors.index.json` and a way to open
 * the files beside it.
 * @throws `format` when the index is no index, names a path outside of its folder, or a file lacks a tensor of it.
 */
export async function readShardedSafetensors(
  indexJson: string,
  open: (fileName: string) => Promise<ByteSource>,
): Promise<SafetensorsFile> {
  const index = parseJson(indexJson, "safetensors index", indexLimits) as { weight_map?: unknown } | null;
  const map = index?.weight_map;
  if (map === null || typeof map !== "object" || Array.isArray(map))
    return fail("format", "safetensors index: there is no weight_map");
  const wanted = new Map<string, string[]>();
  for (const [tensor, file] of Object.entries(map)) {
    if (typeof file !== "string" || !/^[\w.-]{1,255}$/.test(file) || file.startsWith("."))
      return fail(
        "format",
        `safetensors index: ${tensor.slice(0, 200)} is said to be in ${JSON.stringify(file)?.slice(0, 200)}, which is no file name`,
      );
    const names = wanted.get(file);
    if (names) names.push(tensor);
    else wanted.set(file, [tensor]);
    if (wanted.size > maxShards) return fail("format", `safetensors index: more than ${maxShards} files`);
  }
  const tensors = new Map<string, SafetensorsTensorInfo>();
  const metadata = new Map<string, string>();
  for (const [file, names] of wanted) {
    const shard = await readSafetensors(await open(file));
    for (const [key, value] of shard.metadata) metadata.set(key, value);
    for (const name of names)
      tensors.set(
        name,
        shard.tensors.get(name) ??
          fail("format", `${file} has no tensor ${name.slice(0, 200)}, though the index says so`),
      );
  }
  return { tensors, metadata };
}

/**
 * Reads a tensor.
 * @throws `name` when there is none of that name; `unsupported` for element types without an array type here.
 */
export async function readSafetensor(file: SafetensorsFile, name: string): Promise<NDArray> {
  const info = file.tensors.get(name) ?? fail("name", `there is no tensor ${name} in the safetensors file`);
  const dtype = Object.hasOwn(types, info.type) ? types[info.type as SafetensorsType].dtype : undefined;
  if (!dtype)
    return fail("unsupported", `tensor ${name} has element type ${info.type}, which cannot be read as an array`);
  const bytes = await info.source.read(info.offset, info.byteLength);
  const array = dtypes[dtype].array;
  // a copy where the bytes are not aligned, or part of a larger buffer that the array would keep alive; not by `slice`,
  // which gives a view of the same memory when the bytes are a Node Buffer
  const alone = bytes.byteOffset === 0 && bytes.buffer.byteLength === bytes.byteLength;
  const aligned = alone ? bytes : new Uint8Array(bytes);
  return new NDArray(new array(aligned.buffer, 0, sizeOf(info.shape)), info.shape, dtype);
}

/**
 * The bytes of a safetensors file in order: its header, then each tensor.
 * @throws `dtype` for element types that the format lacks (4-bit ones).
 */
export function* writeSafetensors(
  tensors: ReadonlyMap<string, NDArray>,
  metadata: ReadonlyMap<string, string> = new Map(),
): Generator<Uint8Array> {
  const header: Record<string, unknown> = {};
  if (metadata.size) header.__metadata__ = Object.fromEntries(metadata);
  // wide elements first keeps every tensor aligned
  const order = [...tensors].sort(([, a], [, b]) => dtypes[b.dtype].bits - dtypes[a.dtype].bits);
  let offset = 0;
  for (const [name, array] of order) {
    const type =
      nameOfDtype.get(array.dtype) ?? fail("dtype", `tensor ${name}: safetensors has no element type ${array.dtype}`);
    if (name === "__metadata__") fail("argument", "a safetensors tensor cannot be called __metadata__");
    Object.defineProperty(header, name, {
      value: { dtype: type, shape: array.shape, data_offsets: [offset, offset + array.data.byteLength] },
      enumerable: true,
    });
    offset += array.data.byteLength;
  }
  let json = JSON.stringify(header);
  const bytes = new TextEncoder().encode(json).length;
  json += " ".repeat(-bytes & 7);
  const text = new TextEncoder().encode(json);
  const head = new Uint8Array(8);
  new DataView(head.buffer).setBigUint64(0, BigInt(text.length), true);
  yield head;
  yield text;
  for (const [, array] of order) yield new Uint8Array(array.data.buffer, array.data.byteOffset, array.data.byteLength);
}

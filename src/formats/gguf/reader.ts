/**
 * Reads GGUF files (versions 2 and 3, little endian). Every count, length and offset is checked against the file's size
 * before memory is taken for it; tensors are listed without being read.
 */
import { type ByteSource, fail } from "../../util/index.ts";
import { Cursor } from "./cursor.ts";
import { dequantize } from "./dequantize.ts";
import { type GgufMetadata, readMetadata } from "./metadata.ts";
import { type GgufType, ggufTypeOfId, ggufTypes } from "./types.ts";

/** What a file says of one tensor. */
export interface GgufTensorInfo {
  readonly name: string;
  /** Row-major, outermost dimension first: the reverse of the order in the file. */
  readonly shape: readonly number[];
  /** Element type; `unknown-<id>` for one that this version has no size for. */
  readonly type: GgufType | `unknown-${number}`;
  /** Number of elements. */
  readonly size: number;
  /** Position of its first byte in the file. */
  readonly offset: number;
  /** Bytes that it takes; 0 when the type is unknown. */
  readonly byteLength: number;
}

/** An opened GGUF file. */
export interface GgufFile {
  readonly version: number;
  /** Key-value pairs in the file's order. */
  readonly metadata: GgufMetadata;
  /** Tensors by name, in the file's order. */
  readonly tensors: ReadonlyMap<string, GgufTensorInfo>;
  /** Position of the tensor data, a multiple of the alignment. */
  readonly dataOffset: number;
  readonly source: ByteSource;
}

const magic = 0x46554747;
const maxDimensions = 8;
const maxTensors = 1 << 18;
const maxTensorName = 1024;

async function readTensorInfos(cursor: Cursor, count: number): Promise<GgufTensorInfo[]> {
  const infos: GgufTensorInfo[] = [];
  for (let i = 0; i < count; i++) {
    const name = await cursor.string(`name of tensor ${i}`, maxTensorName);
    await cursor.need(4, `dimensions of ${name}`);
    const rank = cursor.u32();
    if (rank > maxDimensions)
      cursor.refuse(`tensor ${name} has ${rank} dimensions, at most ${maxDimensions} are allowed`);
    await cursor.need(8 * rank + 12, `shape of ${name}`);
    const shape: number[] = [];
    let size = 1;
    for (let d = 0; d < rank; d++) {
      const n = cursor.u64(`dimension ${d} of ${name}`);
      size *= n;
      if (size > Number.MAX_SAFE_INTEGER) cursor.refuse(`tensor ${name} has more than 2^53 elements (dimension ${n})`);
      shape.unshift(n);
    }
    const id = cursor.u32();
    const offset = cursor.u64(`offset of ${name}`);
    const type = ggufTypeOfId(id);
    let byteLength = 0;
    if (type) {
      const { blockSize, bytesPerBlock } = ggufTypes[type];
      const row = shape.at(-1) ?? 1;
      if (row % blockSize)
        cursor.refuse(`tensor ${name}: rows of ${row} elements are not whole ${type} blocks of ${blockSize}`);
      byteLength = (size / blockSize) * bytesPerBlock;
    }
    infos.push({ name, shape, type: type ?? `unknown-${id}`, size, offset, byteLength });
  }
  return infos;
}

function alignmentOf(cursor: Cursor, metadata: GgufMetadata): number {
  const alignment = metadata.get("general.alignment") ?? 32;
  if (typeof alignment === "number" && alignment >= 1 && alignment <= 1 << 20 && !(alignment & (alignment - 1)))
    return alignment;
  return cursor.refuse(`general.alignment is ${String(alignment)}, not a power of two up to 2^20`);
}

function placeTensors(cursor: Cursor, infos: GgufTensorInfo[], dataOffset: number, alignment: number) {
  const tensors = new Map<string, GgufTensorInfo>();
  for (const info of infos) {
    if (tensors.has(info.name)) cursor.refuse(`tensor ${info.name} occurs twice`);
    const offset = dataOffset + info.offset;
    if (info.offset % alignment)
      cursor.refuse(`tensor ${info.name} starts at ${info.offset}, which is no multiple of the alignment ${alignment}`);
    if (offset + info.byteLength > cursor.source.size)
      cursor.refuse(
        `tensor ${info.name} (${info.type}, [${info.shape}]) would end at byte ${offset + info.byteLength} of a file of ${cursor.source.size}; the file may be cut short`,
      );
    tensors.set(info.name, { ...info, offset });
  }
  const inOrder = [...tensors.values()].filter((t) => t.byteLength).sort((a, b) => a.offset - b.offset);
  for (let i = 1; i < inOrder.length; i++)
    if (inOrder[i - 1].offset + inOrder[i - 1].byteLength > inOrder[i].offset)
      cursor.refuse(`tensors ${inOrder[i - 1].name} and ${inOrder[i].name} overlap`);
  return tensors;
}

/** Options of {@link readGguf}. */
export interface GgufReadOptions {
  /**
   * Whether the value of a metadata key is kept; all are by default. Vocabularies are most of what a header takes in memory.
   */
  readonly wanted?: (key: string) => boolean;
}

/**
 * Opens a GGUF file: reads its metadata and the list of its tensors, not their values.
 * @throws `format` when the file is not GGUF or inconsistent; `unsupported` for versions other than 2 and 3.
 */
export async function readGguf(source: ByteSource, options: GgufReadOptions = {}): Promise<GgufFile> {
  const cursor = new Cursor(source);
  await cursor.need(24, "header");
  const found = cursor.u32();
  if (found !== magic) cursor.refuse(`starts with 0x${found.toString(16)} and not with "GGUF"; is it a model file?`);
  const version = cursor.u32();
  if (version === 0x02000000 || version === 0x03000000)
    fail("unsupported", `${source.name}: big-endian GGUF; convert it with gguf_convert_endian`);
  if (version === 1) fail("unsupported", `${source.name}: GGUF version 1; convert the model anew`);
  if (version !== 2 && version !== 3) fail("unsupported", `${source.name}: GGUF version ${version}; 2 and 3 are known`);
  const tensorCount = cursor.u64("tensor count");
  const entryCount = cursor.u64("metadata count");
  // the smallest tensor description takes 24 bytes, the smallest key-value pair 13
  if (tensorCount > maxTensors || tensorCount * 24 > source.size)
    cursor.refuse(`${tensorCount} tensors in a file of ${source.size} bytes`);
  if (entryCount * 13 > source.size) cursor.refuse(`${entryCount} metadata entries in a file of ${source.size} bytes`);
  const metadata = await readMetadata(cursor, entryCount, options.wanted);
  const infos = await readTensorInfos(cursor, tensorCount);
  const alignment = alignmentOf(cursor, metadata);
  const dataOffset = Math.ceil(cursor.position / alignment) * alignment;
  const tensors = placeTensors(cursor, infos, dataOffset, alignment);
  return { version, metadata, tensors, dataOffset, source };
}

function tensorInfo(file: GgufFile, name: string): GgufTensorInfo {
  return file.tensors.get(name) ?? fail("name", `${file.source.name} has no tensor ${name}`);
}

/**
 * The raw bytes of a tensor, still quantised.
 * @throws `name` when there is no such tensor; `unsupported` when its type has no known size.
 */
export async function readTensor(file: GgufFile, name: string): Promise<Uint8Array> {
  const info = tensorInfo(file, name);
  if (info.type.startsWith("unknown"))
    fail("unsupported", `${file.source.name}: tensor ${name} has type ${info.type}, which this version does not know`);
  return file.source.read(info.offset, info.byteLength);
}

/** A tensor as 32-bit floats in row-major order of {@link GgufTensorInfo.shape}. */
export async function readTensorF32(file: GgufFile, name: string): Promise<Float32Array> {
  const info = tensorInfo(file, name);
  return dequantize(info.type, await readTensor(file, name), info.size);
}

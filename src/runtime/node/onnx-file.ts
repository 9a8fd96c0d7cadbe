/**
 * ONNX models on disk: one file, or one with the graph and one with the weights. Both are written under temporary names.
 */
import { randomBytes } from "node:crypto";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { basename } from "node:path";
import type { FileSlice } from "../../tensor/index.ts";
import { dtypes } from "../../util/dtype.ts";
import { BletchleyError, fail, messageOf } from "../../util/errors.ts";
import { NDArray } from "../../util/ndarray.ts";
import {
  byteLengthOf,
  checkInline,
  type ExportedWeight,
  type ExportParts,
  type WriteOnnxOptions,
  type WrittenOnnx,
} from "../export-parts.ts";
import { encodeOnnxModel, type OnnxInitializer } from "../onnx/model.ts";

/** From here on weights lie beside the model unless asked otherwise. */
const besideBytes = 2 ** 28;
/** Smaller arrays stay in the graph: shapes and axes are read when it is loaded. */
const smallBytes = 1024;
/** Runtimes map weights from the file, which wants whole pages. */
const alignment = 4096;
const chunkBytes = 1 << 22;

/** Bytes of a slice, in chunks. @throws `format` when the file ends early. */
async function* chunksOf({ path, offset, length }: FileSlice): AsyncGenerator<Uint8Array> {
  const file = await open(path);
  try {
    for (let done = 0; done < length; ) {
      const chunk = new Uint8Array(Math.min(chunkBytes, length - done));
      const { bytesRead } = await file.read(chunk, 0, chunk.length, offset + done);
      if (!bytesRead)
        fail("format", `${path} ends at ${offset + done}, inside of weights that reach ${offset + length}`);
      yield chunk.subarray(0, bytesRead);
      done += bytesRead;
    }
  } finally {
    await file.close();
  }
}

async function* bytesOf({ data }: ExportedWeight): AsyncGenerator<Uint8Array> {
  if (data instanceof NDArray) {
    const { buffer, byteOffset, byteLength } = data.data;
    yield new Uint8Array(buffer, byteOffset, byteLength);
  } else yield* chunksOf(data);
}

async function inMemory(weight: ExportedWeight): Promise<OnnxInitializer> {
  const { data, ...rest } = weight;
  if (data instanceof NDArray) return { ...rest, data };
  const bytes = new Uint8Array(data.length);
  let at = 0;
  for await (const chunk of bytesOf(weight)) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return { ...rest, data: new NDArray(new dtypes[weight.dtype].array(bytes.buffer), weight.shape, weight.dtype) };
}

/** Files that get their names together, when all are complete. */
class PendingFiles {
  readonly #suffix = `.${process.pid}-${randomBytes(4).toString("hex")}.tmp`;
  readonly #paths: string[] = [];
  readonly #open = new Set<FileHandle>();
  byteLength = 0;

  async create(path: string): Promise<(bytes: Uint8Array) => Promise<void>> {
    const file = await open(path + this.#suffix, "wx");
    this.#paths.push(path);
    this.#open.add(file);
    return async (bytes) => {
      for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at, bytes.length - at)).bytesWritten;
      this.byteLength += bytes.length;
    };
  }

  async finish(): Promise<void> {
    for (const file of this.#open) await file.sync();
    await this.#close();
    for (const path of this.#paths) await rename(path + this.#suffix, path);
  }

  async abort(): Promise<void> {
    await this.#close().catch(() => undefined);
    for (const path of this.#paths) await rm(path + this.#suffix, { force: true });
  }

  async #close(): Promise<void> {
    for (const file of this.#open) await file.close();
    this.#open.clear();
  }
}

/** Writes large weights to a file and says where each of them lies. */
async function writeWeights(
  weights: readonly ExportedWeight[],
  location: string,
  write: (bytes: Uint8Array) => Promise<void>,
): Promise<OnnxInitializer[]> {
  const out: OnnxInitializer[] = [];
  let offset = 0;
  for (const weight of weights) {
    const length = byteLengthOf(weight);
    if (length < smallBytes) {
      out.push(await inMemory(weight));
      continue;
    }
    const padding = (alignment - (offset % alignment)) % alignment;
    if (padding) await write(new Uint8Array(padding));
    offset += padding;
    for await (const chunk of bytesOf(weight)) await write(chunk);
    out.push({ ...weight, data: { location, offset, length } });
    offset += length;
  }
  return out;
}

function failure(path: string, thrown: unknown): never {
  if (thrown instanceof BletchleyError) throw thrown;
  const full = ["ENOSPC", "EDQUOT"].includes((thrown as NodeJS.ErrnoException)?.code ?? "");
  const remedy = full ? "the disk is full; free some space or write to another one" : messageOf(thrown);
  return fail("disk", `could not write ${path}: ${remedy}`, thrown);
}

/** Writes an exported graph. @throws `unsupported`, `disk` or `format`; nothing is left behind then. */
export async function writeOnnxFile(
  parts: ExportParts,
  path: string,
  { weights: place = parts.weightBytes >= besideBytes ? "beside" : "inside" }: WriteOnnxOptions,
): Promise<WrittenOnnx> {
  if (place === "inside") checkInline(parts);
  const files = new PendingFiles();
  try {
    const weightPath = place === "beside" ? `${path}.data` : undefined;
    const initializers: OnnxInitializer[] = [];
    if (weightPath === undefined) for (const weight of parts.weights) initializers.push(await inMemory(weight));
    else
      initializers.push(...(await writeWeights(parts.weights, basename(weightPath), await files.create(weightPath))));
    const write = await files.create(path);
    await write(encodeOnnxModel({ ...parts.graph, initializers }));
    await files.finish();
    return { path, ...(weightPath === undefined ? {} : { weightPath }), byteLength: files.byteLength };
  } catch (thrown) {
    await files.abort();
    return failure(path, thrown);
  }
}

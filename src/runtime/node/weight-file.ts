/**
 * Converted weights on disk: one file of raw arrays and an index beside it, written under temporary names and renamed when
 * complete, so that a crash or a full disk leaves either the old state or the new one.
 */
import { createHash, randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { FileSlice } from "../../tensor/index.ts";
import { type DType, dtypes, storageLength } from "../../util/dtype.ts";
import { BletchleyError, fail, messageOf } from "../../util/errors.ts";
import { type NDArray, sizeOf } from "../../util/ndarray.ts";

/** One stored array. */
export interface WeightEntry extends FileSlice {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** Arrays of a weight file by name. */
export type WeightIndex = ReadonlyMap<string, WeightEntry>;

interface IndexFile {
  readonly key: string;
  readonly byteLength: number;
  readonly sha256: string;
  readonly modifiedMs: number;
  readonly arrays: Readonly<Record<string, { dtype: DType; shape: number[]; offset: number }>>;
}

// initialisers are mapped from the file, which wants page-aligned offsets
const alignment = 4096;
const dataName = "weights.bin";
const indexName = "weights.json";

/** Turns a file-system failure into `disk` errors with the remedy. */
export function diskError(thrown: unknown, what: string): never {
  if (thrown instanceof BletchleyError) throw thrown;
  const code = (thrown as NodeJS.ErrnoException)?.code;
  if (code === "ENOSPC" || code === "EDQUOT")
    fail("disk", `the disk is full while ${what}; free some space or set BLETCHLEY_CACHE to another folder`, thrown);
  return fail("disk", `could not finish ${what}: ${messageOf(thrown)}`, thrown);
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  const file = await open(path);
  try {
    const buffer = Buffer.allocUnsafe(1 << 20);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length);
      if (!bytesRead) break;
      hash.update(buffer.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
  return hash.digest("hex");
}

/**
 * Opens the weights of a folder if they are there, complete and made for `key`; `undefined` otherwise. A file whose size or
 * time changed is hashed again before it is trusted.
 */
export async function openWeights(folder: string, key: string): Promise<WeightIndex | undefined> {
  let index: IndexFile;
  const path = join(folder, dataName);
  try {
    index = JSON.parse(await readFile(join(folder, indexName), "utf8"));
    if (index.key !== key) return undefined;
    const info = await stat(path);
    if (info.size !== index.byteLength) return undefined;
    if (info.mtimeMs !== index.modifiedMs && (await hashFile(path)) !== index.sha256) return undefined;
  } catch {
    return undefined;
  }
  const out = new Map<string, WeightEntry>();
  for (const [name, { dtype, shape, offset }] of Object.entries(index.arrays)) {
    const length = storageLength(dtype, sizeOf(shape)) * Math.max(1, dtypes[dtype].bits / 8);
    if (offset + length > index.byteLength) return undefined;
    out.set(name, { dtype, shape, path, offset, length });
  }
  return out;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

/** Removes what writers left that were killed: each file is as large as the weights. */
async function removeAbandoned(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const pid = /^weights\.(?:bin|json)\.(\d+)-[0-9a-f]+\.tmp$/.exec(name)?.[1];
    if (pid && !isRunning(Number(pid))) await rm(join(folder, name), { force: true });
  }
}

/** Writes a weight file array by array. */
export class WeightWriter {
  readonly #folder: string;
  readonly #key: string;
  readonly #suffix = `.${process.pid}-${randomBytes(4).toString("hex")}.tmp`;
  readonly #hash = createHash("sha256");
  readonly #arrays: Record<string, { dtype: DType; shape: number[]; offset: number }> = {};
  #file: FileHandle | undefined;
  #offset = 0;

  /** @param key what the weights were made from and for; a file with another key is not opened. */
  constructor(folder: string, key: string) {
    this.#folder = folder;
    this.#key = key;
  }

  async #append(bytes: Uint8Array): Promise<void> {
    try {
      if (!this.#file) {
        await mkdir(this.#folder, { recursive: true });
        await removeAbandoned(this.#folder);
        this.#file = await open(join(this.#folder, dataName + this.#suffix), "wx");
      }
      for (let at = 0; at < bytes.length; ) at += (await this.#file.write(bytes, at, bytes.length - at)).bytesWritten;
    } catch (thrown) {
      await this.abort();
      diskError(thrown, `writing converted weights to ${this.#folder}`);
    }
    this.#hash.update(bytes);
    this.#offset += bytes.length;
  }

  /** Appends an array. @throws `disk` when it cannot be written; nothing is left behind then. */
  async add(name: string, array: NDArray): Promise<void> {
    const { buffer, byteOffset, byteLength } = array.data;
    const padding = (alignment - (this.#offset % alignment)) % alignment;
    if (padding) await this.#append(new Uint8Array(padding));
    this.#arrays[name] = { dtype: array.dtype, shape: [...array.shape], offset: this.#offset };
    await this.#append(new Uint8Array(buffer, byteOffset, byteLength));
  }

  /** Completes the file and gives it its name. */
  async finish(): Promise<WeightIndex> {
    const data = join(this.#folder, dataName);
    const index = join(this.#folder, indexName);
    try {
      await this.#file?.sync();
      await this.#file?.close();
      this.#file = undefined;
      await rename(data + this.#suffix, data);
      const content: IndexFile = {
        key: this.#key,
        byteLength: this.#offset,
        sha256: this.#hash.digest("hex"),
        modifiedMs: (await stat(data)).mtimeMs,
        arrays: this.#arrays,
      };
      await writeFile(index + this.#suffix, JSON.stringify(content));
      await rename(index + this.#suffix, index);
    } catch (thrown) {
      await this.abort();
      diskError(thrown, `writing converted weights to ${this.#folder}`);
    }
    return (
      (await openWeights(this.#folder, this.#key)) ??
      fail("disk", `the weights just written to ${this.#folder} cannot be read back`)
    );
  }

  /** Gives up and removes what was written. */
  async abort(): Promise<void> {
    await this.#file?.close().catch(() => undefined);
    this.#file = undefined;
    await rm(join(this.#folder, dataName + this.#suffix), { force: true });
    await rm(join(this.#folder, indexName + this.#suffix), { force: true });
  }
}

/**
 * Models in the cache: one folder each, with a manifest that is written last and lists every file with its size, time and
 * hash. A start compares sizes and times; only files that differ are hashed again.
 */
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { ProgressListener } from "../util/progress.ts";
import { cacheFolder } from "./cache.ts";
import { onDisk, writeAtomically } from "./disk.ts";
import { setAside } from "./download.ts";
import { hashFile } from "./hash.ts";
import type { Licence, ModelFileRole, ModelKind, ModelSource, ResolvedModel } from "./model.ts";

/** A file that a source has put into a model's folder. */
export interface PlacedFile {
  readonly role: ModelFileRole;
  /** Path below the model's folder, with `/`. */
  readonly name: string;
  readonly sha256: string;
}

/** The same, with what tells whether it has changed since. */
export interface StoredFile extends PlacedFile {
  readonly bytes: number;
  readonly mtimeMs: number;
}

/** The manifest of a cached model. */
export interface StoredModel {
  readonly version: 1;
  readonly ref: string;
  readonly name: string;
  readonly title: string;
  readonly kind: ModelKind;
  readonly files: readonly StoredFile[];
  readonly licence?: Licence;
  readonly origin: string;
  readonly pulledAt: string;
}

const manifestName = "model.json";

/** The cache folder of a reference: readable, and different for different references. */
export function modelFolder(ref: string): string {
  const plain = /^[a-z0-9][a-z0-9._-]*$/.test(ref);
  const readable = ref.replace(/[^A-Za-z0-9._-]+/g, "--").slice(0, 100);
  const suffix = createHash("sha256").update(ref).digest("hex").slice(0, 8);
  return cacheFolder("models", plain ? ref : `${readable}-${suffix}`);
}

/** Reads a model folder's manifest; `undefined` when there is no usable one. */
export async function readStored(folder: string): Promise<StoredModel | undefined> {
  try {
    const stored = JSON.parse(await readFile(join(folder, manifestName), "utf8")) as StoredModel;
    return stored.version === 1 && stored.files.some(({ role }) => role === "weights") ? stored : undefined;
  } catch {
    return undefined;
  }
}

/** Writes the manifest over files that are in place: the moment from which on the model counts as cached. */
export async function writeStored(
  folder: string,
  model: Omit<StoredModel, "files" | "version" | "pulledAt">,
  files: readonly PlacedFile[],
): Promise<StoredModel> {
  const listed = await Promise.all(
    files.map(async ({ role, name, sha256 }) => {
      const { size: bytes, mtimeMs } = await stat(join(folder, name));
      return { role, name, sha256, bytes, mtimeMs };
    }),
  );
  const stored: StoredModel = { version: 1, ...model, files: listed, pulledAt: new Date().toISOString() };
  await writeAtomically(join(folder, manifestName), `${JSON.stringify(stored, null, 2)}\n`);
  return stored;
}

/** A cached model as {@link ResolvedModel}. */
export function resolvedFrom(folder: string, stored: StoredModel, ref: string, source: string): ResolvedModel {
  const weights = stored.files.filter(({ role }) => role === "weights");
  const files: Partial<Record<ModelFileRole, string>> = {};
  for (const { role, name } of stored.files) files[role] ??= join(folder, name);
  return {
    ref,
    name: stored.name,
    title: stored.title,
    kind: stored.kind,
    folder,
    path: join(folder, weights[0]!.name),
    weights: weights.map(({ name }) => join(folder, name)),
    files,
    sha256: weights[0]!.sha256,
    bytes: weights.reduce((sum, { bytes }) => sum + bytes, 0),
    licence: stored.licence,
    source,
    origin: stored.origin,
  };
}

/** How {@link checkStored} looks at files. */
export interface CheckOptions {
  readonly verify: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: ProgressListener;
}

/** Whether all files of a cached model are as they were; a file that is not is kept aside as `.bad-…`. */
export async function checkStored(folder: string, stored: StoredModel, options: CheckOptions): Promise<boolean> {
  let touched = false;
  for (const file of stored.files) {
    const path = join(folder, file.name);
    const info = await stat(path).catch(() => undefined);
    if (!info) return false;
    const same = info.size === file.bytes && info.mtimeMs === file.mtimeMs;
    if (same && !options.verify) continue;
    const sha256 = await hashFile(path, { ...options, task: `verify ${file.name}` });
    if (sha256 !== file.sha256) {
      await onDisk(path, () => setAside(path, path));
      return false;
    }
    touched ||= !same;
  }
  // a copied cache has new times: note them, so that the next start need not hash again (a read-only cache stays as it is)
  if (touched) {
    const { files, version: _version, pulledAt: _pulledAt, ...model } = stored;
    await writeStored(folder, model, files).catch(() => {});
  }
  return true;
}

/** Models of earlier runs. */
export const cacheSource: ModelSource = {
  name: "cache",
  remote: false,
  async find(_entry, context) {
    const stored = await readStored(context.folder);
    if (!stored || !(await checkStored(context.folder, stored, context))) return undefined;
    return resolvedFrom(context.folder, stored, context.ref, "cache");
  },
};

/** Bytes that the files below a folder take. */
export async function folderBytes(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => []))
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name)).catch(() => undefined))?.size ?? 0;
  return bytes;
}

/** A model folder of the cache. */
export interface CachedModel {
  readonly folder: string;
  /** Everything in the folder, unfinished downloads included. */
  readonly bytes: number;
  /** `undefined` while the model is not complete. */
  readonly stored?: StoredModel;
}

/** All model folders of the cache, also unfinished ones. */
export async function cachedModels(): Promise<CachedModel[]> {
  const root = cacheFolder("models");
  const entries = await readdir(root, { withFileTypes: true }).catch(() => []);
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(root, name));
  return Promise.all(
    folders.sort().map(async (folder) => ({
      folder,
      bytes: await folderBytes(folder),
      stored: await readStored(folder),
    })),
  );
}

/** Deletes what unfinished attempts left in a model's folder; files that were set aside stay. Never fails. */
export async function removeLeftovers(folder: string): Promise<void> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const leftovers = names.filter((name) => /\.(?:partial|partial\.json|unpacking)$/.test(name));
  for (const name of [...leftovers, ".wheels"])
    await rm(join(folder, name), { recursive: true, force: true }).catch(() => {});
}

/** Makes the folder of a model. */
export async function makeFolder(folder: string): Promise<void> {
  await onDisk(folder, () => mkdir(folder, { recursive: true }));
}

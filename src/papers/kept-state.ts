/**
 * Values of modules that cards train, kept in a folder as safetensors. Knows no recipe: what a module depends on is hashed by whoever
 * trains it.
 */
import { readSafetensor, readSafetensors, writeSafetensors } from "../formats/index.ts";
import type { FileStore } from "../runtime/index.ts";
import { memorySource } from "../util/bytes.ts";
import type { NDArray } from "../util/ndarray.ts";

/** Writes arrays by name as `<name>.safetensors`, with a few words about them. @throws `disk`. */
export async function keepState(
  files: FileStore,
  name: string,
  state: ReadonlyMap<string, NDArray>,
  about: Readonly<Record<string, string>> = {},
): Promise<void> {
  await files.write(`${name}.safetensors`, [...writeSafetensors(state, new Map(Object.entries(about)))]);
}

/** Arrays that were kept, and the words about them; undefined where there are none. @throws `format` for a broken file. */
export async function keptState(
  files: FileStore,
  name: string,
): Promise<{ readonly state: Map<string, NDArray>; readonly about: ReadonlyMap<string, string> } | undefined> {
  const bytes = await files.read(`${name}.safetensors`);
  if (!bytes) return undefined;
  const file = await readSafetensors(memorySource(bytes, `${name}.safetensors`));
  const state = new Map<string, NDArray>();
  for (const path of file.tensors.keys()) state.set(path, await readSafetensor(file, path));
  return { state, about: file.metadata };
}

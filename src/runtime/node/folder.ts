/**
 * A folder as a file store. Files are written under a temporary name, synced and renamed.
 */
import { appendFile, mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { fail, messageOf } from "../../util/errors.ts";
import type { FileStore } from "../file-store.ts";

const temporaryEnd = ".partial";

/** Opens a folder, making it if needed. @throws `disk`. */
export async function openFolderFiles(path: string): Promise<FileStore> {
  await onDisk(path, () => mkdir(path, { recursive: true }));
  return new Folder(path);
}

class Folder implements FileStore {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  #file(name: string): string {
    if (!/^[\w.-]+$/.test(name) || name.startsWith(".") || name.endsWith(temporaryEnd))
      fail(
        "name",
        `"${name}" is no name for a file of ${this.#path}; use letters, digits, dots, dashes and underscores`,
      );
    return join(this.#path, name);
  }

  async names(): Promise<readonly string[]> {
    const all = await onDisk(this.#path, () => readdir(this.#path));
    return all.filter((name) => !name.endsWith(temporaryEnd)).sort();
  }

  async read(name: string): Promise<Uint8Array | undefined> {
    const file = this.#file(name);
    try {
      return await readFile(file);
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      return fail("disk", `cannot read ${file}: ${messageOf(thrown)}`, thrown);
    }
  }

  async write(name: string, chunks: Iterable<Uint8Array>): Promise<void> {
    const file = this.#file(name);
    // one writer per store: what a killed one left under this name is overwritten
    const temporary = `${file}${temporaryEnd}`;
    await onDisk(file, async () => {
      try {
        const handle = await open(temporary, "w");
        try {
          for (const chunk of chunks) await handle.writeFile(chunk);
          await handle.sync();
        } finally {
          await handle.close();
        }
        await rename(temporary, file);
      } catch (thrown) {
        await rm(temporary, { force: true });
        throw thrown;
      }
      // makes the rename itself survive a power cut, where the system can do that
      const folder = await open(this.#path, "r").catch(() => undefined);
      await folder?.sync().catch(() => {});
      await folder?.close();
    });
  }

  async append(name: string, text: string): Promise<void> {
    const file = this.#file(name);
    await onDisk(file, () => appendFile(file, text));
  }

  async remove(name: string): Promise<void> {
    const file = this.#file(name);
    await onDisk(file, () => rm(file, { force: true }));
  }
}

async function onDisk<T>(path: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (thrown) {
    return fail(
      "disk",
      `cannot write ${path}: ${messageOf(thrown)}; free some space, or choose a folder that may be written to`,
      thrown,
    );
  }
}

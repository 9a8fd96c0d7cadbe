/**
 * A small store of named files: what training writes checkpoints, metrics and pictures to. Browser-safe code knows only this
 * interface; on Node a folder implements it.
 */

/** Named files of one place. Names have no folders. */
export interface FileStore {
  /** All names. */
  names(): Promise<readonly string[]>;
  /** A whole file; `undefined` when there is none. */
  read(name: string): Promise<Uint8Array | undefined>;
  /** Replaces a file: a reader, and whoever comes after a crash, sees the old one or the new one whole. @throws `disk`. */
  write(name: string, chunks: Iterable<Uint8Array>): Promise<void>;
  /** Adds text to the end of a file. @throws `disk`. */
  append(name: string, text: string): Promise<void>;
  /** Removes a file if it is there. */
  remove(name: string): Promise<void>;
}

/** A folder as a {@link FileStore}; it is made when it does not exist. @throws `disk`, and in a browser `unsupported`. */
export async function openFolder(path: string): Promise<FileStore> {
  const { openFolderFiles } = await import("./node/folder.ts");
  return openFolderFiles(path);
}

/** Files in memory, for tests and browsers. */
export function memoryFiles(): FileStore {
  const files = new Map<string, Uint8Array>();
  const joined = (parts: readonly Uint8Array[]) => {
    const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      out.set(part, at);
      at += part.length;
    }
    return out;
  };
  return {
    names: async () => [...files.keys()],
    read: async (name) => files.get(name),
    async write(name, chunks) {
      files.set(name, joined([...chunks]));
    },
    async append(name, text) {
      files.set(name, joined([files.get(name) ?? new Uint8Array(), new TextEncoder().encode(text)]));
    },
    async remove(name) {
      files.delete(name);
    },
  };
}

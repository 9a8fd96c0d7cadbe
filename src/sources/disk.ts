/**
 * What every write to disk shares: temporary name, fsync, rename, and errors that say what to do. A reader never sees a
 * half-written file, and a full disk leaves the previous state intact.
 */
import { randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { BletchleyError, fail, messageOf } from "../util/errors.ts";

const remedies: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full: free some space, or point BLETCHLEY_CACHE at another disk",
  EDQUOT: "the disk quota is used up: free some space, or point BLETCHLEY_CACHE at another disk",
  EFBIG: "the file is larger than allowed here: raise the limit (ulimit -f), or point BLETCHLEY_CACHE elsewhere",
  EROFS: "the file system is read-only: point BLETCHLEY_CACHE at a writable folder",
  EACCES: "access is denied: point BLETCHLEY_CACHE at a folder of yours",
  EPERM: "access is denied: point BLETCHLEY_CACHE at a folder of yours",
  EIO: "the disk reports a hardware error",
};

/** The operating system's code of an error, such as `ENOENT`, if it has one. */
export function systemCode(thrown: unknown): string | undefined {
  const code = thrown instanceof Error ? (thrown as NodeJS.ErrnoException).code : undefined;
  return typeof code === "string" ? code : undefined;
}

/** Runs `body` and turns the operating system's disk errors into errors of code `disk` that name `path`. */
export async function onDisk<T>(path: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (thrown) {
    const remedy = thrown instanceof BletchleyError ? undefined : remedies[systemCode(thrown) ?? ""];
    if (!remedy) throw thrown;
    return fail("disk", `cannot write ${path}: ${remedy} (${messageOf(thrown)})`, thrown);
  }
}

/** Makes a rename in `folder` survive a power cut, where the system can do that. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close();
}

/** Moves a complete, synced file to its final name. */
export async function publish(temporary: string, path: string): Promise<void> {
  await rename(temporary, path);
  await syncFolder(dirname(path));
}

/** A name beside `path` that no other process uses. */
export function temporaryName(path: string): string {
  return `${path}.tmp-${process.pid}-${randomBytes(4).toString("hex")}`;
}

/**
 * Replaces `path` by `content`, or by what `content` writes to the handle it is given: all of it or nothing. Folders
 * are made as needed.
 * @throws `disk` when the disk is full or not writable; the previous file is then still there.
 */
export async function writeAtomically(
  path: string,
  content: string | Uint8Array | ((file: FileHandle) => Promise<void>),
): Promise<void> {
  const temporary = temporaryName(path);
  await onDisk(path, async () => {
    await mkdir(dirname(path), { recursive: true });
    try {
      const file = await open(temporary, "wx");
      try {
        if (typeof content === "function") await content(file);
        else await file.writeFile(content);
        await file.sync();
      } finally {
        await file.close();
      }
      await publish(temporary, path);
    } catch (thrown) {
      await rm(temporary, { force: true });
      throw thrown;
    }
  });
}

/** Writes all of `bytes` at the handle's position; a plain `write` may stop half-way when the disk fills up. */
export async function writeFully(file: FileHandle, bytes: Uint8Array, position?: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const at = position === undefined ? null : position + done;
    done += (await file.write(bytes, done, bytes.length - done, at)).bytesWritten;
  }
}

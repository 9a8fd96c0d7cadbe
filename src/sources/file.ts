/**
 * Files as byte sources: random access without reading the whole file into memory.
 */
import { open } from "node:fs/promises";
import type { ByteSource } from "../util/bytes.ts";
import { fail } from "../util/errors.ts";
import { systemCode } from "./disk.ts";

/** A {@link ByteSource} over an open file, which must be closed. */
export interface FileSource extends ByteSource {
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Node refuses single reads of 2 GiB and more. */
const maxRead = 2 ** 30;

/**
 * Opens a file for random access. Each read returns fresh memory at offset 0 of its buffer, so that it can be viewed as
 * any typed array.
 * @throws `not-found` when there is no such file; reads throw `format` when the range leaves the file.
 */
export async function fileSource(path: string): Promise<FileSource> {
  const handle = await open(path, "r").catch((thrown: unknown) => {
    if (systemCode(thrown) === "ENOENT") return fail("not-found", `no such file: ${path}`, thrown);
    throw thrown;
  });
  const info = await handle.stat();
  if (!info.isFile()) {
    await handle.close();
    fail("argument", `${path} is not a file`);
  }
  const close = () => handle.close();
  return {
    name: path,
    size: info.size,
    async read(offset, length) {
      if (offset < 0 || length < 0 || offset + length > info.size)
        fail("format", `${path}: bytes ${offset}…${offset + length} lie outside of the file's ${info.size}`);
      const bytes = new Uint8Array(length);
      let done = 0;
      while (done < length) {
        const { bytesRead } = await handle.read(bytes, done, Math.min(length - done, maxRead), offset + done);
        if (!bytesRead) fail("format", `${path} was cut to ${offset + done} bytes while it was being read`);
        done += bytesRead;
      }
      return bytes;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/**
 * A file as a {@link ByteSource}.
 */
import { open } from "node:fs/promises";
import type { ByteSource } from "../../util/bytes.ts";
import { fail, messageOf } from "../../util/errors.ts";

/** Opens a file for random access; closes when the process ends or {@link ByteSource} `close` is called. */
export async function openFile(path: string): Promise<ByteSource & { close(): Promise<void> }> {
  const file = await open(path).catch((thrown: unknown) =>
    fail("not-found", `cannot open ${path}: ${messageOf(thrown)}`, thrown),
  );
  const { size } = await file.stat();
  return {
    name: path,
    size,
    async read(offset, length) {
      if (offset < 0 || length < 0 || offset + length > size)
        fail("format", `${path}: bytes ${offset}…${offset + length} lie outside of the file's ${size}`);
      const bytes = new Uint8Array(length);
      for (let at = 0; at < length; ) {
        const { bytesRead } = await file.read(bytes, at, length - at, offset + at);
        if (!bytesRead) fail("format", `${path} ended at byte ${offset + at} while it was read; was it cut?`);
        at += bytesRead;
      }
      return bytes;
    },
    close: () => file.close(),
  };
}

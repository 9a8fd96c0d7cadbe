/**
 * SHA-256 of files.
 */
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { throwIfAborted } from "../util/errors.ts";
import type { ProgressListener } from "../util/progress.ts";

/** Options of {@link hashFile}. */
export interface HashOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: ProgressListener;
  /** What to call it in progress reports. */
  readonly task?: string;
  /** Continues this hash instead of starting one. */
  readonly into?: ReturnType<typeof createHash>;
}

/** Feeds a file to a SHA-256 hash and returns it together with the number of bytes. */
export async function feedHash(path: string, options: HashOptions = {}) {
  const hash = options.into ?? createHash("sha256");
  const file = await open(path, "r");
  try {
    const { size: total } = await file.stat();
    const buffer = Buffer.allocUnsafe(1 << 20);
    let done = 0;
    for (;;) {
      throwIfAborted(options.signal);
      const { bytesRead } = await file.read(buffer, 0, buffer.length, done);
      if (!bytesRead) return { hash, bytes: done };
      hash.update(buffer.subarray(0, bytesRead));
      done += bytesRead;
      options.onProgress?.({ task: options.task ?? `verify ${path}`, done, total, unit: "bytes" });
    }
  } finally {
    await file.close();
  }
}

/** SHA-256 of a file, in hexadecimal. */
export async function hashFile(path: string, options: HashOptions = {}): Promise<string> {
  return (await feedHash(path, options)).hash.digest("hex");
}

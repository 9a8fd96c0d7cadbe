/**
 * Random access to bytes, wherever they are: what file formats read from, so that they need neither a file system nor
 * the whole file in memory.
 */
import { fail } from "./errors.ts";

/** Bytes that can be read in pieces. */
export interface ByteSource {
  /** Name for error messages, usually the path. */
  readonly name: string;
  /** Total number of bytes. */
  readonly size: number;
  /**
   * Exactly `length` bytes from `offset`; the result may be a view that must not be written to.
   * @throws `format` when the range leaves the file.
   */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** A {@link ByteSource} over bytes in memory; reads are views. */
export function memorySource(bytes: Uint8Array, name = "memory"): ByteSource {
  return {
    name,
    size: bytes.byteLength,
    async read(offset, length) {
      if (offset < 0 || length < 0 || offset + length > bytes.byteLength)
        fail("format", `${name}: bytes ${offset}…${offset + length} lie outside of the file's ${bytes.byteLength}`);
      return bytes.subarray(offset, offset + length);
    },
  };
}

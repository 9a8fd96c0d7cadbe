/**
 * Members of zip archives (Python wheels), streamed to where they belong. Names inside the archive never become paths on
 * disk, and sizes are checked before anything is unpacked.
 */
import { createHash } from "node:crypto";
import { type Entry, openPromise, type ZipFile } from "yauzl";
import { fail, messageOf, throwIfAborted } from "../util/errors.ts";

/** An opened archive. */
export interface Archive {
  /** Unpacked size of each member by its path. */
  readonly members: ReadonlyMap<string, number>;
  /**
   * Unpacks a member piece by piece and returns its SHA-256 in base64url, as wheels record it.
   * @throws `format` when it is missing, damaged or larger than `maxBytes`.
   */
  extract(
    member: string,
    maxBytes: number,
    write: (piece: Uint8Array) => Promise<void>,
    signal?: AbortSignal,
  ): Promise<string>;
  /** A small member as text; `undefined` when there is none. */
  text(member: string): Promise<string | undefined>;
  close(): void;
}

const maxMembers = 20_000;
const maxTextBytes = 4 << 20;

/** Opens a zip archive. @throws `format` when it is none, or has unsafe names. */
export async function openArchive(path: string): Promise<Archive> {
  const entries = new Map<string, Entry>();
  let zip: ZipFile;
  try {
    // yauzl refuses absolute names and names with `..`, and members that are larger than they claim
    zip = await openPromise(path, { autoClose: false });
  } catch (thrown) {
    return fail("format", `${path} is not a zip archive: ${messageOf(thrown)}`, thrown);
  }
  try {
    for await (const entry of zip.eachEntry()) {
      if (entries.size >= maxMembers) fail("format", `${path} has more than ${maxMembers} members`);
      if (!entry.fileName.endsWith("/")) entries.set(entry.fileName, entry);
    }
  } catch (thrown) {
    zip.close();
    return fail("format", `${path} is a damaged zip archive: ${messageOf(thrown)}`, thrown);
  }
  const extract: Archive["extract"] = async (member, maxBytes, write, signal) => {
    const entry = entries.get(member);
    if (!entry) return fail("format", `${path} has no member ${member}`);
    if (entry.uncompressedSize > maxBytes)
      fail("format", `${path}: ${member} unpacks to ${entry.uncompressedSize} bytes, at most ${maxBytes} are expected`);
    const hash = createHash("sha256");
    const stream = await zip.openReadStreamPromise(entry).catch((thrown: unknown) => {
      return fail("format", `${path}: ${member} cannot be unpacked: ${messageOf(thrown)}`, thrown);
    });
    let writing = false;
    try {
      for await (const piece of stream as AsyncIterable<Uint8Array>) {
        throwIfAborted(signal);
        hash.update(piece);
        writing = true;
        await write(piece);
        writing = false;
      }
    } catch (thrown) {
      stream.destroy();
      throwIfAborted(signal);
      if (writing) throw thrown;
      fail("format", `${path}: ${member} is damaged: ${messageOf(thrown)}`, thrown);
    }
    return hash.digest("base64url");
  };
  return {
    members: new Map([...entries].map(([name, entry]) => [name, entry.uncompressedSize])),
    extract,
    async text(member) {
      if (!entries.has(member)) return undefined;
      const pieces: Uint8Array[] = [];
      await extract(member, maxTextBytes, async (piece) => void pieces.push(piece));
      return Buffer.concat(pieces).toString("utf8");
    },
    close: () => zip.close(),
  };
}

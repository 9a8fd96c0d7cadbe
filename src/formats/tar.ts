/**
 * Reads tar archives that are packed with gzip, such as packages from npm: paths and bytes of plain files. Writes nothing to disk.
 */
import { gunzipSync } from "fflate";
import { fail } from "../util/errors.ts";

const block = 512;
const decoder = new TextDecoder();

function textAt(bytes: Uint8Array, at: number, length: number): string {
  const field = bytes.subarray(at, at + length);
  const end = field.indexOf(0);
  return decoder.decode(end < 0 ? field : field.subarray(0, end));
}

/** The path in an extended header of lines `length key=value`, if there is one. */
function extendedPath(bytes: Uint8Array): string | undefined {
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(32, at);
    const length = Number(decoder.decode(bytes.subarray(at, space)));
    if (space < 0 || !Number.isSafeInteger(length) || length <= space - at) return undefined;
    const [key, ...value] = decoder.decode(bytes.subarray(space + 1, at + length - 1)).split("=");
    if (key === "path") return value.join("=");
    at += length;
  }
  return undefined;
}

/**
 * Plain files of a `.tar.gz` by path, in the archive's order; folders and links are left out.
 * @param maxBytes largest size of the unpacked archive; 256 MiB by default. @throws `format` for what is no such archive, or a cut or a larger one.
 */
export function readTarGz(bytes: Uint8Array, name: string, maxBytes = 2 ** 28): ReadonlyMap<string, Uint8Array> {
  let tar: Uint8Array;
  // the last four bytes say how much it unpacks to
  const size = bytes.length < 18 ? 0 : new DataView(bytes.buffer, bytes.byteOffset).getUint32(bytes.length - 4, true);
  if (size > maxBytes) fail("format", `${name} unpacks to ${size} bytes, more than the ${maxBytes} that are allowed`);
  try {
    tar = gunzipSync(bytes, { out: new Uint8Array(size) });
  } catch (thrown) {
    return fail("format", `${name} is no gzip archive, or it is cut`, thrown);
  }
  const out = new Map<string, Uint8Array>();
  let longPath: string | undefined;
  for (let at = 0; at + block <= tar.length; ) {
    const header = tar.subarray(at, at + block);
    // two empty blocks end an archive
    if (header[0] === 0) break;
    const length = Number.parseInt(textAt(header, 124, 12).trim(), 8);
    const from = at + block;
    if (!(length >= 0) || from + length > tar.length)
      fail("format", `${name}: the entry at byte ${at} has ${length} bytes, which do not fit; the archive is broken`);
    const content = tar.subarray(from, from + length);
    const type = String.fromCharCode(header[156]!);
    const prefix = textAt(header, 257, 5) === "ustar" ? textAt(header, 345, 155) : "";
    const path = longPath ?? `${prefix && `${prefix}/`}${textAt(header, 0, 100)}`;
    longPath = undefined;
    if (type === "x") longPath = extendedPath(content);
    else if (type === "L") longPath = textAt(content, 0, length);
    else if (type === "0" || type === "\0") out.set(path, content);
    at = from + Math.ceil(length / block) * block;
  }
  if (!out.size) fail("format", `${name} holds no files`);
  return out;
}

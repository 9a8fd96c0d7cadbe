/**
 * Reads PNG pictures of 1 to 8 bits a sample as colours. Transparency is dropped; interlaced files and 16 bits are refused by name. A damaged
 * file ends in an error, and what it says of its size is checked before memory is taken.
 */
import { unzlibSync } from "fflate";
import { crc32 } from "../util/checksum.ts";
import { BletchleyError, fail } from "../util/errors.ts";
import { paeth, pngSignature, type RgbPicture } from "./png.ts";

/** Samples of a pixel by colour type. */
const samplesOf: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

/** Most pixels of a picture that is read. */
export const pngMaxPixels = 1 << 26;

interface Header {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly colourType: number;
}

/** Chunks in order; check sums are checked. */
function* chunksOf(name: string, bytes: Uint8Array): Generator<readonly [kind: string, data: Uint8Array]> {
  if (!pngSignature.every((byte, i) => bytes[i] === byte)) fail("format", `${name} is no PNG file`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = pngSignature.length; ; ) {
    if (at + 12 > bytes.length) fail("format", `${name} is cut: it ends within a chunk, at byte ${bytes.length}`);
    const length = view.getUint32(at);
    if (at + 12 + length > bytes.length)
      fail("format", `${name} is cut: a chunk at byte ${at} has ${length} bytes and the file ends before`);
    const body = bytes.subarray(at + 4, at + 8 + length);
    if (crc32(body) !== view.getUint32(at + 8 + length)) fail("format", `${name}: the chunk at byte ${at} is damaged`);
    const kind = String.fromCharCode(...body.subarray(0, 4));
    yield [kind, body.subarray(4)];
    if (kind === "IEND") return;
    at += 12 + length;
  }
}

function readHeader(name: string, data: Uint8Array): Header {
  if (data.length !== 13) fail("format", `${name}: the header has ${data.length} bytes, not 13`);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  const [depth, colourType, compression, filter, interlace] = data.subarray(8) as unknown as number[];
  if (!width || !height || width * height > pngMaxPixels)
    fail("format", `${name} says it has ${width} × ${height} pixels; at least 1 and at most ${pngMaxPixels} are read`);
  if (!(colourType! in samplesOf) || compression || filter)
    fail("format", `${name}: colour type ${colourType} is unknown`);
  if (interlace) fail("unsupported", `${name} is interlaced; save it without`);
  if (depth !== 8 && !([1, 2, 4].includes(depth!) && (colourType === 0 || colourType === 3)))
    fail("unsupported", `${name} has ${depth} bits a sample and colour type ${colourType}; save it with 8 bits`);
  return { width, height, depth: depth!, colourType: colourType! };
}

/** Undoes the filters of rows, in place. */
function unfilter(name: string, rows: Uint8Array, rowBytes: number, pixelBytes: number): void {
  for (let start = 0; start < rows.length; start += rowBytes + 1) {
    const filter = rows[start]!;
    if (filter > 4) fail("format", `${name}: there is no filter ${filter}`);
    for (let i = 1; i <= rowBytes; i++) {
      const at = start + i;
      const left = i > pixelBytes ? rows[at - pixelBytes]! : 0;
      const above = start ? rows[at - rowBytes - 1]! : 0;
      const corner = start && i > pixelBytes ? rows[at - rowBytes - 1 - pixelBytes]! : 0;
      const guess = [0, left, above, (left + above) >> 1, filter === 4 ? paeth(left, above, corner) : 0][filter]!;
      rows[at] = rows[at]! + guess;
    }
  }
}

/**
 * The picture in a PNG file, in colour.
 * @param name for error messages. @throws `format` for what is damaged or no PNG file, `unsupported` for interlaced files and 16 bits.
 */
export function decodePng(bytes: Uint8Array, name = "picture"): RgbPicture {
  let header: Header | undefined;
  let palette = new Uint8Array();
  const parts: Uint8Array[] = [];
  for (const [kind, data] of chunksOf(name, bytes)) {
    if (!header && kind !== "IHDR") fail("format", `${name} begins with ${kind}, not with its header`);
    if (kind === "IHDR") header = readHeader(name, data);
    else if (kind === "PLTE") palette = Uint8Array.from(data);
    else if (kind === "IDAT") parts.push(data);
  }
  const { width, height, depth, colourType } = header!;
  const samples = samplesOf[colourType]!;
  const rowBytes = Math.ceil((width * samples * depth) / 8);
  const rows = inflated(name, parts, height * (rowBytes + 1));
  unfilter(name, rows, rowBytes, Math.max(1, (samples * depth) >> 3));
  const rgb = new Uint8Array(width * height * 3);
  const most = 2 ** depth - 1;
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const row = y * (rowBytes + 1) + 1;
      const to = (y * width + x) * 3;
      const at = row + x * samples;
      if (colourType === 2 || colourType === 6) rgb.set(rows.subarray(at, at + 3), to);
      else {
        const bit = x * depth;
        const sample = depth === 8 ? rows[at]! : (rows[row + (bit >> 3)]! >> (8 - depth - (bit & 7))) & most;
        if (colourType === 3) {
          if (sample * 3 + 3 > palette.length) fail("format", `${name}: there is no colour ${sample} in its palette`);
          rgb.set(palette.subarray(sample * 3, sample * 3 + 3), to);
        } else rgb.fill(Math.round((sample * 255) / most), to, to + 3);
      }
    }
  return { width, height, rgb };
}

function inflated(name: string, parts: readonly Uint8Array[], length: number): Uint8Array {
  const packed = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    packed.set(part, at);
    at += part.length;
  }
  // deflate makes at most 1,032 bytes of one
  if (length > 1032 * packed.length) fail("format", `${name} is cut: ${packed.length} bytes cannot hold its pixels`);
  try {
    const rows = unzlibSync(packed, { out: new Uint8Array(length) });
    return rows.length === length ? rows : fail("format", `${name} holds ${rows.length} of ${length} bytes of pixels`);
  } catch (thrown) {
    if (thrown instanceof BletchleyError) throw thrown;
    return fail("format", `${name}: its pixels cannot be unpacked`, thrown);
  }
}

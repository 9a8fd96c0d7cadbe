/**
 * Writes pictures as PNG, uncompressed: for small ones inside of figures, where no library is worth its weight. Does not read any.
 */
import { fail } from "../util/errors.ts";

/** A picture of one byte a pixel. */
export interface BytePicture {
  readonly width: number;
  readonly height: number;
  /** Row by row: brightness, or numbers of colours. */
  readonly pixels: Uint8Array;
  /** Colours as `#rrggbb` by number; grey without. */
  readonly palette?: readonly string[];
}

const signature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** Most bytes of a stored block. */
const blockSize = 65535;

const bigEndian = (n: number) => [(n >>> 24) & 255, (n >>> 16) & 255, (n >>> 8) & 255, n & 255];

function crc32(bytes: readonly number[]): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

function adler32(bytes: readonly number[]): number {
  let [a, b] = [1, 0];
  for (const byte of bytes) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  return ((b << 16) | a) >>> 0;
}

function chunk(name: string, data: readonly number[]): number[] {
  const body = [...[...name].map((letter) => letter.charCodeAt(0)), ...data];
  return bigEndian(data.length).concat(body, bigEndian(crc32(body)));
}

/** The zlib format with blocks that are stored as they are. */
function stored(bytes: readonly number[]): number[] {
  const out = [0x78, 0x01];
  for (let at = 0; at < bytes.length; at += blockSize) {
    const block = bytes.slice(at, at + blockSize);
    const { length } = block;
    const last = at + blockSize >= bytes.length ? 1 : 0;
    out.push(last, length & 255, length >> 8, ~length & 255, (~length >> 8) & 255);
    for (const byte of block) out.push(byte);
  }
  return out.concat(bigEndian(adler32(bytes)));
}

/** A picture as a PNG file. @throws `shape` when pixels and size do not fit, `argument` for a colour that is none or is missing. */
export function encodePng({ width, height, pixels, palette }: BytePicture): Uint8Array {
  if (pixels.length !== width * height || !pixels.length)
    fail("shape", `encodePng: ${pixels.length} pixels are not ${width} × ${height}`);
  const rows: number[] = [];
  for (let y = 0; y < height; y++) {
    rows.push(0);
    for (let x = 0; x < width; x++) rows.push(pixels[y * width + x]!);
  }
  const colours = palette?.flatMap((colour) => {
    if (!/^#[0-9a-f]{6}$/i.test(colour)) fail("argument", `encodePng: "${colour}" is no colour such as #4e79a7`);
    return [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
  });
  if (palette) {
    const most = pixels.reduce((a, b) => Math.max(a, b), 0);
    if (most >= palette.length) fail("argument", `encodePng: there is no colour ${most} among ${palette.length}`);
  }
  return Uint8Array.from([
    ...signature,
    ...chunk("IHDR", [...bigEndian(width), ...bigEndian(height), 8, colours ? 3 : 0, 0, 0, 0]),
    ...(colours ? chunk("PLTE", colours) : []),
    ...chunk("IDAT", stored(rows)),
    ...chunk("IEND", []),
  ]);
}

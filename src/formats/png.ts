/**
 * Writes pictures as PNG: grey, with a palette, or in colour.
 */
import { zlibSync } from "fflate";
import { crc32 } from "../util/checksum.ts";
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

/** A picture of three bytes a pixel. */
export interface RgbPicture {
  readonly width: number;
  readonly height: number;
  /** Row by row, pixel by pixel: red, green, blue. */
  readonly rgb: Uint8Array;
}

/** The eight bytes that every PNG file begins with. */
export const pngSignature: readonly number[] = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

const bigEndian = (n: number) => [(n >>> 24) & 255, (n >>> 16) & 255, (n >>> 8) & 255, n & 255];

/** A chunk in parts. */
function chunk(name: string, data: Uint8Array | readonly number[]): readonly Uint8Array[] {
  const head = Uint8Array.from([...name].map((letter) => letter.charCodeAt(0)));
  const body = Uint8Array.from(data);
  return [Uint8Array.from(bigEndian(body.length)), head, body, Uint8Array.from(bigEndian(crc32(body, crc32(head))))];
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** The best guess of PNG's predictors: left, above or upper left, whichever is nearest to left + above − upper left. */
export function paeth(left: number, above: number, corner: number): number {
  const guess = left + above - corner;
  const [a, b, c] = [Math.abs(guess - left), Math.abs(guess - above), Math.abs(guess - corner)];
  return a <= b && a <= c ? left : b <= c ? above : corner;
}

/** Rows, each behind the number of its filter: 0 for numbers of colours and flat pictures, 4 (Paeth) for photographs. */
function filtered(bytes: Uint8Array, rowBytes: number, pixelBytes: number, filter: 0 | 4): Uint8Array {
  const height = bytes.length / rowBytes;
  const out = new Uint8Array(height * (rowBytes + 1));
  for (let y = 0; y < height; y++) {
    const to = y * (rowBytes + 1);
    const from = y * rowBytes;
    out[to] = filter;
    for (let i = 0; i < rowBytes; i++) {
      const inside = i >= pixelBytes;
      const guess = filter
        ? paeth(
            inside ? bytes[from + i - pixelBytes]! : 0,
            y ? bytes[from + i - rowBytes]! : 0,
            inside && y ? bytes[from + i - rowBytes - pixelBytes]! : 0,
          )
        : 0;
      out[to + 1 + i] = bytes[from + i]! - guess;
    }
  }
  return out;
}

/** A picture as a PNG file. @throws `shape` when pixels and size do not fit, `argument` for a colour that is none or is missing. */
export function encodePng(picture: BytePicture | RgbPicture): Uint8Array {
  const { width, height } = picture;
  const [bytes, channels] = "rgb" in picture ? ([picture.rgb, 3] as const) : ([picture.pixels, 1] as const);
  if (bytes.length !== width * height * channels || !bytes.length)
    fail("shape", `encodePng: ${bytes.length / channels} pixels are not ${width} × ${height}`);
  const palette = "rgb" in picture ? undefined : picture.palette;
  const colours = palette?.flatMap((colour) => {
    if (!/^#[0-9a-f]{6}$/i.test(colour)) fail("argument", `encodePng: "${colour}" is no colour such as #4e79a7`);
    return [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
  });
  if (palette) {
    const most = bytes.reduce((a, b) => Math.max(a, b), 0);
    if (most >= palette.length) fail("argument", `encodePng: there is no colour ${most} among ${palette.length}`);
  }
  const rows = filtered(bytes, width * channels, channels, channels === 3 ? 4 : 0);
  const colourType = channels === 3 ? 2 : colours ? 3 : 0;
  return joined([
    Uint8Array.from(pngSignature),
    ...chunk("IHDR", [...bigEndian(width), ...bigEndian(height), 8, colourType, 0, 0, 0]),
    ...(colours ? chunk("PLTE", colours) : []),
    ...chunk("IDAT", zlibSync(rows, { level: 9 })),
    ...chunk("IEND", []),
  ]);
}

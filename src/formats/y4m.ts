/**
 * Y4M, the uncompressed video that other programs give and take: a line of text, then for each frame a line and its planes. Colours are those of
 * BT.601 with 16 to 235 for black to white, as programs take Y4M that does not say otherwise. Knows no networks.
 */
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";

/** Frames and how fast they follow. */
export interface Y4mVideo {
  /** `f32[n, 3, height, width]`, red, green, blue from 0 to 1. */
  readonly frames: NDArray;
  /** Frames in a second. */
  readonly rate: { readonly numerator: number; readonly denominator: number };
}

/** Most values of all frames together that are read: 4 GiB as `f32`. */
export const y4mMaxValues = 2 ** 30;

/** By how much the colour planes are smaller than brightness, across and down. */
const samplings: Readonly<Record<string, readonly [across: number, down: number] | undefined>> = {
  "420": [2, 2],
  "420jpeg": [2, 2],
  "420mpeg2": [2, 2],
  "420paldv": [2, 2],
  "422": [2, 1],
  "444": [1, 1],
};

interface Header {
  readonly width: number;
  readonly height: number;
  readonly rate: { readonly numerator: number; readonly denominator: number };
  /** Absent for grey video. */
  readonly sampling: readonly [across: number, down: number] | undefined;
  readonly fullRange: boolean;
}

/** A line of text up to the next line feed. */
function lineAt(bytes: Uint8Array, at: number, name: string): readonly [line: string, next: number] {
  const end = bytes.subarray(at, at + 512).indexOf(10);
  if (end < 0) return fail("format", `${name}: a line of text that begins at byte ${at} does not end`);
  return [String.fromCharCode(...bytes.subarray(at, at + end)), at + end + 1];
}

function parseHeader(line: string, name: string): Header {
  const [signature, ...fields] = line.split(" ");
  if (signature !== "YUV4MPEG2") fail("format", `${name} is no Y4M file: it does not begin with YUV4MPEG2`);
  const field = (letter: string) => fields.find((text) => text.startsWith(letter))?.slice(1);
  const side = (letter: string): number => {
    const value = Number(field(letter));
    return Number.isInteger(value) && value >= 1 && value <= 65535
      ? value
      : fail("format", `${name}: ${letter === "W" ? "width" : "height"} "${field(letter) ?? ""}" is impossible`);
  };
  const [numerator, denominator] = (field("F") ?? "25:1").split(":").map(Number) as [number, number];
  if (!(numerator >= 1 && denominator >= 1)) fail("format", `${name}: "${field("F")}" frames a second are impossible`);
  const interlacing = field("I") ?? "p";
  if (interlacing !== "p" && interlacing !== "?")
    fail("unsupported", `${name} is interlaced (I${interlacing}); make it progressive`);
  const space = field("C") ?? "420";
  if (space !== "mono" && !samplings[space])
    fail("unsupported", `${name} has colours of kind ${space}; 8-bit mono, 420, 422 and 444 are read`);
  return {
    width: side("W"),
    height: side("H"),
    rate: { numerator, denominator },
    sampling: samplings[space],
    fullRange: fields.includes("XCOLORRANGE=FULL"),
  };
}

/**
 * Reads a whole Y4M file. @param name for error messages.
 * @throws `format` for what is damaged or cut, `unsupported` for other than 8 bits, interlaced video, and more than {@link y4mMaxValues}.
 */
export function decodeY4m(bytes: Uint8Array, name = "video"): Y4mVideo {
  const [line, start] = lineAt(bytes, 0, name);
  const { width, height, rate, sampling, fullRange } = parseHeader(line, name);
  const pixels = width * height;
  const [across, down] = sampling ?? [1, 1];
  const [chromaWidth, chromaHeight] = [Math.ceil(width / across), Math.ceil(height / down)];
  const size = pixels + (sampling ? 2 * chromaWidth * chromaHeight : 0);
  const starts: number[] = [];
  for (let at = start; at < bytes.length; ) {
    const [frame, data] = lineAt(bytes, at, name);
    if (!/^FRAME(?: |$)/.test(frame)) fail("format", `${name}: frame ${starts.length} does not begin at byte ${at}`);
    if (data + size > bytes.length)
      fail("format", `${name} is cut: frame ${starts.length} needs ${size} bytes, ${bytes.length - data} are left`);
    starts.push(data);
    at = data + size;
  }
  if (!starts.length) fail("format", `${name} has no frames`);
  if (starts.length * 3 * pixels > y4mMaxValues)
    fail("unsupported", `${name} has ${starts.length} frames of ${width} × ${height}; cut it into shorter parts`);
  const out = new Float32Array(starts.length * 3 * pixels);
  const [black, span, chromaSpan] = fullRange ? [0, 255, 255] : [16, 219, 224];
  starts.forEach((data, n) => {
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const luma = (bytes[data + y * width + x]! - black) / span;
        const at = data + pixels + Math.floor(y / down) * chromaWidth + Math.floor(x / across);
        const u = sampling ? (bytes[at]! - 128) / chromaSpan : 0;
        const v = sampling ? (bytes[at + chromaWidth * chromaHeight]! - 128) / chromaSpan : 0;
        const colours = [luma + 1.402 * v, luma - 0.344136 * u - 0.714136 * v, luma + 1.772 * u];
        for (let c = 0; c < 3; c++) out[(n * 3 + c) * pixels + y * width + x] = Math.min(1, Math.max(0, colours[c]!));
      }
  });
  return { frames: new NDArray(out, [starts.length, 3, height, width], "f32"), rate };
}

/** Writes frames as Y4M with full colour planes (444). @throws `shape` unless they are `f32[n, 3, height, width]`. */
export function encodeY4m({ frames, rate }: Y4mVideo): Uint8Array {
  const [count, channels, height, width] = frames.shape as readonly [number, number, number, number];
  if (frames.dtype !== "f32" || frames.shape.length !== 4 || channels !== 3)
    fail("shape", `encodeY4m: frames are ${frames.dtype}[${frames.shape.join(", ")}], not f32[n, 3, height, width]`);
  const text = (line: string) => Uint8Array.from(line, (letter) => letter.charCodeAt(0));
  const head = text(`YUV4MPEG2 W${width} H${height} F${rate.numerator}:${rate.denominator} Ip A1:1 C444\n`);
  const mark = text("FRAME\n");
  const pixels = width * height;
  const out = new Uint8Array(head.length + count * (mark.length + 3 * pixels));
  out.set(head);
  const byte = (value: number) => Math.round(Math.min(255, Math.max(0, value)));
  for (let n = 0; n < count; n++) {
    const at = head.length + n * (mark.length + 3 * pixels);
    out.set(mark, at);
    const data = at + mark.length;
    for (let i = 0; i < pixels; i++) {
      const [r, g, b] = [0, 1, 2].map((c) => frames.data[(n * 3 + c) * pixels + i] as number) as [
        number,
        number,
        number,
      ];
      const luma = 0.299 * r + 0.587 * g + 0.114 * b;
      out[data + i] = byte(16 + 219 * luma);
      out[data + pixels + i] = byte(128 + (224 * (b - luma)) / 1.772);
      out[data + 2 * pixels + i] = byte(128 + (224 * (r - luma)) / 1.402);
    }
  }
  return out;
}

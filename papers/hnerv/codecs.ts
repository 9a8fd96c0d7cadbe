/**
 * H.264 and H.265 on the same frames, by a real ffmpeg where there is one: BLETCHLEY_FFMPEG, the one that bench/setup installs, or the one on the
 * path. Where there is none, codecs are not measured.
 */
import { execFile } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { pictureOf } from "bletchley/formats";
import { NDArray } from "bletchley/util";
import { framePsnr } from "bletchley/video";

const run = promisify(execFile);

/** What a codec makes of the clip at one quality. */
export interface CodecPoint {
  readonly codec: "H.264" | "H.265";
  readonly crf: number;
  readonly bytes: number;
  /** Mean over frames, dB, of red, green and blue. */
  readonly psnr: number;
}

const qualities = [18, 23, 28, 33, 38];
const codecs = [
  { codec: "H.264", encoder: "libx264", format: "h264", quiet: [] },
  { codec: "H.265", encoder: "libx265", format: "hevc", quiet: ["-x265-params", "log-level=none"] },
] as const;

function candidates(): readonly string[] {
  const out = process.env.BLETCHLEY_FFMPEG ? [process.env.BLETCHLEY_FFMPEG] : [];
  const library = fileURLToPath(new URL("../../bench/.venv/lib", import.meta.url));
  if (existsSync(library))
    for (const python of readdirSync(library)) {
      const folder = join(library, python, "site-packages/imageio_ffmpeg/binaries");
      if (!existsSync(folder)) continue;
      out.push(...readdirSync(folder).flatMap((name) => (name.startsWith("ffmpeg-") ? [join(folder, name)] : [])));
    }
  return [...out, "ffmpeg"];
}

/** An ffmpeg with both encoders and what it calls itself, or why there is none. */
export async function findFfmpeg(): Promise<{ readonly path: string; readonly version: string } | undefined> {
  for (const path of candidates())
    try {
      const { stdout } = await run(path, ["-hide_banner", "-encoders"]);
      if (!codecs.every(({ encoder }) => stdout.includes(encoder))) continue;
      const version = /^ffmpeg version (\S+)/.exec((await run(path, ["-version"])).stdout)?.[1] ?? "unknown";
      return { path, version };
    } catch {
      // not there, or not for this machine: the next one
    }
  return undefined;
}

function bytesOf(frames: NDArray): Uint8Array {
  const parts = Array.from({ length: frames.shape[0]! }, (_, n) => pictureOf(frames, n).rgb);
  return Buffer.concat(parts);
}

function framesOfBytes(bytes: Uint8Array, shape: readonly number[]): NDArray {
  const [, , height, width] = shape as [number, number, number, number];
  const pixels = height * width;
  const out = NDArray.zeros(shape);
  for (let i = 0; i < out.size; i++) {
    const [n, c] = [Math.floor(i / (3 * pixels)), Math.floor(i / pixels) % 3];
    out.data[i] = bytes[(n * pixels + (i % pixels)) * 3 + c]! / 255;
  }
  return out;
}

/** Codes frames at all qualities: one key frame, preset medium, full colour planes; bytes are those of the raw stream. */
export async function measureCodecs(ffmpeg: string, frames: NDArray): Promise<readonly CodecPoint[]> {
  const [count, , height, width] = frames.shape as readonly [number, number, number, number];
  const folder = await mkdtemp(join(tmpdir(), "bletchley-codecs-"));
  const points: CodecPoint[] = [];
  const raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", `${width}x${height}`, "-r", "25"];
  try {
    const source = join(folder, "clip.rgb");
    await writeFile(source, bytesOf(frames));
    for (const { codec, encoder, format, quiet } of codecs)
      for (const crf of qualities) {
        const [stream, back] = [join(folder, `clip.${format}`), join(folder, "back.rgb")];
        const quality = ["-preset", "medium", "-crf", `${crf}`, "-g", `${count}`, "-pix_fmt", "yuv444p", ...quiet];
        const start = ["-v", "error", "-y"];
        await run(ffmpeg, [...start, ...raw, "-i", source, "-c:v", encoder, ...quality, "-f", format, stream]);
        await run(ffmpeg, [...start, "-i", stream, "-f", "rawvideo", "-pix_fmt", "rgb24", back]);
        const psnr = framePsnr(framesOfBytes(await readFile(back), frames.shape), frames);
        const bytes = (await readFile(stream)).length;
        points.push({ codec, crf, bytes, psnr: psnr.reduce((sum, value) => sum + value, 0) / count });
      }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return points;
}

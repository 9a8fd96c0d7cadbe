/**
 * Frames from and to files: folders of PNG pictures, and Y4M.
 */
import { mkdir, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { InvalidArgumentError } from "commander";
import {
  decodePng,
  decodeY4m,
  encodePng,
  encodeY4m,
  framesOf,
  pictureOf,
  type RgbPicture,
  type Y4mVideo,
} from "../formats/index.ts";
import { writeAtomically } from "../sources/index.ts";
import { fail, throwIfAborted } from "../util/errors.ts";
import type { NDArray } from "../util/ndarray.ts";

/** Reads numbers of frames: numbers and ranges, separated by commas. */
export function frameList(text: string): readonly number[] {
  return text.split(",").flatMap((part) => {
    const [, from, to] = /^\s*(\d{1,9})(?:-(\d{1,9}))?\s*$/.exec(part) ?? [];
    const [first, last] = [Number(from), Number(to ?? from)];
    if (from === undefined || last < first || last - first > 2 ** 20)
      throw new InvalidArgumentError(`"${part}" is neither a frame nor a range; write 3,17 or 0-9.`);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

/**
 * Reads a folder of PNG pictures, in the order of their names with numbers by value, or a Y4M file.
 * @param fps frames in a second for pictures, 25 by default. @throws `not-found`, `argument` for a folder without pictures, `format`, `shape`.
 */
export async function readFrames(path: string, fps?: number): Promise<Y4mVideo> {
  const info = await stat(path).catch((thrown: unknown) => fail("not-found", `there is no ${path}`, thrown));
  if (!info.isDirectory()) {
    const video = decodeY4m(await readFile(path), path);
    return fps ? { ...video, rate: { numerator: fps, denominator: 1 } } : video;
  }
  const names = (await readdir(path))
    .filter((name) => /\.png$/i.test(name))
    .sort(new Intl.Collator("en", { numeric: true }).compare);
  if (!names.length) fail("argument", `${path} holds no PNG pictures`);
  const pictures: RgbPicture[] = [];
  for (const name of names) pictures.push(decodePng(await readFile(join(path, name)), join(path, name)));
  return { frames: framesOf(pictures, names), rate: { numerator: fps ?? 25, denominator: 1 } };
}

/** Frames that are decoded at a time. */
const batch = 16;

/** Writes frames to a Y4M file, or one by one into a folder as `frame-00017.png`. @param decode gives frames by number. */
export async function writeFrames(
  path: string,
  rate: Y4mVideo["rate"],
  numbers: readonly number[],
  decode: (numbers: readonly number[]) => Promise<NDArray>,
  signal: AbortSignal,
): Promise<void> {
  if (/\.y4m$/i.test(path)) {
    await writeAtomically(path, encodeY4m({ frames: await decode(numbers), rate }));
    return;
  }
  for (let at = 0; at < numbers.length; at += batch) {
    throwIfAborted(signal);
    const chosen = numbers.slice(at, at + batch);
    const frames = await decode(chosen);
    await mkdir(path, { recursive: true });
    for (const [i, number] of chosen.entries())
      await writeAtomically(
        join(path, `frame-${String(number).padStart(5, "0")}.png`),
        encodePng(pictureOf(frames, i)),
      );
  }
}

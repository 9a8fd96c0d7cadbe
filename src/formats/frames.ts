/**
 * Pictures as frames of a video, and back: bytes pixel by pixel against numbers from 0 to 1 plane by plane.
 */
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import type { RgbPicture } from "./png.ts";

/** Pictures of one size as `f32[n, 3, height, width]` from 0 to 1. @throws `shape` when one has another size than the first. */
export function framesOf(pictures: readonly RgbPicture[], names: readonly string[]): NDArray {
  const [{ width, height }] = pictures as readonly [RgbPicture];
  const pixels = width * height;
  const out = new Float32Array(pictures.length * 3 * pixels);
  pictures.forEach((picture, n) => {
    if (picture.width !== width || picture.height !== height)
      fail(
        "shape",
        `${names[n]} has ${picture.width} × ${picture.height} pixels, and ${names[0]} has ${width} × ${height}; all must be of one size`,
      );
    for (let i = 0; i < pixels; i++)
      for (let c = 0; c < 3; c++) out[(n * 3 + c) * pixels + i] = picture.rgb[i * 3 + c]! / 255;
  });
  return new NDArray(out, [pictures.length, 3, height, width], "f32");
}

/** A frame of `[n, 3, height, width]` as a picture. */
export function pictureOf(frames: NDArray, n: number): RgbPicture {
  const [, , height, width] = frames.shape as [number, number, number, number];
  const pixels = width * height;
  const rgb = new Uint8Array(3 * pixels);
  for (let i = 0; i < pixels; i++)
    for (let c = 0; c < 3; c++) {
      const value = frames.data[(n * 3 + c) * pixels + i] as number;
      rgb[i * 3 + c] = Math.round(255 * Math.min(1, Math.max(0, value)));
    }
  return { width, height, rgb };
}

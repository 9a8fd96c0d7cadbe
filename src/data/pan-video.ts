/**
 * Videos made of photographs: a window that glides over a picture, and something small that bounces across. What moves is real texture, how it
 * moves is known. Reads no files; who does hands over pixels.
 */
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";

/** A picture in colour, row by row, pixel by pixel: red, green, blue. */
export interface Photograph {
  readonly width: number;
  readonly height: number;
  readonly rgb: Uint8Array;
}

/** A part of a picture. */
export interface PictureBox {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Options of {@link panVideo}. */
export interface PanVideoOptions {
  readonly frames: number;
  readonly width: number;
  readonly height: number;
  /** Pixels that the window moves to the right from frame to frame; 1.5 by default. */
  readonly pan?: number;
  /** Pixels that the window goes down and up again, along a sine of 64 frames; 14 by default. */
  readonly sway?: number;
  /** What bounces over the picture; nothing without. */
  readonly sprite?: Photograph;
}

/** A part of a picture. @throws `argument` when it is not inside. */
export function cropPicture(picture: Photograph, { x, y, width, height }: PictureBox): Photograph {
  if (x < 0 || y < 0 || x + width > picture.width || y + height > picture.height)
    fail(
      "argument",
      `cropPicture: ${width} × ${height} at ${x}, ${y} is not inside of ${picture.width} × ${picture.height}`,
    );
  const rgb = new Uint8Array(width * height * 3);
  for (let row = 0; row < height; row++) {
    const from = ((y + row) * picture.width + x) * 3;
    rgb.set(picture.rgb.subarray(from, from + width * 3), row * width * 3);
  }
  return { width, height, rgb };
}

/** A picture made smaller: each new pixel is the mean of the area that it covers. @throws `argument` when it would become larger. */
export function shrinkPicture(picture: Photograph, width: number, height: number): Photograph {
  if (width > picture.width || height > picture.height || width < 1 || height < 1)
    fail("argument", `shrinkPicture: ${picture.width} × ${picture.height} cannot be shrunk to ${width} × ${height}`);
  const rgb = new Uint8Array(width * height * 3);
  const [stepX, stepY] = [picture.width / width, picture.height / height];
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const sums = [0, 0, 0];
      let area = 0;
      for (let v = Math.floor(y * stepY); v < Math.min(picture.height, (y + 1) * stepY); v++)
        for (let u = Math.floor(x * stepX); u < Math.min(picture.width, (x + 1) * stepX); u++) {
          const share =
            (Math.min(u + 1, (x + 1) * stepX) - Math.max(u, x * stepX)) *
            (Math.min(v + 1, (y + 1) * stepY) - Math.max(v, y * stepY));
          area += share;
          for (let c = 0; c < 3; c++) sums[c]! += share * picture.rgb[(v * picture.width + u) * 3 + c]!;
        }
      for (let c = 0; c < 3; c++) rgb[(y * width + x) * 3 + c] = Math.round(sums[c]! / area);
    }
  return { width, height, rgb };
}

/** A place that goes to and fro between 0 and `most`. */
function bounce(distance: number, most: number): number {
  const at = distance % (2 * most);
  return at <= most ? at : 2 * most - at;
}

/**
 * Frames `f32[frames, 3, height, width]` from 0 to 1, rounded to 8 bits: a window of a picture, read between its pixels (bilinear), and the
 * sprite before it, which moves in whole pixels.
 * @throws `argument` when the window would leave the picture.
 */
export function panVideo(picture: Photograph, options: PanVideoOptions): NDArray {
  const { frames, width, height, pan = 1.5, sway = 14, sprite } = options;
  const [reach, drop] = [pan * (frames - 1), sway];
  if (width + Math.ceil(reach) + 1 > picture.width || height + Math.ceil(drop) + 1 > picture.height)
    fail(
      "argument",
      `panVideo: a window of ${width} × ${height} that moves by ${reach} × ${drop} leaves ${picture.width} × ${picture.height}; use fewer frames or a larger picture`,
    );
  const [startX, startY] = [(picture.width - 1 - width - reach) / 2, (picture.height - 1 - height - drop) / 2];
  const out = new Float32Array(frames * 3 * height * width);
  for (let frame = 0; frame < frames; frame++) {
    const left = startX + pan * frame;
    const top = startY + (sway * (1 - Math.cos((2 * Math.PI * frame) / 64))) / 2;
    const [x0, y0] = [Math.floor(left), Math.floor(top)];
    const [fx, fy] = [left - x0, top - y0];
    const at = (x: number, y: number, c: number) => picture.rgb[((y0 + y) * picture.width + x0 + x) * 3 + c]!;
    for (let c = 0; c < 3; c++)
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++) {
          const above = at(x, y, c) * (1 - fx) + at(x + 1, y, c) * fx;
          const below = at(x, y + 1, c) * (1 - fx) + at(x + 1, y + 1, c) * fx;
          out[((frame * 3 + c) * height + y) * width + x] = Math.round(above * (1 - fy) + below * fy) / 255;
        }
    if (sprite) pasteSprite(out, sprite, { frame, width, height });
  }
  return new NDArray(out, [frames, 3, height, width], "f32");
}

/** Puts a sprite where it is at a frame: 2 pixels a frame across, 1 down, and back where it meets a border. */
function pasteSprite(
  out: Float32Array,
  sprite: Photograph,
  { frame, width, height }: { readonly frame: number; readonly width: number; readonly height: number },
): void {
  const x0 = Math.round(bounce(5 + 2 * frame, width - sprite.width));
  const y0 = Math.round(bounce(3 + frame, height - sprite.height));
  for (let c = 0; c < 3; c++)
    for (let y = 0; y < sprite.height; y++)
      for (let x = 0; x < sprite.width; x++)
        out[((frame * 3 + c) * height + y0 + y) * width + x0 + x] = sprite.rgb[(y * sprite.width + x) * 3 + c]! / 255;
}

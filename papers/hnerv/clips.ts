/**
 * The clips: made of photographs, so that texture is real and motion is known.
 */
import { cropPicture, type Photograph, panVideo, shrinkPicture, takeRows } from "bletchley/data";
import { decodePng } from "bletchley/formats";
import type { DataNeed, WorkContext } from "bletchley/papers";
import { NDArray } from "bletchley/util";

const upstream = "https://raw.githubusercontent.com/scikit-image/scikit-image/main/skimage/data";

/** Photographs that clips are made of. */
export const photographs: readonly DataNeed[] = [
  {
    path: "images/coffee.png",
    sha256: "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
    url: `${upstream}/coffee.png`,
  },
  {
    path: "images/chelsea.png",
    sha256: "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
    url: `${upstream}/chelsea.png`,
  },
  {
    path: "images/brick.png",
    sha256: "7966caf324f6ba843118d98f7a07746d22f6a343430add0233eca5f6eaaa8fcf",
    url: `${upstream}/brick.png`,
    profiles: ["full"],
  },
];

/** Size of all frames. */
export const frameSize = { width: 96, height: 48 } as const;

async function read(context: WorkContext, name: string): Promise<Photograph> {
  return decodePng(await context.data(`images/${name}.png`), name);
}

/** A pan over a cup of coffee, and a piece of a cat that bounces across: `f32[frames, 3, 48, 96]`. */
export async function coffeeClip(context: WorkContext, frames: number): Promise<NDArray> {
  const coffee = shrinkPicture(await read(context, "coffee"), 300, 200);
  const cat = shrinkPicture(await read(context, "chelsea"), 225, 150);
  const sprite = cropPicture(cat, { x: 90, y: 40, width: 20, height: 16 });
  return panVideo(coffee, { frames, ...frameSize, sprite });
}

/** Digits in five rows of three pixels. */
const digits = ["7 5 5 5 7", "2 6 2 2 7", "7 1 7 4 7", "7 1 7 1 7"].map((rows) => rows.split(" ").map(Number));

/** A digit, bright on dark, each of its pixels 3 × 3. */
function digitSprite(digit: number): Photograph {
  const [width, height] = [15, 21];
  const rgb = new Uint8Array(width * height * 3).fill(24);
  for (let y = 3; y < height - 3; y++)
    for (let x = 3; x < width - 3; x++)
      if ((digits[digit]![Math.floor((y - 3) / 3)]! >> (2 - Math.floor((x - 3) / 3))) & 1)
        rgb.fill(235, (y * width + x) * 3, (y * width + x) * 3 + 3);
  return { width, height, rgb };
}

/** A clip with a cut in the middle: the cup of coffee, then a digit that bounces over bricks, while the camera goes on moving. */
export async function cutClip(context: WorkContext, frames: number): Promise<NDArray> {
  const first = await coffeeClip(context, frames);
  const bricks = shrinkPicture(await read(context, "brick"), 256, 256);
  const second = panVideo(bricks, { frames, ...frameSize, sprite: digitSprite(2) });
  const numbers = Array.from({ length: frames }, (_, i) => i);
  const half = frames >> 1;
  const [before, after] = [takeRows(first, numbers.slice(0, half)), takeRows(second, numbers.slice(half))];
  const data = new Float32Array(before.size + after.size);
  data.set(before.data as Float32Array);
  data.set(after.data as Float32Array, before.size);
  return new NDArray(data, first.shape, "f32");
}

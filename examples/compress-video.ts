/**
 * Compresses a clip by learning it: a disc that glides over stripes becomes a small network, then a file, and frames come out of the file in any
 * order. Write `clip.bnrv` and frames of your own with `bletchley video encode` and `bletchley video decode`.
 *
 *     npx tsx examples/compress-video.ts [epochs]
 */
import { readFile, writeFile } from "node:fs/promises";
import { takeRows } from "bletchley/data";
import { encodePng, pictureOf } from "bletchley/formats";
import { NDArray } from "bletchley/util";
import { compressVideo, framePsnr, openVideo, readVideo } from "bletchley/video";

const [count, height, width] = [12, 32, 64];
const frames = NDArray.zeros([count, 3, height, width]);
for (let i = 0; i < frames.size; i++) {
  const [n, c] = [Math.floor(i / (3 * height * width)), Math.floor(i / (height * width)) % 3];
  const [y, x] = [Math.floor(i / width) % height, i % width];
  const inDisc = (x - 10 - 4 * n) ** 2 + (y - 16) ** 2 < 64;
  frames.data[i] = inDisc ? [0.9, 0.5, 0.1][c]! : 0.4 + 0.2 * Math.sin((x + y + 2 * c) / 4);
}

const epochs = Number(process.argv[2] ?? 200);
const { bytes, sizes } = await compressVideo(frames, { parameters: 25_000, epochs, learningRate: 1e-2 });
await writeFile("clip.bnrv", bytes);
console.log(
  `clip.bnrv: ${sizes.total} bytes, of which codes of ${count} frames ${sizes.codes}; the frames have ${frames.size}`,
);

await using video = await openVideo(readVideo(await readFile("clip.bnrv"), "clip.bnrv"));
const numbers = [7, 2];
const decoded = await video.frames(numbers);
const psnr = framePsnr(decoded, takeRows(frames, numbers));
numbers.forEach((number, i) => {
  console.log(`frame ${number}: ${psnr[i]!.toFixed(1)} dB`);
});
await writeFile("frame-7.png", encodePng(pictureOf(decoded, 0)));

/**
 * `bletchley video`: a video to a `.bnrv` file, and frames out of one.
 */
import { type Command, Option } from "commander";
import type { VideoCoder } from "../video/index.ts";
import { interruptible } from "./exit.ts";
import { numberFrom, wholeFrom } from "./options.ts";
import { withProgress } from "./progress.ts";
import { formatBytes } from "./terminal.ts";
import { frameList, readFrames, writeFrames } from "./video-files.ts";

interface EncodeFlags {
  readonly size: number;
  readonly epochs: number;
  readonly rate: number;
  readonly coder: VideoCoder;
  readonly seed: number;
  readonly fps?: number;
  readonly threads?: number;
}

interface DecodeFlags {
  readonly frames?: readonly number[];
  readonly threads?: number;
}

const encodeHelp = `
INPUT is a folder of PNG pictures of one size, taken in the order of their names, or a .y4m file ("ffmpeg -i clip.mp4 clip.y4m"
writes one). A network learns the clip: small clips take minutes, large ones hours. Both sides of a frame should be multiples
of 16.`;

const decodeHelp = `
OUTPUT is a .y4m file, or else a folder, which is filled with PNG pictures named by the frames' numbers. Any frame is decoded
by itself.`;

async function encode(input: string, output: string, flags: EncodeFlags, signal: AbortSignal): Promise<void> {
  const { compressVideo } = await import("../video/index.ts");
  const { writeAtomically } = await import("../sources/index.ts");
  const { frames, rate } = await readFrames(input, flags.fps);
  const { size, epochs, coder, seed, threads } = flags;
  const { bytes, sizes } = await withProgress((onProgress) =>
    compressVideo(frames, {
      parameters: size,
      epochs,
      learningRate: flags.rate,
      coder,
      seed,
      rate,
      threads,
      onProgress,
      signal,
    }),
  );
  await writeAtomically(output, bytes);
  const [count, , height, width] = frames.shape as [number, number, number, number];
  const perPixel = (n: number) => ((8 * n) / (count * height * width)).toFixed(4);
  process.stdout.write(
    `${output}: ${count} frames of ${width} × ${height}, ${formatBytes(sizes.total)}, ${perPixel(sizes.total)} bits a pixel (weights ${perPixel(sizes.weights)}, codes ${perPixel(sizes.codes)}, the rest ${perPixel(sizes.total - sizes.weights - sizes.codes)})\n`,
  );
}

async function decode(input: string, output: string, flags: DecodeFlags, signal: AbortSignal): Promise<void> {
  const { openVideo, readVideo } = await import("../video/index.ts");
  const { readFile } = await import("node:fs/promises");
  const video = readVideo(await readFile(input), input);
  await using reader = await openVideo(video, { threads: flags.threads });
  const numbers = flags.frames ?? Array.from({ length: video.config.frames }, (_, i) => i);
  await writeFrames(output, video.rate, numbers, (chosen) => reader.frames(chosen), signal);
  process.stdout.write(`${output}: ${numbers.length} of ${video.config.frames} frames\n`);
}

/** Adds the command to the program. */
export function addVideo(program: Command): void {
  const video = program.command("video").description("turn a video into a small network, and frames out of one");
  video
    .command("encode")
    .description("compress a video into a .bnrv file")
    .argument("<input>", "folder of PNG pictures, or .y4m file")
    .argument("<output>", ".bnrv file to write")
    .option("--size <n>", "numbers of the network, about one byte each", wholeFrom(1000, 2 ** 24), 40_000)
    .option("--epochs <n>", "times that every frame is seen", wholeFrom(1), 300)
    .option("--rate <x>", "highest learning rate", numberFrom(1e-6, 1), 6e-3)
    .addOption(new Option("--coder <name>", "how numbers become bits").choices(["range", "huffman"]).default("range"))
    .option("--seed <n>", "seed of everything random", wholeFrom(0), 0)
    .option("--fps <n>", "frames in a second of pictures in a folder; 25 by default", wholeFrom(1, 1000))
    .option("--threads <n>", "threads of the engine; all cores by default", wholeFrom(1, 1024))
    .addHelpText("after", encodeHelp)
    .action((input: string, output: string, flags: EncodeFlags) =>
      interruptible((signal) => encode(input, output, flags, signal)),
    );
  video
    .command("decode")
    .description("decode frames of a .bnrv file")
    .argument("<input>", ".bnrv file")
    .argument("<output>", ".y4m file, or folder for PNG pictures")
    .option("--frames <list>", "frames to decode, such as 3,17 or 0-9; all by default", frameList)
    .option("--threads <n>", "threads of the engine; all cores by default", wholeFrom(1, 1024))
    .addHelpText("after", decodeHelp)
    .action((input: string, output: string, flags: DecodeFlags) =>
      interruptible((signal) => decode(input, output, flags, signal)),
    );
}

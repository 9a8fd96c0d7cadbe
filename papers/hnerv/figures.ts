/**
 * Pictures of the result.
 */
import { takeRows } from "bletchley/data";
import { pictureOf, type RgbPicture } from "bletchley/formats";
import { drawPictures, drawPlayer, drawPlot, type Figure, Plot } from "bletchley/papers";
import type { NDArray } from "bletchley/util";
import type { CurvePoint } from "./arms.ts";
import type { CodecPoint } from "./codecs.ts";

const picturesOf = (frames: NDArray): readonly RgbPicture[] =>
  Array.from({ length: frames.shape[0]! }, (_, n) => pictureOf(frames, n));

/** Original and decoded clips side by side, playing. */
export function playerFigure(
  original: NDArray,
  decoded: Readonly<Record<string, { readonly frames: NDArray; readonly psnr: readonly number[] }>>,
): Figure {
  return {
    name: "player",
    caption:
      "The clip and what comes out of the files, with the PSNR of each frame below; click to stop, and on the bar to find a frame.",
    svg: drawPlayer({
      title: "A clip as a network of about 43 thousand numbers",
      columns: [
        { name: "original", frames: picturesOf(original) },
        ...Object.entries(decoded).map(([name, { frames, psnr }]) => ({
          name,
          frames: picturesOf(frames),
          curve: psnr,
        })),
      ],
      curveName: "dB",
      quality: 70,
    }),
  };
}

/** Some frames of several clips side by side. */
export function framesFigure(
  name: string,
  title: string,
  caption: string,
  clips: Readonly<Record<string, NDArray>>,
  numbers: readonly number[],
  rowName: (number: number) => string = (number) => `frame ${number}`,
): Figure {
  const chosen = Object.values(clips).map((frames) => picturesOf(takeRows(frames, numbers)));
  return {
    name,
    caption,
    svg: drawPictures({
      title,
      columns: Object.keys(clips),
      rows: numbers.map((number, i) => ({
        name: rowName(number),
        pictures: chosen.map((pictures) => pictures[i]!),
      })),
      // as wide as the longest name
      side: 180,
    }),
  };
}

/** PSNR and SSIM against epochs. */
export function curvesFigures(curves: Readonly<Record<string, readonly CurvePoint[]>>): readonly Figure[] {
  const series = Object.keys(curves);
  return (
    [
      ["psnr", "PSNR", "PSNR, dB"],
      ["ssim", "SSIM", "SSIM"],
    ] as const
  ).map(([field, what, label]) => {
    const points = series.flatMap((arm) =>
      curves[arm]!.map((point) => ({ arm, epoch: point.epoch, value: point[field] })),
    );
    return {
      name: `${field}-by-epoch`,
      caption: `Mean ${what} over frames while networks of nearly one size learn the clip.`,
      svg: drawPlot({
        title: `${what} against epochs`,
        series,
        x: { label: "epochs" },
        y: { label, grid: true, zero: false },
        marks: [Plot.line(points, { x: "epoch", y: "value", stroke: "arm", strokeWidth: 2 })],
      }),
    };
  });
}

/** Quality against bits a pixel, of networks and of codecs where they were measured. */
export function rateFigure(
  networks: readonly { readonly name: string; readonly bpp: number; readonly psnr: number }[],
  codecs: readonly (CodecPoint & { readonly bpp: number })[],
): Figure {
  const measured = [...new Set(codecs.map(({ codec }) => codec))];
  const series = [...new Set([...networks.map(({ name }) => name), ...measured])];
  const points = codecs.map(({ codec, bpp, psnr }) => ({ name: codec, bpp, psnr }));
  return {
    name: "rate",
    caption: `PSNR against bits a pixel, everything in a file counted${measured.length ? "; codecs win by far on a clip so short and small, over whose few pixels a network's weights are spread" : "; no ffmpeg was there, so codecs were not measured"}.`,
    svg: drawPlot({
      title: "Quality against size",
      series,
      x: { label: "bits a pixel (logarithmic)", type: "log", grid: true, tickFormat: ",", insetRight: 10 },
      y: { label: "PSNR, dB", grid: true, zero: false },
      marks: [
        Plot.line(points, { x: "bpp", y: "psnr", stroke: "name" }),
        Plot.dot(points, { x: "bpp", y: "psnr", fill: "name", r: 3 }),
        Plot.dot(networks, { x: "bpp", y: "psnr", fill: "name", r: 6, symbol: "square" }),
      ],
    }),
  };
}

/**
 * Pictures of the experiment.
 */
import { halfDigitSize } from "bletchley/data";
import type { SkipTuning, TunedSkips } from "bletchley/diffusion";
import { drawPictures, drawPlot, type Figure, greyPicture, Plot } from "bletchley/papers";
import type { NDArray } from "bletchley/util";
import { pixels } from "./base.ts";
import type { LevelLosses } from "./diagnostics.ts";

const size = { width: halfDigitSize, height: halfDigitSize };

/** Samples of the same noise under several ways of sampling. */
export function samplesFigure(
  rows: readonly { readonly name: string; readonly images: NDArray }[],
  columns: number,
): Figure {
  return {
    name: "samples",
    caption: "Digits from the same noise in every column: few steps without and with scaled skips, and many steps.",
    svg: drawPictures({
      title: "Samples",
      columns: Array.from({ length: columns }, (_, i) => `noise ${i + 1}`),
      rows: rows.map(({ name, images }) => ({
        name,
        pictures: Array.from({ length: columns }, (_, i) =>
          greyPicture((images.data as Float32Array).subarray(i * pixels, (i + 1) * pixels), size, [-1, 1]),
        ),
      })),
      side: 64,
    }),
  };
}

/** The distance of every cell of a search, by its factors. */
export function gridFigure({ cells, best }: TunedSkips, evaluations: number): Figure {
  const points = cells.map(({ tuning, distances }) => ({
    bottom: String(tuning.bottom),
    top: String(tuning.top),
    distance: distances[0]!,
    chosen: tuning.bottom === best.bottom && tuning.top === best.top,
  }));
  return {
    name: "grid",
    caption: `Fréchet distance of the search's first round by both factors, ${evaluations} evaluations a sample; the framed cell won. Factors of 1 leave the model as it is.`,
    svg: drawPlot({
      title: `Search with ${evaluations} evaluations`,
      x: { label: "factor at full size", type: "band" },
      y: { label: "factor of the deepest skip", type: "band", reverse: true },
      color: { scheme: "viridis", reverse: true, legend: false },
      marginLeft: 60,
      marks: [
        Plot.cell(points, { x: "top", y: "bottom", fill: "distance", inset: 1 }),
        Plot.cell(
          points.filter(({ chosen }) => chosen),
          { x: "top", y: "bottom", stroke: "#e15759", strokeWidth: 3, fill: "none" },
        ),
        Plot.text(points, {
          x: "top",
          y: "bottom",
          text: ({ distance }) => distance.toFixed(1),
          fill: "white",
          stroke: "#222",
          strokeWidth: 2,
          paintOrder: "stroke",
        }),
      ],
    }),
  };
}

/** Distance by evaluations. */
export function reachFigure(
  points: readonly { readonly way: string; readonly evaluations: number; readonly frechet: number }[],
  floor: number,
): Figure {
  const series = [...new Set(points.map(({ way }) => way))];
  return {
    name: "reach",
    caption:
      "Fréchet distance of fresh samples from test digits, by evaluations of the network; the dashed line is the distance of training digits.",
    svg: drawPlot({
      title: "Quality by evaluations",
      series,
      x: { label: "evaluations of the network", type: "log", ticks: [9, 13, 17, 35, 79], tickFormat: String },
      y: { label: "Fréchet distance", type: "log", grid: true },
      marks: [
        Plot.ruleY([floor], { strokeDasharray: "4 3" }),
        Plot.line(points, { x: "evaluations", y: "frechet", stroke: "way", marker: "dot" }),
      ],
    }),
  };
}

/** Losses with factors over those without, by noise level. */
export function lossFigure(losses: readonly LevelLosses[], { bottom, top }: SkipTuning): Figure {
  const series = ["pixels", "features"] as const;
  const points = losses.flatMap((level) =>
    series.map((of) => ({ of, sigma: level.sigma, change: 100 * (level[of].tuned / level[of].plain - 1) })),
  );
  return {
    name: "losses",
    caption: `Change of the denoising loss by factors from ${bottom} to ${top}: of pixels, which the model was trained to make small, and of the classifier's features.`,
    svg: drawPlot({
      title: "Loss by noise level",
      series: [...series],
      x: { label: "noise level σ", type: "log" },
      y: { label: "change of the loss, %", grid: true },
      marks: [Plot.ruleY([0]), Plot.line(points, { x: "sigma", y: "change", stroke: "of", marker: "dot" })],
    }),
  };
}

/**
 * Pictures of the experiment.
 */
import { drawPlot, type Figure, Plot } from "bletchley/papers";
import type { Domain } from "./domains.ts";
import { summarizeWay, type Trials } from "./ways.ts";

/** A point of the curve over β. */
export interface Point {
  readonly confidence: number;
  readonly tokensPerStep: number;
  readonly quality: number;
}

/** Quality against tokens a step over β. @param own quality of the same model one token at a time. */
export function confidenceFigure({ name, measure }: Domain, points: readonly Point[], own: number): Figure {
  const label = (x: number) => x.toFixed(2);
  return {
    name: `confidence-${name}`,
    caption: `Tokens a step and quality by the least confidence β that a token from a placeholder must have, on validation prompts: ${name}. The line is the quality of the same model one token at a time.`,
    svg: drawPlot({
      title: "Speed against quality, by β",
      x: { label: "tokens a step", grid: true },
      y: { label: measure, grid: true },
      marks: [
        Plot.ruleY([own], { stroke: "#888", strokeDasharray: "4" }),
        Plot.line(points, { x: "tokensPerStep", y: "quality", stroke: "#4e79a7" }),
        Plot.dot(points, { x: "tokensPerStep", y: "quality", fill: "#4e79a7", r: 4 }),
        Plot.text(points, {
          x: "tokensPerStep",
          y: "quality",
          text: ({ confidence }: Point) => `β ${label(confidence)}`,
          dy: -12,
        }),
      ],
    }),
  };
}

/** How many tokens steps add, in some ways. */
export function spanFigure({ name }: Domain, trials: Trials, series: readonly string[]): Figure {
  const bars = series.flatMap((way) =>
    summarizeWay(trials[way]!).spans.map((share, i) => ({ way, span: String(i + 1), share: 100 * share })),
  );
  return {
    name: `spans-${name}`,
    caption: `Tokens that a step adds, as shares of the steps: ${name}.`,
    svg: drawPlot({
      title: "Tokens a step",
      series,
      fx: { label: "tokens" },
      x: { axis: null },
      y: { label: "% of steps", grid: true },
      marks: [Plot.barY(bars, { fx: "span", x: "way", y: "share", fill: "way" }), Plot.ruleY([0])],
    }),
  };
}

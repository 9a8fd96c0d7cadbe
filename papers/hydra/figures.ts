/**
 * Pictures of the experiment.
 */
import { agreement } from "bletchley/decode";
import { drawPlot, type Figure, Plot } from "bletchley/papers";
import type { Layout } from "./layouts.ts";
import type { TrainedVariant } from "./variants.ts";

/** How often each head agrees with the target. */
export function agreementFigure(trained: readonly TrainedVariant[], baseline: readonly number[]): Figure {
  const series = trained.map(({ variant }) => variant.name);
  const bars = trained.flatMap(({ variant, truth }) =>
    agreement(truth, 1).map((share, i) => ({ variant: variant.name, head: `head ${i + 1}`, share: 100 * share })),
  );
  const lines = baseline.map((share, i) => ({ head: `head ${i + 1}`, share: 100 * share }));
  return {
    name: "agreement",
    caption:
      "How often each head's first guess is the target's own token, given the true tokens before it. Heads that see what was drafted hold their level; those of Medusa fall. The black line is always guessing the commonest token.",
    svg: drawPlot({
      title: "Agreement with the target, by head",
      series,
      fx: { label: null },
      x: { axis: null, domain: series },
      y: { label: "% of tokens", grid: true },
      marks: [
        Plot.barY(bars, { fx: "head", x: "variant", y: "share", fill: "variant" }),
        Plot.ruleY(lines, { fx: "head", y: "share" }),
        Plot.ruleY([0]),
      ],
    }),
  };
}

/** Tokens a step by the number of nodes. */
export interface SizePoint {
  readonly variant: string;
  readonly nodes: number;
  readonly tokensPerStep: number;
}

/** Tokens a step against the size of the draft. */
export function sizeFigure(
  points: readonly SizePoint[],
  measured: readonly SizePoint[],
  series: readonly string[],
): Figure {
  return {
    name: "draft-size",
    caption:
      "Tokens a step by the number of nodes, for the likeliest tree of each size: lines from the ranks of the trace that was held out, dots as decoded on other prompts with chains of 1 to 3 and the tree of 15 nodes that all share.",
    svg: drawPlot({
      title: "Tokens a step, by size of the draft",
      series,
      x: { label: "nodes of the draft", grid: true },
      y: { label: "tokens a step", grid: true },
      marks: [
        Plot.line(points, { x: "nodes", y: "tokensPerStep", stroke: "variant", strokeWidth: 2 }),
        Plot.dot(measured, { x: "nodes", y: "tokensPerStep", fill: "variant", r: 4 }),
      ],
    }),
  };
}

/** Speed of each layout, predicted and measured. */
export function speedFigure(
  layouts: readonly (Layout & { readonly measured: number })[],
  plain: number,
  series: readonly string[],
): Figure {
  const shapes = [...new Set(layouts.map(({ shape }) => shape))];
  const bars = layouts.map(({ variant, shape, measured }) => ({ variant, shape, speed: measured / plain }));
  const predicted = layouts.map(({ variant, shape, predicted: { speedup } }) => ({ variant, shape, speed: speedup }));
  return {
    name: "speed",
    caption:
      "Speed against plain decoding by kind of heads and shape of drafts: bars as measured, lines as predicted from the cost of steps, the heads' own times and the trace that was held out.",
    svg: drawPlot({
      title: "Speed over plain decoding",
      series,
      fx: { label: null, domain: shapes },
      x: { axis: null, domain: [...series] },
      y: { label: "times as fast", grid: true },
      marks: [
        Plot.barY(bars, { fx: "shape", x: "variant", y: "speed", fill: "variant" }),
        Plot.tickY(predicted, { fx: "shape", x: "variant", y: "speed", stroke: "#222", strokeWidth: 2 }),
        Plot.ruleY([1], { strokeDasharray: "4" }),
        Plot.ruleY([0]),
      ],
    }),
  };
}

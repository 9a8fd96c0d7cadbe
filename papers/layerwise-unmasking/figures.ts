/**
 * Pictures of the experiment.
 */
import { causalCueCeiling } from "bletchley/data";
import { drawPlot, type Figure, Plot } from "bletchley/papers";
import { type DialResults, dialConfigurations } from "./dial.ts";
import type { RealScores } from "./real-tasks.ts";
import type { Scores } from "./role-report.ts";
import { roles } from "./roles.ts";

const bitsIn = (configuration: string) => [...configuration].filter((bit) => bit === "1").length;

/** Configurations by the number of groups that are unmasked, with lines between those that differ in one. */
export function latticeFigure(scores: Scores, causal: string): Figure {
  const names = [...scores.keys()];
  const points = names.map((name) => {
    const level = bitsIn(name);
    const beside = names.filter((other) => bitsIn(other) === level);
    return {
      name,
      // beside each other within their number, so that names do not cover each other
      x: level + (0.62 * (beside.indexOf(name) - (beside.length - 1) / 2)) / Math.max(1, beside.length - 1),
      accuracy: scores.get(name)!.accuracy,
      macroF1: scores.get(name)!.macroF1,
    };
  });
  const neighbours = points.flatMap((a) =>
    points.flatMap((b) =>
      bitsIn(b.name) === bitsIn(a.name) + 1 && [...a.name].every((bit, i) => bit <= b.name[i]!)
        ? [{ x1: a.x, y1: a.accuracy, x2: b.x, y2: b.accuracy, rises: b.accuracy > a.accuracy }]
        : [],
    ),
  );
  const lowest = Math.min(...points.map(({ accuracy }) => accuracy));
  return {
    name: "configurations",
    caption: `Accuracy on test windows by configuration (lowest group first) and number of groups that are unmasked; larger dots have a larger macro-F1. Lines join configurations that differ in one group: blue where unmasking it helps, grey where not. ${causal} is the plain decoder.`,
    svg: drawPlot({
      title: "Which layers may look right?",
      height: 420,
      x: { label: "unmasked groups", ticks: [0, 1, 2, 3, 4], tickFormat: "d", domain: [-0.45, 4.45] },
      y: {
        label: "accuracy",
        grid: true,
        domain: [lowest - 0.004, Math.max(...points.map(({ accuracy }) => accuracy)) + 0.004],
      },
      r: { range: [3, 9] },
      color: { type: "identity" },
      marks: [
        Plot.link(neighbours, {
          x1: "x1",
          y1: "y1",
          x2: "x2",
          y2: "y2",
          stroke: (d: { rises: boolean }) => (d.rises ? "#4e79a7" : "#bab0ab"),
          strokeOpacity: 0.45,
        }),
        Plot.dot(points, { x: "x", y: "accuracy", r: "macroF1", fill: "#e15759" }),
        Plot.text(points, { x: "x", y: "accuracy", text: "name", dy: -14, fontFamily: "monospace" }),
      ],
    }),
  };
}

/** F1 by role. */
export function rolesFigure(scores: Scores): Figure {
  const series = [...scores.keys()];
  const dots = series.flatMap((name) => roles.map((role, i) => ({ name, role, f1: scores.get(name)!.f1[i]! })));
  return {
    name: "roles",
    caption: "F1 on test windows by role of the identifier: right context decides some of them.",
    svg: drawPlot({
      title: "F1 by role",
      series,
      height: 320,
      x: { label: null, domain: [...roles], grid: true },
      y: { label: "F1", grid: true, domain: [Math.floor(10 * Math.min(...dots.map(({ f1 }) => f1))) / 10, 1] },
      marks: [
        Plot.ruleX(roles, { stroke: "#eee" }),
        Plot.dot(dots, { x: "role", y: "f1", fill: "name", r: 5, fillOpacity: 0.85 }),
      ],
    }),
  };
}

/** Accuracy over the dial, with the ceiling of causal readers. */
export function dialFigure(results: DialResults, rightShares: readonly number[]): Figure {
  const ceiling = "ceiling of causal readers";
  const rows = dialConfigurations.flatMap((name) =>
    rightShares.map((share) => ({ name: name as string, share, accuracy: results[name]![share]!.accuracy })),
  );
  const line = Array.from({ length: 21 }, (_, i) => ({
    name: ceiling,
    share: i / 20,
    accuracy: causalCueCeiling(i / 20),
  }));
  return {
    name: "dial",
    caption:
      "Names with the right span and type, by the probability that the cue word stands behind the name. Without anything to the right, unmasking brings nothing; the more there is, the more a causal reader misses, as much as it must.",
    svg: drawPlot({
      title: "What is on the right decides what unmasking brings",
      series: [...dialConfigurations, ceiling],
      x: { label: "probability of a cue behind the name", domain: [0, 1] },
      y: { label: "accuracy", grid: true, domain: [0.2, 1.02] },
      marks: [
        Plot.line(line, { x: "share", y: "accuracy", stroke: "name", strokeDasharray: "4 4" }),
        Plot.line(rows, { x: "share", y: "accuracy", stroke: "name", strokeWidth: 2 }),
        Plot.dot(rows, { x: "share", y: "accuracy", fill: "name", r: 4 }),
      ],
    }),
  };
}

/** Accuracy of the real decoder. */
export function realFigure(results: Readonly<Record<string, RealScores>>): Figure {
  const tasks = Object.keys(results);
  const bars = tasks.flatMap((task) =>
    [...results[task]!].map(([configuration, value]) => ({ task, configuration, value })),
  );
  const series = [...new Set(bars.map(({ configuration }) => configuration))];
  return {
    name: "real-decoder",
    caption: `SmolLM2 with low-rank adapters on its top ten blocks: ${tasks.join(" and ")}, by configuration of its three groups of ten blocks.`,
    svg: drawPlot({
      title: "SmolLM2 as a labeller",
      series,
      height: 300,
      fx: { label: null, domain: tasks },
      x: { axis: null, domain: series },
      y: { grid: true, label: "score", domain: [0, 1] },
      marks: [
        Plot.barY(bars, { fx: "task", x: "configuration", y: "value", fill: "configuration" }),
        Plot.text(bars, {
          fx: "task",
          x: "configuration",
          y: "value",
          dy: -8,
          text: (d: { value: number }) => d.value.toFixed(3),
        }),
        Plot.ruleY([0]),
      ],
    }),
  };
}

/**
 * The tuner's findings as a picture: what steps cost, how deep drafts are right, and what was chosen.
 */
import type { TuningProfile } from "../decode/index.ts";
import { drawPlot, Plot } from "./figure.ts";

const nameOf = (drafters: readonly string[]) => drafters.join(" + ") || "plain";

/** Depths that are drawn. */
const deepest = 8;

/** Three panels, one below the other, as the text of an SVG file. */
export function tuningFigure(profile: TuningProfile): string {
  const { costs, candidates, chosen, check, model, machine } = profile;
  const contexts = costs.contexts.map((context) => `context ${context}`);
  const cost = drawPlot({
    title: `Cost of a step, ${model.name} in ${model.form} on ${machine.cpu}`,
    series: contexts,
    x: { label: "tokens in a step", type: "log", base: 2 },
    y: { label: "cost, in steps of one token", grid: true },
    marks: [
      Plot.line(
        costs.milliseconds.flatMap((line, c) =>
          line.map((ms, i) => ({ rows: costs.rows[i], cost: ms / line[0]!, context: contexts[c] })),
        ),
        { x: "rows", y: "cost", stroke: "context", marker: "dot" },
      ),
      Plot.ruleY([1], { stroke: "#999", strokeDasharray: "3" }),
    ],
  });
  const drafting = candidates.filter(({ drafters }) => drafters.length);
  const names = drafting.map(({ drafters }) => nameOf(drafters));
  const acceptance = drawPlot({
    title: "Accepted, by depth of the draft",
    series: names,
    height: 320,
    x: { label: "depth", ticks: deepest },
    y: { label: "share of steps that drafted this deep", domain: [0, 1], grid: true },
    marks: [
      Plot.line(
        drafting.flatMap(({ drafters, acceptanceByDepth }) =>
          acceptanceByDepth.slice(0, deepest).map((share, i) => ({ depth: i + 1, share, name: nameOf(drafters) })),
        ),
        { x: "depth", y: "share", stroke: "name", marker: "dot" },
      ),
    ],
  });
  const bars = candidates.map((c) => ({
    name: nameOf(c.drafters),
    speedup: c.predictedSpeedup,
    chosen: nameOf(c.drafters) === nameOf(chosen),
  }));
  const choice = drawPlot({
    title: `Chosen: ${nameOf(chosen)}, predicted ${check.predictedSpeedup.toFixed(2)}×, measured ${check.measuredSpeedup.toFixed(2)}×`,
    height: 60 + 28 * bars.length,
    marginLeft: 240,
    x: { label: "predicted speed, in plain decoding", grid: true },
    y: { label: null, domain: bars.map(({ name }) => name) },
    marks: [
      Plot.barX(bars, {
        x: "speedup",
        y: "name",
        fill: (d: { chosen: boolean }) => (d.chosen ? "#59a14f" : "#bab0ab"),
      }),
      Plot.ruleX([1]),
    ],
  });
  return stack([cost, acceptance, choice]);
}

/** Puts pictures below each other. */
function stack(pictures: readonly string[]): string {
  let height = 0;
  let width = 0;
  const parts = pictures.map((svg) => {
    const size = (name: string) => Number(new RegExp(`^<svg[^>]* ${name}="(\\d+(?:\\.\\d+)?)"`).exec(svg)![1]);
    const placed = svg.trim().replace(/^<svg/, `<svg y="${height}"`);
    height += size("height");
    width = Math.max(width, size("width"));
    return placed;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">${parts.join("\n")}</svg>\n`;
}

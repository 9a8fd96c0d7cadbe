/**
 * Pictures of the result: scores by arm, and the same point completed with and without monitors.
 */
import { drawPlot, type PaperContext, Plot } from "bletchley/papers";
import type { Arm, Trial } from "./arms.ts";
import type { Point } from "./point.ts";
import { type PointSet, type Score, scoreNames, scoreOf } from "./report.ts";

/** Draws the scores of all arms. */
export function drawArms(
  context: PaperContext,
  arms: readonly Arm[],
  synthetic: PointSet,
  real: PointSet | undefined,
): void {
  const sets = [{ set: "made-up", points: synthetic }, ...(real ? [{ set: "real", points: real }] : [])];
  const names = arms.map(({ name }) => name);
  const bars = sets.flatMap(({ set, points }) =>
    names.flatMap((arm) =>
      (Object.keys(scoreNames) as Score[]).flatMap((score) => {
        const percent = scoreOf(points, arm, score);
        return percent === undefined ? [] : [{ panel: `${scoreNames[score]}@1 ${set}`, arm, percent }];
      }),
    ),
  );
  const panels = [...new Set(bars.map(({ panel }) => panel))];
  context.figure({
    name: "scores",
    caption:
      "Completions that compile (CR), next identifiers (NIM), identifier sequences (ISM) and tokens (PM) that agree with the truth, by arm.",
    svg: drawPlot({
      title: "Completions of dereference points",
      series: names,
      width: 860,
      fx: { label: null, domain: panels },
      x: { axis: null, domain: names },
      y: { label: "percent", grid: true, domain: [0, 100] },
      marks: [
        Plot.barY(bars, { fx: "panel", x: "arm", y: "percent", fill: "arm" }),
        Plot.text(bars, {
          fx: "panel",
          x: "arm",
          y: "percent",
          text: ({ percent }: { percent: number }) => percent.toFixed(0),
          dy: -6,
          fontSize: 9,
        }),
        Plot.ruleY([0]),
      ],
    }),
  });
}

const escapeXml = (text: string) => text.replace(/[&<>]/g, (c) => (c === "&" ? "&amp;" : c === "<" ? "&lt;" : "&gt;"));

const lineHeight = 16;
/** Longest line that is shown, and lines of the prompt and of a completion. */
const mostColumns = 92;
const promptLines = 8;
const answerLines = 6;

/** A piece of code in one colour. */
interface Piece {
  readonly text: string;
  readonly colour: string;
}

/** Lines of pieces as SVG, from a line on. */
function codeLines(pieces: readonly Piece[], top: number, most: number): readonly [svg: string, lines: number] {
  const lines: Piece[][] = [[]];
  for (const { text, colour } of pieces)
    for (const [i, part] of text.split("\n").entries()) {
      if (i) lines.push([]);
      lines[lines.length - 1]!.push({ text: part, colour });
    }
  const shown = lines.slice(0, most);
  const svg = shown.map((line, i) => {
    let room = mostColumns;
    const spans = line.map(({ text, colour }) => {
      const kept = text.slice(0, room);
      room -= kept.length;
      return `<tspan fill="${colour}">${escapeXml(kept)}</tspan>`;
    });
    return `<text xml:space="preserve" x="16" y="${top + i * lineHeight}">${spans.join("")}</text>`;
  });
  return [svg.join(""), shown.length];
}

/** A completion, the identifiers that were limited in another colour. */
function piecesOf({ text, limited }: Trial): readonly Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  for (const name of [...limited].sort((a, b) => a.at - b.at)) {
    const start = Math.max(name.at, at);
    const end = name.at + name.name.length;
    if (end <= start) continue;
    pieces.push({ text: text.slice(at, start), colour: "#222" }, { text: text.slice(start, end), colour: "#2f7d32" });
    at = end;
  }
  return [...pieces, { text: text.slice(at), colour: "#222" }];
}

/** Draws a point that compiles with monitors only, as both arms go on. */
export function drawExample(context: PaperContext, points: readonly Point[], { trials }: PointSet): void {
  const greedy = (arm: string, point: number) =>
    trials.find((trial) => trial.arm === arm && trial.point === point && trial.sample === 0)!;
  const candidates = points
    .map((_, number) => ({ plain: greedy("plain", number), mgd: greedy("MGD", number), number }))
    .filter(({ plain, mgd }) => !plain.compiles && mgd.compiles && mgd.nextIdentifier);
  const [shown] = candidates.sort((a, b) => b.mgd.limited.length - a.mgd.limited.length);
  if (!shown) return;
  const { before } = points[shown.number]!;
  const tail = before.split("\n").slice(-promptLines).join("\n");
  let top = 48;
  let body = "";
  const block = (title: string, pieces: readonly Piece[], most: number) => {
    body += `<text x="8" y="${top}" font-family="system-ui,sans-serif" font-weight="600">${title}</text>`;
    const [svg, lines] = codeLines(pieces, top + 20, most);
    body += svg;
    top += 20 + lines * lineHeight + 16;
  };
  block("the file up to the dot", [{ text: tail, colour: "#666" }], promptLines);
  block("plain", [{ text: shown.plain.text, colour: "#b3261e" }], answerLines);
  block("with the monitor; what it limited is green", piecesOf(shown.mgd), answerLines);
  const heading = `<text x="8" y="20" font-family="system-ui,sans-serif" font-size="14" font-weight="600">A point that compiles with the monitor only</text>`;
  context.figure({
    name: "example",
    caption:
      "The same file continued greedily without and with the monitor of members; declarations are in other files.",
    svg: `<svg xmlns="http://www.w3.org/2000/svg" width="760" height="${top}" viewBox="0 0 760 ${top}" style="background:#fff;font:12px ui-monospace,monospace">${heading}${body}</svg>\n`,
  });
}

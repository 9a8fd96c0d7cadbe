/**
 * A piece of code coloured by the roles that classifiers see, wrong ones marked with the right one.
 */
import type { Figure } from "bletchley/papers";
import type { SourceFile, Window } from "./corpus.ts";
import { type Role, roles } from "./roles.ts";

const colours: Readonly<Record<Role, string>> = {
  CALL: "#4e79a7",
  MCALL: "#76b7b2",
  PROP: "#59a14f",
  PARAM: "#f28e2c",
  TYPE: "#af7aa1",
  KEY: "#9c755f",
  FDECL: "#1f4e79",
  VDECL: "#b8860b",
  SHORT: "#ff9da7",
  REF: "#555555",
};

const asXml = (text: string) =>
  text.replace(/[&<>]/g, (c) => (c === "&" ? "&amp;" : c === "<" ? "&lt;" : "&gt;")).replaceAll(" ", "\u00a0");

const character = 7.0;
const line = 24;

/** Names of labels that a classifier gave to a window's tokens, in order. */
export interface Reading {
  readonly name: string;
  readonly labels: readonly number[];
}

const isWrong = ({ tokens }: Window, { labels }: Reading, i: number) =>
  tokens[i]!.role !== undefined && roles[labels[i]!] !== tokens[i]!.role;

/** Number of tokens that a reading gets wrong. */
export function mistakes(window: Window, reading: Reading): number {
  return window.tokens.filter((_, i) => isWrong(window, reading, i)).length;
}

/** Rows and columns that a window takes, comments left out. */
function layOut(window: Window, text: string): readonly { readonly row: number; readonly column: number }[] {
  let [row, column] = [0, 0];
  const first = window.tokens[0]!;
  const margin = first.start - (text.lastIndexOf("\n", first.start - 1) + 1);
  const indent = text.slice(first.start - margin, first.start).search(/\S|$/);
  column = 0;
  return window.tokens.map((token, i) => {
    if (i) {
      const before = window.tokens[i - 1]!;
      const gap = text.slice(before.start + before.text.length, token.start);
      const ends = gap.split("\n");
      if (ends.length > 1) {
        row++;
        column = Math.max(0, ends.at(-1)!.length - indent);
      } else column += gap.trim() ? 1 : gap.length;
    }
    const at = { row, column };
    column += token.text.length;
    return at;
  });
}

/** How well a window can be shown: undefined when it is too wide, too long, or has tokens of several lines. */
export function shownSize(
  window: Window,
  { text }: SourceFile,
): { readonly rows: number; readonly columns: number } | undefined {
  if (window.tokens.some((token) => token.text.includes("\n"))) return undefined;
  const places = layOut(window, text);
  const columns = Math.max(...places.map(({ column }, i) => column + window.tokens[i]!.text.length));
  const rows = places.at(-1)!.row + 1;
  return columns <= 90 && rows <= 16 ? { rows, columns } : undefined;
}

/** Readings of one window below each other. */
export function snippetFigure(window: Window, file: SourceFile, readings: readonly Reading[]): Figure {
  const places = layOut(window, file.text);
  const { rows, columns } = shownSize(window, file)!;
  const width = Math.max(640, 32 + Math.ceil(columns * character));
  const panel = rows * line + 44;
  const parts = [
    `<text x="8" y="18" font-size="14" font-weight="600">What are these names there for?</text>`,
    ...roles.map(
      (role, i) =>
        `<text x="${8 + (i % 10) * 62}" y="38" font-size="11" fill="${colours[role]}" font-weight="600">${role}</text>`,
    ),
  ];
  for (const [p, reading] of readings.entries()) {
    const top = 52 + p * panel;
    parts.push(
      `<rect x="4" y="${top}" width="${width - 8}" height="${panel - 8}" fill="#fafafa" stroke="#ddd" rx="4"/>`,
      `<text x="12" y="${top + 18}" font-weight="600">${reading.name}: ${mistakes(window, reading)} wrong</text>`,
    );
    for (const [i, { row, column }] of places.entries()) {
      const token = window.tokens[i]!;
      const x = 16 + column * character;
      const y = top + 46 + row * line;
      const length = token.text.length * character;
      const role = token.role && roles[reading.labels[i]!];
      const wrong = isWrong(window, reading, i);
      if (wrong)
        parts.push(
          `<rect x="${x - 1}" y="${y - 12}" width="${length + 2}" height="16" fill="#ffd6d6" stroke="#d62728" rx="2"/>`,
          `<text x="${x}" y="${y - 13}" font-size="8" fill="#d62728">${token.role}</text>`,
        );
      parts.push(
        `<text x="${x}" y="${y}" textLength="${length}" lengthAdjust="spacingAndGlyphs" font-family="monospace" font-size="11.5" fill="${role ? colours[role] : "#999"}"${role && role !== "REF" ? ' font-weight="600"' : ""}>${asXml(token.text)}</text>`,
      );
    }
  }
  const height = 52 + readings.length * panel;
  return {
    name: "snippet",
    caption: `The test window where the better one sets most right (${window.path}) as ${readings.map(({ name }) => name).join(" and as ")} see it: names coloured by the predicted role; boxes mark wrong ones, with the compiler's role above.`,
    svg: `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" style="background:#fff;color:#222;font:12px system-ui,sans-serif" fill="#222">${parts.join("")}</svg>\n`,
  };
}

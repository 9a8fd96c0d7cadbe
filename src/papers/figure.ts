/**
 * Draws figures as SVG: Observable Plot on a document of its own.
 */
import * as Plot from "@observablehq/plot";
import { newDocument } from "./document.ts";

export { Plot };

/** Fonts and colours of all figures; the SVG carries them itself, so that it looks the same wherever it is opened. */
export const figureStyle = "background:#fff;color:#222;font:12px system-ui,sans-serif";

/** Colours of series, in order: Tableau's ten. */
const colours = [
  "#4e79a7",
  "#f28e2c",
  "#e15759",
  "#76b7b2",
  "#59a14f",
  "#edc949",
  "#af7aa1",
  "#ff9da7",
  "#9c755f",
  "#bab0ab",
] as const;

/** Options of Observable Plot, and the names of the series that colours tell apart. */
export interface PlotOptions extends Plot.PlotOptions {
  /** Values of the colour channel; they are listed beside the title, and have the same colours everywhere. */
  readonly series?: readonly string[];
}

/** Height of a line of words above a plot. */
const lineHeight = 20;

/** Text that may stand in XML. */
export const escapeXml = (text: string) =>
  text.replace(/[&<>]/g, (c) => (c === "&" ? "&amp;" : c === "<" ? "&lt;" : "&gt;"));

/** The names of series with their colours, in lines that fit the width. @returns SVG text elements, and the next line's place. */
function legend(series: readonly string[], width: number, top: number): readonly [svg: string, bottom: number] {
  let x = 8;
  let y = top;
  const parts = series.map((name, i) => {
    // about the width of this font
    const length = 28 + 6.6 * name.length;
    if (x > 8 && x + length > width) {
      x = 8;
      y += lineHeight;
    }
    const part = `<text x="${x}" y="${y}" fill="${colours[i % colours.length]}">■ ${escapeXml(name)}</text>`;
    x += length;
    return part;
  });
  return [parts.join(""), series.length ? y + lineHeight : top];
}

/** A plot as the text of an SVG file. */
export function drawPlot({ title, series = [], ...options }: PlotOptions): string {
  const { width = 720, height = 360 } = options;
  const node = Plot.plot({
    width,
    height,
    ...options,
    color: {
      ...(series.length ? { domain: [...series], range: [...colours] } : { scheme: "tableau10" }),
      ...options.color,
    },
    document: newDocument(),
  }) as unknown as SVGSVGElement;
  // a legend or a caption would wrap the picture in HTML
  const svg = node.nodeName.toLowerCase() === "svg" ? node : (node.querySelector("svg") as SVGSVGElement);
  for (const element of svg.querySelectorAll("style")) element.remove();
  const heading = title ? `<text x="8" y="18" font-size="14" font-weight="600">${escapeXml(String(title))}</text>` : "";
  const [names, top] = legend(series, width, title ? 40 : 18);
  svg.setAttribute("y", String(title || series.length ? top : 0));
  const total = height + (title || series.length ? top : 0);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${total}" viewBox="0 0 ${width} ${total}" style="${figureStyle}" fill="#222">${heading}${names}${svg.outerHTML}</svg>\n`;
}

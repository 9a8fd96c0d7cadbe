/**
 * Draws figures as SVG: Observable Plot on a document of its own.
 */
import * as Plot from "@observablehq/plot";
import { newDocument } from "./document.ts";

export { Plot };

/** Fonts and colours of all figures; the SVG carries them itself, so that it looks the same wherever it is opened. */
const style = "background:#fff;color:#222;font:12px system-ui,sans-serif";

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

/** A plot as the text of an SVG file. */
export function drawPlot({ title, series = [], ...options }: PlotOptions): string {
  const document = newDocument();
  const top = (title ? 28 : 0) + (series.length ? 22 : 0);
  const node = Plot.plot({
    width: 720,
    height: 360,
    marginTop: top + 24,
    ...options,
    color: {
      ...(series.length ? { domain: [...series], range: [...colours] } : { scheme: "tableau10" }),
      ...options.color,
    },
    document,
  }) as unknown as SVGSVGElement;
  // a legend or a caption would wrap the picture in HTML
  const svg = node.nodeName.toLowerCase() === "svg" ? node : (node.querySelector("svg") as SVGSVGElement);
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  svg.setAttribute("style", style);
  for (const element of svg.querySelectorAll("style")) element.remove();
  const write = (text: string, x: number, y: number, attributes: Readonly<Record<string, string>>) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", "text");
    for (const [name, value] of Object.entries({ x: String(x), y: String(y), ...attributes }))
      element.setAttribute(name, value);
    element.textContent = text;
    svg.append(element);
  };
  if (title) write(String(title), 8, 18, { "font-size": "14", "font-weight": "600", fill: "#222" });
  let x = 8;
  series.forEach((name, i) => {
    write(`■ ${name}`, x, title ? 40 : 16, { fill: colours[i % colours.length]! });
    // about the width of this font
    x += 24 + 6.4 * name.length;
  });
  return `${svg.outerHTML}\n`;
}

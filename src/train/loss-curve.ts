/**
 * Curves of a training run as the text of an SVG file: few lines of drawing, so that training needs no plotting library.
 */

/** A curve: its name and its points. */
export interface Curve {
  readonly name: string;
  readonly points: readonly (readonly [step: number, value: number])[];
}

const size = { width: 720, height: 360, left: 56, right: 16, top: 36, bottom: 40 };
const colours = ["#4e79a7", "#e15759", "#59a14f", "#f28e2c", "#76b7b2", "#af7aa1"];
/** More points than this are averaged in groups: a pixel shows no more. */
const maxPoints = 600;

function thin(points: Curve["points"]): Curve["points"] {
  const group = Math.ceil(points.length / maxPoints);
  if (group <= 1) return points;
  return Array.from({ length: Math.ceil(points.length / group) }, (_, i) => {
    const part = points.slice(i * group, (i + 1) * group);
    const mean = (axis: 0 | 1) => part.reduce((sum, point) => sum + point[axis], 0) / part.length;
    return [mean(0), mean(1)] as const;
  });
}

/** Round numbers from `low` to `high`, about five of them. */
function ticks(low: number, high: number): number[] {
  const rough = (high - low) / 5 || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough)!;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

const escaped = (text: string) => text.replace(/[<>&"]/g, (c) => `&#${c.charCodeAt(0)};`);

/** Draws curves over steps, with a legend. Values that are not finite are left out. */
export function drawCurves(curves: readonly Curve[], title = "Loss"): string {
  const drawn = curves.map(({ name, points }) => ({
    name,
    points: thin(points.filter(([step, value]) => Number.isFinite(step) && Number.isFinite(value))),
  }));
  const all = drawn.flatMap(({ points }) => points);
  const range = (axis: 0 | 1): readonly [number, number] => {
    let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (const point of all) [low, high] = [Math.min(low, point[axis]), Math.max(high, point[axis])];
    if (low > high) return [0, 1];
    return low === high ? [low - 0.5, high + 0.5] : [low, high];
  };
  const [x, y] = [range(0), range(1)];
  const { width, height, left, right, top, bottom } = size;
  const toX = (v: number) => left + ((v - x[0]) / (x[1] - x[0])) * (width - left - right);
  const toY = (v: number) => height - bottom - ((v - y[0]) / (y[1] - y[0])) * (height - top - bottom);
  const at = (v: number) => v.toFixed(1);
  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" style="background:#fff;font:12px system-ui,sans-serif">`,
    `<text x="8" y="20" font-size="14" font-weight="600" fill="#222">${escaped(title)}</text>`,
  ];
  for (const v of ticks(...y))
    lines.push(
      `<path d="M${left} ${at(toY(v))}H${width - right}" stroke="#e5e5e5"/><text x="${left - 6}" y="${at(toY(v) + 4)}" text-anchor="end" fill="#555">${v}</text>`,
    );
  for (const v of ticks(...x))
    lines.push(`<text x="${at(toX(v))}" y="${height - bottom + 16}" text-anchor="middle" fill="#555">${v}</text>`);
  lines.push(`<text x="${width - right}" y="${height - 8}" text-anchor="end" fill="#555">step</text>`);
  let legend = left + 60;
  drawn.forEach(({ name, points }, i) => {
    const colour = colours[i % colours.length]!;
    const path = points.map(([step, value], j) => `${j ? "L" : "M"}${at(toX(step))} ${at(toY(value))}`).join("");
    if (path) lines.push(`<path d="${path}" fill="none" stroke="${colour}" stroke-width="1.5"/>`);
    lines.push(`<text x="${legend}" y="20" fill="${colour}">■ ${escaped(name)}</text>`);
    legend += 30 + 7 * name.length;
  });
  return `${lines.join("\n")}\n</svg>\n`;
}

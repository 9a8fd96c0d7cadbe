/**
 * Draws videos side by side as an SVG that plays: frames lie in one picture each, which is moved along. It plays where scripts do not run, as an
 * image does; where they run, a click stops it and the bar below finds a frame.
 */
import { encodeJpeg, type RgbPicture } from "../formats/index.ts";
import { fail } from "../util/errors.ts";
import { escapeXml, figureStyle } from "./figure.ts";

/** A video with its name. */
export interface PlayerColumn {
  readonly name: string;
  /** All of one size. */
  readonly frames: readonly RgbPicture[];
  /** A number for each frame, such as its PSNR, drawn below as a curve. */
  readonly curve?: readonly number[];
}

/** What a player shows. */
export interface PlayerOptions {
  readonly title: string;
  readonly columns: readonly PlayerColumn[];
  /** 10 by default. */
  readonly framesPerSecond?: number;
  /** Of the JPEG pictures; 75 by default. */
  readonly quality?: number;
  /** Width of a video as drawn; 220 by default. */
  readonly width?: number;
  /** What the curves show, such as `PSNR, dB`. */
  readonly curveName?: string;
}

/** Frames one below the other, as one picture. */
function strip(frames: readonly RgbPicture[]): RgbPicture {
  const { width, height } = frames[0]!;
  const rgb = new Uint8Array(frames.length * width * height * 3);
  frames.forEach((frame, i) => {
    rgb.set(frame.rgb, i * width * height * 3);
  });
  return { width, height: height * frames.length, rgb };
}

function base64(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

const script = `(()=>{const svg=document.currentScript.closest("svg"),bar=svg.querySelector("[data-bar]"),seconds=Number(bar.dataset.bar);
svg.addEventListener("click",e=>{const box=bar.getBoundingClientRect();if(e.clientY>=box.top-6&&e.clientY<=box.bottom+6){svg.pauseAnimations();svg.setCurrentTime(Math.min(.9999,Math.max(0,(e.clientX-box.left)/box.width))*seconds)}
else if(svg.animationsPaused())svg.unpauseAnimations();else svg.pauseAnimations()})})()`;

/** A player as the text of an SVG file. @throws `argument` when there are no frames, or columns differ in their number. */
export function drawPlayer(options: PlayerOptions): string {
  const { title, columns, framesPerSecond = 10, quality = 75, width = 220, curveName } = options;
  const count = columns[0]?.frames.length ?? 0;
  for (const { name, frames, curve } of columns)
    if (!frames.length || frames.length !== count || (curve && curve.length !== count))
      fail("argument", `drawPlayer: "${name}" has ${frames.length} frames, and ${count} are needed`);
  if (!count) fail("argument", "drawPlayer: there is nothing to play");
  const seconds = count / framesPerSecond;
  const timing = `dur="${seconds}s" repeatCount="indefinite"`;
  const [gap, left, top, curveHeight] = [10, 8, 50, 54];
  const first = columns[0]!.frames[0]!;
  const height = Math.round((width * first.height) / first.width);
  const curves = columns.flatMap(({ curve }) => curve ?? []);
  const [low, high] = [Math.floor(Math.min(...curves)), Math.ceil(Math.max(...curves))];
  const barTop = top + height + (curves.length ? curveHeight + 24 : 10);
  const total = left * 2 + columns.length * (width + gap) - gap;
  const parts = [`<text x="${left}" y="18" font-size="14" font-weight="600">${escapeXml(title)}</text>`];
  columns.forEach(({ name, frames, curve }, column) => {
    const x = left + column * (width + gap);
    const picture = strip(frames);
    const places = frames.map((_, i) => -i * first.height).join(";");
    parts.push(
      `<text x="${x + width / 2}" y="${top - 8}" text-anchor="middle">${escapeXml(name)}</text>`,
      `<svg x="${x}" y="${top}" width="${width}" height="${height}" viewBox="0 0 ${first.width} ${first.height}" overflow="hidden"><image width="${picture.width}" height="${picture.height}" href="data:image/jpeg;base64,${base64(encodeJpeg(picture, quality))}"><animate attributeName="y" values="${places}" calcMode="discrete" ${timing}/></image></svg>`,
    );
    if (!curve) return;
    const bottom = top + height + 12 + curveHeight;
    const points = curve.map(
      (value, i) =>
        `${(x + ((i + 0.5) * width) / count).toFixed(1)},${(bottom - ((value - low) / Math.max(1e-9, high - low)) * curveHeight).toFixed(1)}`,
    );
    parts.push(
      `<rect x="${x}" y="${bottom - curveHeight}" width="${width}" height="${curveHeight}" fill="#f6f6f6"/>`,
      `<polyline points="${points.join(" ")}" fill="none" stroke="#4e79a7" stroke-width="1.5"/>`,
      `<text x="${x + 3}" y="${bottom - curveHeight + 11}" font-size="9" fill="#666">${high}${curveName ? ` ${escapeXml(curveName)}` : ""}</text>`,
      `<text x="${x + 3}" y="${bottom - 3}" font-size="9" fill="#666">${low}</text>`,
      `<line x1="${x}" x2="${x}" y1="${bottom - curveHeight}" y2="${bottom}" stroke="#e15759"><animateTransform attributeName="transform" type="translate" from="0 0" to="${width} 0" ${timing}/></line>`,
    );
  });
  const length = total - 2 * left;
  parts.push(
    `<rect data-bar="${seconds}" x="${left}" y="${barTop}" width="${length}" height="6" rx="3" fill="#ddd"/>`,
    `<rect x="${left}" y="${barTop}" width="0" height="6" rx="3" fill="#4e79a7" pointer-events="none"><animate attributeName="width" from="0" to="${length}" ${timing}/></rect>`,
    `<script>//<![CDATA[\n${script}\n//]]></script>`,
  );
  const below = barTop + 16;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${total}" height="${below}" viewBox="0 0 ${total} ${below}" style="${figureStyle}" fill="#222">${parts.join("")}</svg>\n`;
}

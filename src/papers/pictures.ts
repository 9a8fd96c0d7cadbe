/**
 * Draws rows of pictures as SVG: what a model saw beside what it made of it.
 */
import { type BytePicture, encodePng, type RgbPicture } from "../formats/index.ts";
import { fail } from "../util/errors.ts";
import { escapeXml, figureStyle } from "./figure.ts";

/** Rows of pictures with names above and beside. */
export interface PictureRows {
  readonly title: string;
  /** Names of the columns. */
  readonly columns: readonly string[];
  readonly rows: readonly { readonly name: string; readonly pictures: readonly (BytePicture | RgbPicture)[] }[];
  /** Names of colours. */
  readonly legend?: readonly (readonly [name: string, colour: string])[];
  /** Width of a picture as drawn, 110 by default; all are as high as the first one is for it. */
  readonly side?: number;
}

/** Brightness from a range of values; what is beyond is as dark or as bright as can be. */
export function greyPicture(
  values: ArrayLike<number>,
  size: { readonly width: number; readonly height: number },
  [low, high]: readonly [low: number, high: number],
): BytePicture {
  const byte = (value: number) => Math.round(255 * Math.min(1, Math.max(0, (value - low) / (high - low))));
  return { ...size, pixels: Uint8Array.from({ length: values.length }, (_, i) => byte(values[i]!)) };
}

function dataAddress(picture: BytePicture | RgbPicture): string {
  let binary = "";
  for (const byte of encodePng(picture)) binary += String.fromCharCode(byte);
  return `data:image/png;base64,${btoa(binary)}`;
}

/** Rows of pictures as the text of an SVG file. @throws `argument` when a row has not as many pictures as there are columns. */
export function drawPictures({ title, columns, rows, legend = [], side = 110 }: PictureRows): string {
  const gap = 6;
  const left = 100;
  const top = 52;
  const [first] = rows[0]?.pictures ?? [];
  const tall = first ? Math.round((side * first.height) / first.width) : side;
  const width = Math.max(left + columns.length * (side + gap), 480);
  const text = (x: number, y: number, words: string, rest = "") =>
    `<text x="${x}" y="${y}" ${rest}>${escapeXml(words)}</text>`;
  const parts = [text(8, 18, title, 'font-size="14" font-weight="600"')];
  const centre = (column: number) => left + column * (side + gap) + side / 2;
  columns.forEach((name, column) => {
    parts.push(text(centre(column), top - 8, name, 'text-anchor="middle"'));
  });
  rows.forEach(({ name, pictures }, row) => {
    if (pictures.length !== columns.length)
      fail("argument", `drawPictures: row "${name}" has ${pictures.length} pictures for ${columns.length} columns`);
    const y = top + row * (tall + gap);
    parts.push(text(8, y + tall / 2, name));
    pictures.forEach((picture, column) => {
      const x = left + column * (side + gap);
      parts.push(
        `<image x="${x}" y="${y}" width="${side}" height="${tall}" style="image-rendering:pixelated" href="${dataAddress(picture)}"/>`,
      );
    });
  });
  const below = top + rows.length * (tall + gap) + 16;
  let x = 8;
  for (const [name, colour] of legend) {
    parts.push(`<text x="${x}" y="${below}"><tspan fill="${escapeXml(colour)}">■</tspan> ${escapeXml(name)}</text>`);
    x += 28 + 6.6 * name.length;
  }
  const height = legend.length ? below + 12 : below - 8;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" style="${figureStyle}" fill="#222">${parts.join("")}</svg>\n`;
}

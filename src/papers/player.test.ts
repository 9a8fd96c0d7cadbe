import { Resvg } from "@resvg/resvg-js";
import { describe, expect, it } from "vitest";
import { encodeJpeg, type RgbPicture } from "../formats/index.ts";
import { drawPlayer } from "./index.ts";

function pictureOf(width: number, height: number, colour: (x: number, y: number) => readonly number[]): RgbPicture {
  const rgb = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) rgb.set(colour(i % width, Math.floor(i / width)), 3 * i);
  return { width, height, rgb };
}

/** What an independent reader of SVG and JPEG makes of a file, as red, green, blue. */
function rendered(svg: string): Uint8Array {
  return new Uint8Array(new Resvg(svg).render().pixels.filter((_, i) => i % 4 < 3));
}

describe("JPEG pictures", () => {
  it.each([
    [90, 38],
    [50, 31],
  ])("of quality %i are read by others, with a PSNR above %i dB", (quality, least) => {
    const [width, height] = [45, 37];
    const picture = pictureOf(width, height, (x, y) => [
      128 + 100 * Math.sin(x / 9) * Math.cos(y / 7),
      4 * x,
      255 - 5 * y,
    ]);
    const data = Buffer.from(encodeJpeg(picture, quality)).toString("base64");
    const pixels = rendered(
      `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><image width="${width}" height="${height}" style="image-rendering:pixelated" href="data:image/jpeg;base64,${data}"/></svg>`,
    );
    const error = pixels.reduce((sum, value, i) => sum + (value - picture.rgb[i]!) ** 2, 0) / pixels.length;
    expect(10 * Math.log10(255 ** 2 / error)).toBeGreaterThan(least);
  });
});

describe("a player", () => {
  const frames = [0, 80, 160, 240].map((grey) => pictureOf(16, 8, () => [grey, grey, grey]));

  it("shows the first frame where nothing moves, and each of them in its turn elsewhere", () => {
    const svg = drawPlayer({
      title: "a < b",
      columns: [
        { name: "one & only", frames },
        { name: "two", frames: frames.toReversed(), curve: [30, 31.5, 29, 30] },
      ],
      framesPerSecond: 8,
      width: 100,
    });
    expect(svg).toContain("a &lt; b");
    expect(svg).toContain("one &amp; only");
    expect(
      [...svg.matchAll(/<animate attributeName="y" values="([^"]+)" calcMode="discrete" dur="0.5s"/g)].map(
        ([, v]) => v,
      ),
    ).toEqual(["0;-8;-16;-24", "0;-8;-16;-24"]);
    expect(svg).toContain('data-bar="0.5"');
    const width = Number(/width="(\d+)"/.exec(svg)![1]);
    const pixels = rendered(svg);
    const at = (x: number, y: number) => pixels[(y * width + x) * 3]!;
    expect(Math.abs(at(58, 75) - 0)).toBeLessThan(4);
    expect(Math.abs(at(168, 75) - 240)).toBeLessThan(4);
  });

  it("needs frames, and as many of each", () => {
    expect(() => drawPlayer({ title: "", columns: [] })).toThrow(/nothing to play/);
    const columns = [
      { name: "a", frames },
      { name: "b", frames: frames.slice(1) },
    ];
    expect(() => drawPlayer({ title: "", columns })).toThrow(/"b" has 3 frames, and 4 are needed/);
  });
});

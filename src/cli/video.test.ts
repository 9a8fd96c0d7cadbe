import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { decodePng, decodeY4m, encodePng, encodeY4m, framesOf, pictureOf, type RgbPicture } from "../formats/index.ts";
import { exitCodes } from "./exit.ts";
import { run } from "./program.ts";
import { frameList } from "./video-files.ts";

let folder: string;
let out = "";
let err = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bletchley-video-"));
});
afterAll(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(() => {
  [out, err] = ["", ""];
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    out += text;
    return true;
  });
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    err += text;
    return true;
  });
});

const [width, height, count] = [32, 16, 11];
const pictures: RgbPicture[] = Array.from({ length: count }, (_, n) => ({
  width,
  height,
  rgb: Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 2 + 20 * n) & 255),
}));
const at = (...parts: string[]) => join(folder, ...parts);

describe("bletchley video", () => {
  it("encodes a folder of pictures in the order of their numbers, and decodes the frames asked for", async () => {
    const { mkdir } = await import("node:fs/promises");
    await mkdir(at("frames"));
    for (const [n, picture] of pictures.entries()) await writeFile(at("frames", `f${n}.png`), encodePng(picture));
    const encode = [
      "video",
      "encode",
      at("frames"),
      at("clip.bnrv"),
      "--size",
      "16000",
      "--epochs",
      "2",
      "--fps",
      "30",
    ];
    expect([await run(encode), err]).toEqual([exitCodes.done, ""]);
    expect(out).toMatch(/clip\.bnrv: 11 frames of 32 × 16, [\d.]+ kB, [\d.]+ bits a pixel/);
    expect(await run(["video", "decode", at("clip.bnrv"), at("some"), "--frames", "10,3-4"])).toBe(exitCodes.done);
    expect((await readdir(at("some"))).sort()).toEqual(["frame-00003.png", "frame-00004.png", "frame-00010.png"]);
    expect(await run(["video", "decode", at("clip.bnrv"), at("all.y4m")])).toBe(exitCodes.done);
    const all = decodeY4m(await readFile(at("all.y4m")));
    expect([all.frames.shape, all.rate]).toEqual([[count, 3, height, width], { numerator: 30, denominator: 1 }]);
    // one frame by two ways: as a picture, and with the rounding of brightness and colours
    const third = decodePng(await readFile(at("some", "frame-00003.png")));
    const inAll = pictureOf(all.frames, 3);
    for (let i = 0; i < third.rgb.length; i++) expect(Math.abs(third.rgb[i]! - inAll.rgb[i]!)).toBeLessThanOrEqual(4);
  });

  it("encodes Y4M with its own rate, by either coder", async () => {
    const frames = framesOf(pictures.slice(0, 3), []);
    await writeFile(at("clip.y4m"), encodeY4m({ frames, rate: { numerator: 24, denominator: 1 } }));
    const encode = ["video", "encode", at("clip.y4m"), at("y.bnrv"), "--size", "16000", "--epochs", "1", "--coder"];
    expect(await run([...encode, "huffman"])).toBe(exitCodes.done);
    expect(await run(["video", "decode", at("y.bnrv"), at("back.y4m"), "--frames", "2"])).toBe(exitCodes.done);
    expect(decodeY4m(await readFile(at("back.y4m"))).rate.numerator).toBe(24);
  });

  it.each([
    [["encode", "nowhere", "x.bnrv"], exitCodes.unavailable, /there is no .*nowhere/],
    [["encode", ".", "x.bnrv"], exitCodes.usage, /holds no PNG pictures/],
    [["encode", "frames", "x.bnrv", "--size", "10"], exitCodes.usage, /whole number from 1000/],
    [["decode", "clip.y4m", "x"], exitCodes.failed, /is no \.bnrv file/],
    [["decode", "clip.bnrv", "x", "--frames", "11"], exitCodes.usage, /no frame 11; the video has frames 0 to 10/],
    [["decode", "clip.bnrv", "x", "--frames", "3-"], exitCodes.usage, /neither a frame nor a range/],
  ])("%j ends with %i and says why", async (args, code, message) => {
    const [name, input, output, ...rest] = args as [string, string, string];
    const paths = [at(input), at(output)];
    expect([await run(["video", name, ...paths, ...rest]), err]).toEqual([code, expect.stringMatching(message)]);
  });

  it("takes pictures of one size only", () => {
    expect(() => framesOf([pictures[0]!, { width: 1, height: 1, rgb: new Uint8Array(3) }], ["a", "b"])).toThrow(
      /b has 1 × 1 pixels, and a has 32 × 16/,
    );
    expect(frameList("3, 17,0-2")).toEqual([3, 17, 0, 1, 2]);
  });
});

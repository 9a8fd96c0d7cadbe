import { describe, expect, it } from "vitest";
import { panVideo } from "../data/index.ts";
import { compile } from "../runtime/index.ts";
import { crc32, type NDArray, Random } from "../util/index.ts";
import {
  fitVideo,
  newVideoNetwork,
  openVideo,
  quantizeVideo,
  readVideo,
  reviveVideo,
  type VideoNetworkConfig,
  writeVideo,
} from "./index.ts";

const config: VideoNetworkConfig = {
  height: 16,
  width: 32,
  frames: 5,
  input: { kind: "codes", channels: 3 },
  strides: [4, 2],
  kernels: [1, 3],
  channels: [6, 5, 4],
};

/** A gradient that glides over a picture of noise. */
function clip(): NDArray {
  const random = new Random(7);
  const rgb = Uint8Array.from({ length: 60 * 60 * 3 }, (_, i) => 60 + (i % 180) + random.integer(16));
  return panVideo({ width: 60, height: 60, rgb }, { frames: 5, width: 32, height: 16, sway: 4 });
}

describe.each(["range", "huffman"] as const)("a file (%s)", (coder) => {
  const made = (async () => {
    const frames = clip();
    const network = newVideoNetwork(config, { seed: 4, encoderWidth: 6 });
    await fitVideo(network, frames, { epochs: 8, learningRate: 1e-2 });
    const video = await quantizeVideo(network, frames, { rate: { numerator: 30000, denominator: 1001 } });
    return { video, file: writeVideo(video, coder) };
  })();

  it("holds all of the video, and says where its bytes went", async () => {
    const { video, file } = await made;
    expect(readVideo(file.bytes)).toEqual(video);
    const { header, scales, tables, codes, weights, total } = file.sizes;
    expect(header + scales + tables + codes + weights).toBe(total);
    expect(total).toBe(file.bytes.length);
  });

  it("gives frames that equal those of the quantised model in memory, bit for bit", async () => {
    const { video, file } = await made;
    const { decoder, codes } = reviveVideo(video);
    await using memory = await compile(({ codes }) => ({ frames: decoder.forward(codes) }), {
      inputs: { codes: { dtype: "f32", shape: ["n", 3, 2, 4] } },
    });
    await using reader = await openVideo(readVideo(file.bytes), { batchSize: 5 });
    const { frames } = await memory.run({ codes: codes! });
    expect((await reader.frames([0, 1, 2, 3, 4])).data).toEqual(frames.data);
    expect((await reader.frames([3, 1])).shape).toEqual([2, 3, 16, 32]);
    const between = await reader.between(1, 1);
    expect(between.data).toEqual((await reader.frames([1])).data);
  });

  it("is refused with an error that says so when it is cut, damaged or from the future", async () => {
    const { bytes } = (await made).file;
    for (let cut = 0; cut < bytes.length; cut += 3)
      expect(() => readVideo(bytes.subarray(0, cut))).toThrow(expect.objectContaining({ code: "format" }));
    for (let at = 0; at < bytes.length; at++) {
      const bad = bytes.slice();
      bad[at]! ^= 1 << (at % 8);
      expect(() => readVideo(bad), `byte ${at}`).toThrow(
        expect.objectContaining({ code: at === 4 ? "unsupported" : "format" }),
      );
    }
    expect(() => readVideo(Uint8Array.from([...bytes, 0]))).toThrow(/damaged or cut/);
  });

  it("is refused without memory being taken when its check sum was made to fit", async () => {
    const { bytes } = (await made).file;
    const forged = (change: (view: DataView, bytes: Uint8Array) => Uint8Array | undefined) => {
      const copy = bytes.slice();
      const out = change(new DataView(copy.buffer), copy) ?? copy;
      new DataView(out.buffer).setUint32(6, crc32(out.subarray(10)), true);
      return out;
    };
    const refused = expect.objectContaining({ code: "format" });
    // frames, then sides, stages, kernels, channels
    expect(() => readVideo(forged((view) => void view.setUint32(14, 0xffffff, true)))).toThrow(refused);
    if (coder === "huffman")
      expect(() => readVideo(forged((view) => void view.setUint32(14, 100, true)))).toThrow(refused);
    expect(() => readVideo(forged((view) => void view.setUint16(10, 0, true)))).toThrow(refused);
    expect(() => readVideo(forged((view) => void view.setUint8(39, 255)))).toThrow(refused);
    expect(() => readVideo(forged((view) => void view.setUint16(44, 4096, true)))).toThrow(refused);
    expect(() => readVideo(forged((view) => void view.setUint8(26, 0)))).toThrow(refused);
    expect(() => readVideo(forged((_, copy) => Uint8Array.from([...copy, 1, 2])))).toThrow(/2 bytes behind its end/);
    const random = new Random(3);
    for (let i = 0; i < 2000; i++) {
      const at = 10 + random.integer(bytes.length - 10);
      const file = forged((view) => void view.setUint8(at, random.integer(256)));
      try {
        readVideo(file);
      } catch (thrown) {
        // other levels are another video; anything else is an error of the right kind
        expect(thrown).toEqual(refused);
      }
    }
  });
});

it("holds a network that reads frames' numbers, without codes", async () => {
  const index = { ...config, input: { kind: "index", levels: 6, base: 1.25 } } as const;
  const video = await quantizeVideo(newVideoNetwork(index, { seed: 1 }), clip(), { weightBits: 5 });
  const back = readVideo(writeVideo(video).bytes);
  expect(back).toEqual(video);
  await using reader = await openVideo(back);
  expect((await reader.frames([4])).shape).toEqual([1, 3, 16, 32]);
  await expect(reader.between(0, 1)).rejects.toThrow(/no codes/);
});

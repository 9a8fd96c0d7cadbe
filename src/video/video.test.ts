import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cropPicture, panVideo, takeRows } from "../data/index.ts";
import { initialize, stateDict } from "../nn/index.ts";
import { compile } from "../runtime/index.ts";
import { gradients } from "../tensor/index.ts";
import { NDArray, Random } from "../util/index.ts";
import {
  balancedStages,
  checkVideoConfig,
  chooseStrides,
  codeSize,
  compressionNetwork,
  compressVideo,
  decoderSize,
  encodeFrames,
  encodePositions,
  FrameDecoder,
  fitVideo,
  framePsnr,
  halvingStages,
  networkNotSmaller,
  networkOfSize,
  newVideoNetwork,
  openVideo,
  planNetwork,
  psnrOf,
  quantizeVideo,
  readVideo,
  spread,
  squareHoles,
  VideoNetwork,
  type VideoNetworkConfig,
  type VideoPlan,
  videoQuality,
  videoSchedule,
  videoSize,
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
const indexConfig: VideoNetworkConfig = { ...config, input: { kind: "index", levels: 6, base: 1.25 } };

/** A gradient that glides over a picture of noise. */
function clip(frames = config.frames, height = 16, width = 32): NDArray {
  const random = new Random(7);
  const rgb = Uint8Array.from({ length: 60 * 60 * 3 }, (_, i) => 60 + (i % 180) + random.integer(16));
  return panVideo({ width: 60, height: 60, rgb }, { frames, width, height, sway: 4 });
}

const countOf = (module: FrameDecoder | VideoNetwork) =>
  [...module.parameters()].reduce((sum, [, { shape }]) => sum + shape.reduce((a, b) => a * b, 1), 0);

describe("sizes", () => {
  it.each([config, indexConfig])("count what the decoder has, and codes", (each) => {
    expect(decoderSize(each)).toBe(countOf(new FrameDecoder(each)));
    const perFrame = each.input.kind === "codes" ? 3 * 2 * 4 : 0;
    expect([codeSize(each), videoSize(each)]).toEqual([perFrame, decoderSize(each) + 5 * perFrame]);
  });

  it("are those of the paper's run on Bunny: codes of 16 × 2 × 4, kernels 1 3 5 5 5, 1.5 million numbers", () => {
    const plan: VideoPlan = {
      height: 640,
      width: 1280,
      frames: 132,
      strides: [5, 4, 4, 2, 2],
      input: { kind: "codes", channels: 16 },
      stages: balancedStages,
    };
    const found = networkOfSize(plan, 1_500_000);
    expect(found.kernels).toEqual([1, 3, 5, 5, 5]);
    expect(codeSize(found)).toBe(128);
    expect(Math.abs(videoSize(found) / 1_500_000 - 1)).toBeLessThan(0.03);
  });

  const plan = (input: VideoPlan["input"], stages: VideoPlan["stages"]): VideoPlan => ({
    height: 64,
    width: 128,
    frames: 32,
    strides: [4, 2, 2, 2],
    input,
    stages,
  });

  it("are found for any budget: nearest of all first widths, and rivals neither smaller nor 3 % larger", () => {
    fc.assert(
      fc.property(fc.integer({ min: 20_000, max: 400_000 }), (budget) => {
        const codes = plan({ kind: "codes", channels: 8 }, { ...balancedStages, leastChannels: 8 });
        const found = networkOfSize(codes, budget);
        const distance = (n: number) => Math.abs(videoSize(planNetwork(codes, n)) - budget);
        const [first] = found.channels as [number];
        expect(distance(first)).toBeLessThanOrEqual(Math.min(distance(first - 1), distance(first + 1)));
        const least = videoSize(found);
        for (const rival of [
          plan({ kind: "index", levels: 80, base: 1.25 }, { ...halvingStages, leastChannels: 8 }),
          plan({ kind: "index", levels: 80, base: 1.25 }, { ...balancedStages, leastChannels: 8 }),
        ]) {
          const size = videoSize(networkNotSmaller(rival, least));
          expect(size).toBeGreaterThanOrEqual(least);
          expect(size).toBeLessThanOrEqual(1.03 * least);
        }
      }),
      { numRuns: 20 },
    );
  });

  it("round halves to even, as the published code does", () => {
    const rule = { reduction: 2, kernels: [3, 3], leastChannels: 1 } as const;
    expect(planNetwork(plan(config.input, rule), 5).channels).toEqual([5, 2, 1, 1, 1]);
    expect(planNetwork(plan(config.input, rule), 7).channels).toEqual([7, 4, 2, 1, 1]);
  });

  it("refuse what is impossible, by name", () => {
    expect(() => networkOfSize(plan({ kind: "codes", channels: 8 }, balancedStages), 900)).toThrow(/about 900 numbers/);
    expect(() => checkVideoConfig({ ...config, kernels: [1, 4] })).toThrow(/kernel is 4; it must be odd/);
    expect(() => checkVideoConfig({ ...config, width: 33 })).toThrow(/strides 4, 2 do not divide frames of 33 × 16/);
    expect(() => checkVideoConfig({ ...config, channels: [6, 5] })).toThrow(/2 strides need as many kernels/);
    expect(() => checkVideoConfig({ ...config, frames: 0 })).toThrow(/frames is 0/);
    expect(() => checkVideoConfig({ ...config, channels: [4000, 4000, 4000] })).toThrow(/parameters are/);
    expect(() => compressionNetwork({ frames: 3000, height: 64, width: 128 })).toThrow(/codes alone are 192000/);
    expect(() => chooseStrides(37, 64)).toThrow(/multiples of 16/);
  });

  it("come with strides for the usual frames", () => {
    expect(chooseStrides(64, 128)).toEqual([4, 2, 2, 2]);
    expect(chooseStrides(96, 192)).toEqual([4, 3, 2, 2]);
    expect(chooseStrides(640, 1280)).toEqual([5, 4, 4, 2, 2]);
    expect(chooseStrides(1080, 1920).reduce((a, b) => a * b, 1)).toBe(120);
  });
});

describe("the decoder", () => {
  it("spreads channels (c, fh, fw) over places, each in its own row and column", async () => {
    const x = NDArray.from(
      Array.from({ length: 2 * 2 * 3 * 1 * 2 }, (_, i) => i),
      [1, 12, 1, 2],
    );
    await using f = await compile(({ x }) => ({ y: spread(x, 2, 2, 3) }), {
      inputs: { x: { dtype: "f32", shape: x.shape } },
    });
    const { y } = await f.run({ x });
    expect(y.shape).toEqual([1, 2, 2, 6]);
    // y[c, fh, fw·2 + w] = x[(c·2 + fh)·3 + fw, w]
    expect(y.toNumbers()).toEqual(x.toNumbers());
    const tall = NDArray.from([0, 1, 2, 3, 4, 5, 6, 7], [1, 4, 2, 1]);
    await using g = await compile(({ x }) => ({ y: spread(x, 1, 2, 2) }), {
      inputs: { x: { dtype: "f32", shape: tall.shape } },
    });
    expect((await g.run({ x: tall })).y.toNumbers()).toEqual([0, 2, 1, 3, 4, 6, 5, 7]);
  });

  it("reads frames' numbers as sines and cosines", () => {
    const positions = encodePositions([0, 3], 4, { kind: "index", levels: 2, base: 1.25 });
    expect(positions.shape).toEqual([2, 4, 1, 1]);
    const expected = [
      0,
      1,
      0,
      1,
      Math.sin(0.75 * Math.PI),
      Math.cos(0.75 * Math.PI),
      Math.sin(0.9375 * Math.PI),
      Math.cos(0.9375 * Math.PI),
    ];
    expected.forEach((value, i) => void expect(positions.at(i)).toBeCloseTo(value, 6));
  });

  it("gives the same frame alone and in a batch, to 1e-5", async () => {
    for (const each of [config, indexConfig]) {
      const network = newVideoNetwork(each, { seed: 3, encoderWidth: 6 });
      const video = await quantizeVideo(network, clip());
      await using reader = await openVideo(video, { batchSize: 5 });
      const all = await reader.frames([0, 1, 2, 3, 4]);
      for (const n of [4, 0, 2]) {
        const alone = await reader.frames([n]);
        const inBatch = takeRows(all, [n]);
        for (let i = 0; i < alone.size; i++) expect(Math.abs(alone.at(i) - inBatch.at(i))).toBeLessThanOrEqual(1e-5);
      }
      await expect(reader.frames([5])).rejects.toThrow(/no frame 5; the video has frames 0 to 4/);
    }
  });

  it("has gradients that agree with finite differences, through encoder and all", async () => {
    const network = newVideoNetwork({ ...config, frames: 1 }, { seed: 2, encoderWidth: 4 });
    // what begins near nothing hides its gradients from f32
    const random = new Random(5);
    for (const [path, parameter] of network.parameters())
      if (/^encoder.*(?:weight|gamma)$/.test(path) && !/norm/.test(path))
        parameter.value = new NDArray(random.normals((parameter.value as NDArray).size, 0.3), parameter.shape, "f32");
    const frames = takeRows(clip(), [0]);
    const paths = [...network.parameters()];
    await using f = await compile(
      ({ x }) => {
        const loss = network.forward(x).sub(x).square().sum();
        const all = gradients(
          loss,
          paths.map(([, parameter]) => parameter.tensor),
        );
        return { y: network.forward(x), ...Object.fromEntries(all.map((gradient, i) => [`g${i}`, gradient!])) };
      },
      { parameters: "inputs", inputs: { x: { dtype: "f32", shape: frames.shape } } },
    );
    const first = (await f.run({ x: frames })) as Record<string, NDArray>;
    for (const [i, [path, parameter]] of paths.entries()) {
      const value = parameter.value as NDArray;
      const gradient = first[`g${i}`]!;
      // along the gradient itself, where the change is largest
      const norm = Math.hypot(...gradient.toNumbers());
      expect(norm, path).toBeGreaterThan(0);
      const step = 1e-2 / Math.max(1, norm);
      const at = async (sign: number) => {
        parameter.value = NDArray.from(
          value.toNumbers().map((v, k) => v + (sign * step * gradient.at(k)) / norm),
          value.shape,
        );
        const { y } = (await f.run({ x: frames })) as Record<string, NDArray>;
        // the sum in double precision
        return y!.toNumbers().reduce((sum, v, k) => sum + (v - frames.at(k)) ** 2, 0);
      };
      const slope = ((await at(1)) - (await at(-1))) / (2 * step);
      parameter.value = value;
      expect(Math.abs(slope / norm - 1), `${path}: ${slope} for ${norm}`).toBeLessThan(0.05);
    }
  });
});

describe("fitting", () => {
  it("has the paper's schedule", () => {
    const rate = videoSchedule(2, 100);
    expect([rate(0), rate(5), rate(10), rate(55), rate(100)].map((n) => Number(n.toFixed(9)))).toEqual([
      0.2, 1.1, 2, 1, 0,
    ]);
    expect(() => videoSchedule(1, 0)).toThrow(/0 steps/);
  });

  it.each([
    ["codes", config, {}],
    ["index", indexConfig, {}],
    ["L1 and SSIM", config, { loss: "l1-ssim" }],
  ] as const)("learns a clip: %s", async (_, each, options) => {
    const network = newVideoNetwork(each, { seed: 1, encoderWidth: 8 });
    const seen: number[] = [];
    const losses = await fitVideo(network, clip(), {
      epochs: 30,
      learningRate: 1e-2,
      evaluate: { every: 10, run: async (epoch) => void seen.push(epoch) },
      ...options,
    });
    expect(losses.length).toBe(30);
    expect(seen).toEqual([10, 20, 30]);
    expect(losses.at(-1)!).toBeLessThan(0.8 * losses[0]!);
  });

  it("does not look at pixels that are not known", async () => {
    const known = NDArray.from(
      Array.from({ length: 16 * 32 }, (_, i) => (i % 7 ? 1 : 0)),
      [1, 1, 16, 32],
    );
    const fitted = async (frames: NDArray) => {
      const network = newVideoNetwork(config, { seed: 1, encoderWidth: 4 });
      await fitVideo(network, frames, { epochs: 3, learningRate: 1e-3, known });
      return [...stateDict(network)].map(([, array]) => array.toNumbers());
    };
    const other = clip();
    for (let i = 0; i < other.size; i++) if (!known.data[i % known.size]) other.data[i] = 1;
    expect(await fitted(other)).toEqual(await fitted(clip()));
  });

  it("leaves five square holes", () => {
    const holes = squareHoles(16, 32, 4);
    expect(holes.toNumbers().filter((known) => !known).length).toBe(5 * 16);
    const rows = Array.from({ length: 16 }, (_, y) =>
      holes
        .toNumbers()
        .slice(y * 32, y * 32 + 32)
        .join(""),
    );
    expect(rows[2]).toBe(`${"1".repeat(6)}0000${"1".repeat(12)}0000${"1".repeat(6)}`);
    expect(rows[6]).toBe(`${"1".repeat(14)}0000${"1".repeat(14)}`);
    expect(() => squareHoles(16, 32, 9)).toThrow(/squares of 9 pixels do not fit 32 × 16/);
  });

  it("refuses frames and options that do not fit", async () => {
    const network = newVideoNetwork(config, { seed: 1, encoderWidth: 4 });
    const options = { epochs: 1, learningRate: 1e-3 };
    await expect(fitVideo(network, clip(4), options)).rejects.toThrow(/is for 5 frames, 4 were given/);
    await expect(fitVideo(network, clip(5, 16, 16), options)).rejects.toThrow(/the network takes f32\[n, 3, 16, 32\]/);
    const known = NDArray.zeros([1, 1, 16, 32]);
    await expect(fitVideo(network, clip(), { ...options, known, loss: "l1-ssim" })).rejects.toThrow(/need the loss l2/);
    await expect(encodeFrames(newVideoNetwork(indexConfig, { seed: 1 }), clip())).rejects.toThrow(/has no codes/);
  });
});

describe("quality", () => {
  it("is the mean of frames' PSNRs, which differs from the PSNR of the mean error", async () => {
    const truth = NDArray.zeros([2, 3, 16, 16]);
    const made = NDArray.zeros([2, 3, 16, 16]);
    (made.data as Float32Array).fill(0.1, 0, 768);
    (made.data as Float32Array).fill(0.01, 768);
    framePsnr(made, truth).forEach((value, i) => void expect(value).toBeCloseTo([20, 40][i]!, 4));
    const quality = await videoQuality(made, truth);
    expect(quality.meanPsnr).toBeCloseTo(30, 4);
    expect(quality.psnrOfMean).toBeCloseTo(psnrOf((0.01 + 0.0001) / 2), 3);
    const same = await videoQuality(truth, truth);
    expect([same.ssim, same.msSsim].map((n) => Number(n.toFixed(6)))).toEqual([1, 1]);
    expect(() => framePsnr(made, NDArray.zeros([1, 3, 16, 16]))).toThrow(/not of one size/);
  });
});

describe("compressVideo", () => {
  it("makes a file of about the size asked for, of which frames are like the clip's", async () => {
    const frames = clip(6, 32, 32);
    const { bytes, config: found } = await compressVideo(frames, {
      parameters: 18_000,
      epochs: 25,
      learningRate: 6e-3,
    });
    expect(Math.abs(videoSize(found) / 18_000 - 1)).toBeLessThan(0.2);
    expect(bytes.length).toBeLessThan(1.15 * videoSize(found));
    await using reader = await openVideo(readVideo(bytes));
    const psnr = framePsnr(await reader.frames([2, 5]), takeRows(frames, [2, 5]));
    expect(Math.min(...psnr)).toBeGreaterThan(15);
  });
});

describe("crops", () => {
  it("lie inside", () => {
    const picture = { width: 2, height: 2, rgb: Uint8Array.from({ length: 12 }, (_, i) => i) };
    expect([...cropPicture(picture, { x: 1, y: 0, width: 1, height: 2 }).rgb]).toEqual([3, 4, 5, 9, 10, 11]);
    expect(() => cropPicture(picture, { x: 1, y: 1, width: 2, height: 1 })).toThrow(/not inside of 2 × 2/);
  });
});

it("initialises a network with the seed alone", () => {
  const [a, b] = [new VideoNetwork(config, { encoderWidth: 4 }), newVideoNetwork(config, { seed: 9, encoderWidth: 4 })];
  initialize(a, 9);
  expect([...stateDict(a)].map(([, x]) => x.toNumbers())).toEqual([...stateDict(b)].map(([, x]) => x.toNumbers()));
});

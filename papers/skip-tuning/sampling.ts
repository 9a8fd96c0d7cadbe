/**
 * Samples of the edited model and how good they are. All edits are factors that one compiled graph takes as inputs, but for the filter
 * that FreeU puts on skips, which is a graph of its own.
 */
import { halfDigitSize } from "bletchley/data";
import {
  type DiffusionUNet,
  followFlow,
  frechetDistance,
  nearestDistances,
  noiseLevels,
  precondition,
  type Sampled,
  type SkipEdit,
  type SkipTuning,
  skipFactors,
  slicedWasserstein,
} from "bletchley/diffusion";
import { compile, type Executable } from "bletchley/runtime";
import { concat, constant, matmul, slice, type Tensor } from "bletchley/tensor";
import { NDArray, Random } from "bletchley/util";
import { classes, type Judge, pixels } from "./base.ts";

/** Pictures that one call of the graph denoises. */
const batchSize = 250;

/** What is done to the network while it denoises. */
export interface Edit {
  readonly skips?: SkipTuning;
  /** The same factors on what comes from below. */
  readonly backbone?: SkipTuning;
  /** Instead of factors, what diffusers calls FreeU. */
  readonly freeU?: boolean;
}

/** Factors of FreeU: on half of the channels from below, and on the lowest frequencies of skips. */
const freeU = { backbone: 1.1, skips: 0.9, blocks: 4 } as const;

/** A matrix that keeps the frequencies −1 and 0 of both axes: the middle of a shifted Fourier transform, as FreeU's filter has it. */
function lowPass(side: number): NDArray {
  const size = side * side;
  const out = NDArray.zeros([size, size]);
  for (let a = 0; a < size; a++)
    for (let b = 0; b < size; b++) {
      const [dy, dx] = [Math.floor(a / side) - Math.floor(b / side), (a % side) - (b % side)];
      let sum = 0;
      for (const u of [-1, 0]) for (const v of [-1, 0]) sum += Math.cos((2 * Math.PI * (u * dy + v * dx)) / side);
      out.set(a * size + b, sum / size);
    }
  return out;
}

const joinAsFreeU: NonNullable<SkipEdit["join"]> = (below, skip, block) => {
  if (block >= freeU.blocks) return [below, skip];
  const channels = below.shape[1] as number;
  const half = channels >> 1;
  const raised = slice(below, { axis: 1, start: 0, end: half }).mul(freeU.backbone);
  const [n, depth, side] = skip.shape as readonly [Tensor["shape"][number], number, number];
  const low = matmul(skip.reshape([n, depth, side * side]), constant(lowPass(side))).reshape([n, depth, side, side]);
  return [
    concat([raised, slice(below, { axis: 1, start: half, end: channels })], 1),
    skip.add(low.mul(freeU.skips - 1)),
  ];
};

const pictures = { dtype: "f32", shape: ["n", 1, halfDigitSize, halfDigitSize] } as const;
const noLabel = () => constant(NDArray.zeros([1, classes]));

/** A model that denoises under edits. */
export class EditedDenoiser implements AsyncDisposable {
  readonly #scaled: Executable;
  readonly #freeU: Executable;
  /** Number of skips. */
  readonly skipCount: number;

  private constructor(scaled: Executable, freeU: Executable, skipCount: number) {
    this.#scaled = scaled;
    this.#freeU = freeU;
    this.skipCount = skipCount;
  }

  static async compile(model: DiffusionUNet): Promise<EditedDenoiser> {
    const factors = { dtype: "f32", shape: [model.skipCount] } as const;
    const sigma = { dtype: "f32", shape: ["n"] } as const;
    const scaled = await compile(
      ({ x, sigma, skips, backbone }) => ({
        clean: precondition((y, level) => model.forward(y, level, noLabel(), { skips, backbone }), x, sigma),
      }),
      { inputs: { x: pictures, sigma, skips: factors, backbone: factors } },
    );
    const filtered = await compile(
      ({ x, sigma }) => ({
        clean: precondition((y, level) => model.forward(y, level, noLabel(), { join: joinAsFreeU }), x, sigma),
      }),
      { inputs: { x: pictures, sigma } },
    );
    return new EditedDenoiser(scaled as unknown as Executable, filtered as unknown as Executable, model.skipCount);
  }

  /** Clean pictures of noisy ones, `[n, 1, 16, 16]`, at one noise level for all. */
  async denoise(x: ArrayLike<number>, level: number, edit: Edit): Promise<Float32Array> {
    const count = x.length / pixels;
    const out = new Float32Array(x.length);
    for (let at = 0; at < count; at += batchSize) {
      const n = Math.min(batchSize, count - at);
      const part = Float32Array.from({ length: n * pixels }, (_, i) => x[at * pixels + i]!);
      const feeds = {
        x: new NDArray(part, [n, 1, halfDigitSize, halfDigitSize], "f32"),
        sigma: NDArray.from(new Float32Array(n).fill(level)),
      };
      const factorsOf = (tuning: SkipTuning = { bottom: 1, top: 1 }) =>
        NDArray.from(skipFactors(tuning, this.skipCount, level));
      const { clean } = edit.freeU
        ? await this.#freeU.run(feeds)
        : await this.#scaled.run({ ...feeds, skips: factorsOf(edit.skips), backbone: factorsOf(edit.backbone) });
      out.set(clean!.data as Float32Array, at * pixels);
    }
    return out;
  }

  /** Follows the flow from pictures at the first level to the last. */
  follow(start: ArrayLike<number>, levels: ArrayLike<number>, edit: Edit, signal?: AbortSignal): Promise<Sampled> {
    return followFlow((x, level) => this.denoise(x, level, edit), start, levels, { signal });
  }

  /** Samples pictures by Heun's method: `[count, 1, 16, 16]`. One seed is one noise. */
  async sample(count: number, steps: number, edit: Edit, seed: number, signal?: AbortSignal): Promise<NDArray> {
    const levels = noiseLevels(steps);
    const start = Float64Array.from(new Random(seed).normals(count * pixels), (value) => levels[0]! * value);
    const { x } = await this.follow(start, levels, edit, signal);
    return new NDArray(Float32Array.from(x), [count, 1, halfDigitSize, halfDigitSize], "f32");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scaled.dispose();
    await this.#freeU.dispose();
  }
}

/** How good samples are. */
export interface SampleQuality {
  /** Fréchet distance of features. */
  readonly frechet: number;
  /** Sliced Wasserstein distance of pixels. */
  readonly wasserstein: number;
  /** Share of samples that the classifier is surer of than 0.9. */
  readonly sure: number;
  /** Entropy of the classes, in nats: ln 10 when all are equally frequent. */
  readonly entropy: number;
}

/** What samples are compared with. */
export interface Reference {
  readonly images: NDArray;
  /** Features of the classifier. */
  readonly features: NDArray;
}

const vectors = ({ data, shape }: NDArray) => ({
  data: data as Float32Array,
  size: shape.slice(1).reduce((product, n) => product * n, 1),
});

/** Fréchet distance of samples from a reference. */
export async function frechetOf(judge: Judge, samples: NDArray, reference: Reference): Promise<number> {
  const { features } = await judge.judge(samples);
  return frechetDistance(vectors(features), vectors(reference.features));
}

/** All measures of samples. */
export async function qualityOf(judge: Judge, samples: NDArray, reference: Reference): Promise<SampleQuality> {
  const { features, probabilities } = await judge.judge(samples);
  const count = samples.shape[0]!;
  const frequency = new Float64Array(classes);
  let sure = 0;
  for (let n = 0; n < count; n++) {
    const row = Array.from({ length: classes }, (_, c) => probabilities.at(n * classes + c));
    const most = Math.max(...row);
    if (most > 0.9) sure++;
    frequency[row.indexOf(most)]! += 1 / count;
  }
  return {
    frechet: frechetDistance(vectors(features), vectors(reference.features)),
    wasserstein: slicedWasserstein(vectors(samples), vectors(reference.images)),
    sure: sure / count,
    entropy: frequency.reduce((sum, p) => sum - (p > 0 ? p * Math.log(p) : 0), 0),
  };
}

/** Median distance of pictures to their nearest neighbours among others. */
export function medianNearest(images: NDArray, among: NDArray): number {
  const distances = nearestDistances(vectors(images), vectors(among)).sort();
  return distances[distances.length >> 1]!;
}

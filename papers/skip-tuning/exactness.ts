/**
 * What must hold whatever was learned: factors of 1 change nothing, factors of 0 are as if there were no skips, norms hide factors, and
 * Heun's method is of second order.
 */
import {
  DiffusionUNet,
  type DiffusionUNetConfig,
  followFlow,
  initializeDiffusion,
  noiseLevels,
  type SkipEdit,
} from "bletchley/diffusion";
import type { PaperContext } from "bletchley/papers";
import { compile } from "bletchley/runtime";
import type { Tensor } from "bletchley/tensor";
import { NDArray, Random, sizeOf } from "bletchley/util";

/** A network with values everywhere: one that begins as nothing would hide every difference. */
function filled(config: DiffusionUNetConfig, seed: number): DiffusionUNet {
  const model = new DiffusionUNet(config);
  initializeDiffusion(model, seed);
  const random = new Random(seed, 1);
  for (const [path, parameter] of model.parameters())
    if (/conv1\.weight|last\.weight|output\.weight/.test(path))
      parameter.value = NDArray.from(random.normals(sizeOf(parameter.shape), 0.1), parameter.shape);
  return model;
}

async function outputOf(
  model: DiffusionUNet,
  edit: (factors: Tensor) => SkipEdit,
  value: number | readonly number[],
): Promise<readonly number[]> {
  const { channels, classes } = model._config;
  const count = model.skipCount;
  await using f = await compile(
    ({ x, noise, labels, factors }) => ({
      y: model.forward(x, noise, labels, edit(factors)).add(factors.sum().mul(0)),
    }),
    {
      inputs: {
        x: { dtype: "f32", shape: [4, channels, 16, 16] },
        noise: { dtype: "f32", shape: [4] },
        labels: { dtype: "f32", shape: [4, classes] },
        factors: { dtype: "f32", shape: [count] },
      },
    },
  );
  const random = new Random(7);
  const { y } = await f.run({
    x: NDArray.from(random.normals(4 * channels * 256), [4, channels, 16, 16]),
    noise: NDArray.from([-0.8, -0.2, 0.3, 0.9]),
    labels: NDArray.zeros([4, classes]),
    factors: NDArray.from(typeof value === "number" ? Array<number>(count).fill(value) : value),
  });
  return y.toNumbers();
}

const largest = (a: readonly number[], b: readonly number[]) =>
  Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));

/** Measures exactness of edits and of the solver. */
export async function measureExactness(context: PaperContext, config: DiffusionUNetConfig): Promise<void> {
  const model = filled(config, context.seed + 1);
  const scaled = (factors: Tensor): SkipEdit => ({ skips: factors });
  const plain = await outputOf(model, () => ({}), 1);
  const exact = (name: string, value: number, bar: string, expect: (value: number) => boolean) =>
    context.measure({ name, value, unit: "", bar, expect, tolerance: Number.POSITIVE_INFINITY });
  exact(
    "largest difference that factors of 1 make",
    largest(plain, await outputOf(model, scaled, 1)),
    "0",
    (value) => value === 0,
  );
  const without = await outputOf(model, () => ({ join: (below, skip) => [below, skip.sub(skip)] }), 1);
  exact(
    "largest difference between factors of 0 and no skips",
    largest(without, await outputOf(model, scaled, 0)),
    "0",
    (value) => value === 0,
  );
  exact(
    "largest difference that factors of 0.8 make",
    largest(plain, await outputOf(model, scaled, 0.8)),
    "> 0.001",
    (value) => value > 1e-3,
  );
  const hidden = filled({ ...config, shortcut: "normalised" }, context.seed + 1);
  const seen = await outputOf(hidden, () => ({}), 1);
  exact(
    "largest difference that factors of 0.8 make where the shortcut is normalised too",
    largest(seen, await outputOf(hidden, scaled, 0.8)),
    "≤ 0.0001",
    (value) => value <= 1e-4,
  );
  const end = (80 * 0.5) / Math.sqrt(80 ** 2 + 0.25);
  const denoise = async (x: Float64Array, sigma: number) => x.map((value) => (value * 0.25) / (sigma ** 2 + 0.25));
  const runs = await Promise.all([10, 20, 40, 80].map((steps) => followFlow(denoise, [80], noiseLevels(steps))));
  const errors = runs.map(({ x }) => Math.abs(x[0]! - end));
  context.measure({
    name: "evaluations of 10, 20, 40 and 80 steps of Heun's method, together",
    value: runs.reduce((sum, { evaluations }) => sum + evaluations, 0),
    unit: "",
    bar: "2 N − 1 each",
    expect: () => runs.every(({ evaluations }, i) => evaluations === 2 * [10, 20, 40, 80][i]! - 1),
    tolerance: 0,
  });
  context.measure({
    name: "least factor by which the error of normal data falls when steps double",
    value: Math.min(...errors.slice(1).map((error, i) => errors[i]! / error)),
    unit: "×",
    bar: "≥ 3.5×",
    expect: (value) => value >= 3.5,
    tolerance: 1e-6,
  });
}

/**
 * Whether gates compute what their definitions say, and whether their gradients are those of the loops.
 */
import {
  ChannelGate,
  ChannelSpatialGate,
  type GateMerge,
  initialize,
  type Module,
  nameParameters,
  ProjectExciteGate,
  SpatialGate,
} from "bletchley/nn";
import type { PaperContext } from "bletchley/papers";
import { compile } from "bletchley/runtime";
import { constant, pullback, type Tensor } from "bletchley/tensor";
import { NDArray, Random, sizeOf } from "bletchley/util";
import { type Arrays, type GateKind, gated } from "./reference.ts";

interface Case {
  readonly kind: GateKind;
  readonly dimensions: 1 | 2 | 3;
  /** Whether weights of places come from outside, as in few-shot segmentation. */
  readonly given?: boolean;
}

const cases: readonly Case[] = [
  ...(["cSE", "sSE", "max", "maxGate", "add", "multiply", "concat"] as const).map(
    (kind) => ({ kind, dimensions: 2 }) as const,
  ),
  ...(["cSE", "sSE", "max", "projectExcite"] as const).map((kind) => ({ kind, dimensions: 3 }) as const),
  { kind: "sSE", dimensions: 1, given: true },
  { kind: "sSE", dimensions: 2, given: true },
  { kind: "sSE", dimensions: 3, given: true },
  { kind: "max", dimensions: 3, given: true },
];

const shapes = { 1: [2, 6, 7], 2: [2, 6, 3, 4], 3: [2, 6, 2, 3, 2] } as const;
const shots = 3;
/** The loops are in double precision, so that this step leaves an error of about 1e-10. */
const step = 1e-5;

type Gate = Module & { forward(x: Tensor, weights?: Tensor): Tensor };

function newGate({ kind, dimensions }: Case, channels: number): Gate {
  if (kind === "cSE") return new ChannelGate(channels);
  if (kind === "sSE") return new SpatialGate(channels, { dimensions });
  if (kind === "projectExcite") return new ProjectExciteGate(channels);
  return new ChannelSpatialGate(channels, { merge: kind satisfies GateMerge, dimensions });
}

/** Largest difference of values, and of gradients relative to the largest gradient of the same array. */
async function check(one: Case, seed: number): Promise<{ readonly forward: number; readonly gradient: number }> {
  const shape = shapes[one.dimensions];
  const channels = shape[1];
  const gate = newGate(one, channels);
  initialize(gate, seed);
  nameParameters(gate);
  const random = new Random(seed, 9);
  const feeds: Record<string, NDArray> = { x: new NDArray(random.normals(sizeOf(shape)), shape, "f32") };
  if (one.given) feeds.given = new NDArray(random.normals(shots * channels), [shots, channels], "f32");
  const parameters = [...gate.parameters()];
  await using executable = await compile(
    (inputs) => {
      const { x, given } = inputs as Record<string, Tensor>;
      const y = gate.forward(x!, given);
      const weights = NDArray.from(weightsOf(sizeOf(y.shape as number[])), y.shape as number[]);
      const behind = [...Object.values(inputs as Record<string, Tensor>), ...parameters.map(([, p]) => p.tensor)];
      const gradients = pullback([y.mul(constant(weights)).sum()], [constant(NDArray.scalar(1))], behind);
      const names = [...Object.keys(inputs), ...parameters.map(([path]) => path)];
      return { y, ...Object.fromEntries(names.map((name, i) => [`gradient of ${name}`, gradients[i]!])) };
    },
    { inputs: Object.fromEntries(Object.entries(feeds).map(([name, { shape }]) => [name, { dtype: "f32", shape }])) },
  );
  const results: Record<string, NDArray> = await executable.run(feeds);
  const doubles = (array: NDArray) => Float64Array.from(array.toNumbers());
  const arrays: Arrays = Object.fromEntries([
    ...Object.entries(feeds).map(([name, array]) => [name, doubles(array)] as const),
    ...parameters.map(([path, { value }]) => [path, doubles(value as NDArray)] as const),
  ]);
  const wanted = gated(one.kind, arrays, shape);
  const forward = Math.max(...wanted.map((value, i) => Math.abs(value - results.y!.at(i))));
  const weights = weightsOf(wanted.length);
  let gradient = 0;
  for (const [name, array] of Object.entries(arrays)) {
    // nothing depends on a layer's own weights when others are given
    if (one.given && /conv\./.test(name)) continue;
    const numeric = array.map((_, i) => {
      const [above, below] = [1, -1].map((sign) => {
        const moved = array.slice();
        moved[i]! += sign * step;
        const y = gated(one.kind, { ...arrays, [name]: moved }, shape);
        return weights.reduce((sum, weight, at) => sum + weight * y[at]!, 0);
      });
      return (above! - below!) / (2 * step);
    });
    const largest = Math.max(...numeric.map(Math.abs));
    const analytic = results[`gradient of ${name}`]!;
    gradient = Math.max(gradient, ...numeric.map((value, i) => Math.abs(value - analytic.at(i)) / largest));
  }
  return { forward, gradient };
}

/** An uneven weighting of outputs, so that symmetric mistakes do not cancel. */
const weightsOf = (count: number) => Array.from({ length: count }, (_, i) => Math.cos(1 + 1.7 * i));

/** All gates in all numbers of dimensions. */
export async function measureExactness(context: PaperContext): Promise<void> {
  const found: Record<string, Awaited<ReturnType<typeof check>>> = {};
  for (const [i, one] of cases.entries()) {
    context.progress("gates against loops", i, cases.length);
    const { kind, dimensions, given } = one;
    found[`${kind}, ${dimensions}-D${given ? ", weights given" : ""}`] = await check(one, context.seed + 1);
  }
  for (const [what, unit, most] of [
    ["forward", "largest difference from plain loops", 1e-6],
    ["gradient", "largest relative error of gradients against central differences of the loops", 1e-3],
  ] as const) {
    const worst = Object.entries(found).reduce((a, b) => (b[1][what] > a[1][what] ? b : a));
    context.log(`${unit}: ${worst[1][what].toExponential(1)} (${worst[0]})`);
    context.measure({
      name: `${unit}, ${cases.length} gates in 1-D, 2-D and 3-D`,
      value: worst[1][what],
      unit: "",
      bar: `≤ ${most.toExponential(0)}`,
      expect: (value) => value <= most,
      tolerance: Number.POSITIVE_INFINITY,
    });
  }
}

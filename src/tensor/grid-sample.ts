/**
 * Reading an image or volume at any places: grid sampling and affine grids. Places are x, y (, z) in [−1, 1]. The value is one
 * node; the gradient comes from the same sampling written with gathers.
 */
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import { range } from "./arrange.ts";
import { cast } from "./cast.ts";
import { greaterEqual, lessEqual, logicalAnd } from "./compare.ts";
import { type Dim, mulDims, shapeSize, shapeText } from "./dims.ts";
import { add, mul, sub } from "./elementwise.ts";
import { clip } from "./elementwise-extrema.ts";
import { abs, floor, round } from "./functions.ts";
import { gather } from "./gather.ts";
import { pullback } from "./grad.ts";
import { straightThrough } from "./gradient-flow.ts";
import { matmul, swapLast } from "./matmul.ts";
import { reshape, squeeze, transpose, unsqueeze } from "./movement.ts";
import { split } from "./slice.ts";
import { constant, defineOp, type Tensor } from "./tensor.ts";

/** Options of {@link gridSample}. */
export interface GridSampleOptions {
  /** How values between elements are found: `nearest` (ties to even), `linear` (the default), or `cubic` (a = −3/4). */
  readonly mode?: "nearest" | "linear" | "cubic";
  /** What lies outside: zeros (the default), the border, or the mirror image. */
  readonly padding?: "zeros" | "border" | "reflection";
  /** Whether −1 and 1 are the centres of the outermost elements instead of their outer edges; false by default. */
  readonly alignCorners?: boolean;
}

type SampleAttributes = Required<GridSampleOptions>;

/** Element numbers of coordinates in [−1, 1] along an axis of `size` elements. */
function placesOf(coordinates: Tensor, size: number, alignCorners: boolean): Tensor {
  if (alignCorners) return mul(add(coordinates, 1), (size - 1) / 2);
  return sub(mul(add(coordinates, 1), size / 2), 0.5);
}

/** Brings places outside back to where their values are. */
function padded(places: Tensor, size: number, { padding, alignCorners }: SampleAttributes): Tensor {
  if (padding === "zeros") return places;
  if (padding === "border") return clip(places, 0, size - 1);
  const [low, span] = alignCorners ? [0, size - 1] : [-0.5, size];
  if (span === 0) return mul(places, 0);
  // a triangle wave with its valleys at `low` and its peaks at `low + span`
  const turns = mul(sub(places, low), 1 / (2 * span));
  const wave = abs(sub(turns, floor(add(turns, 0.5))));
  return clip(add(mul(wave, 2 * span), low), 0, size - 1);
}

/** One element that a place reads along an axis: its number, and its weight (`undefined`: 1). */
interface AxisTap {
  readonly at: Tensor;
  readonly weight: Tensor | undefined;
}

function cubicWeights(rest: Tensor): Tensor[] {
  const a = -0.75;
  const near = (d: Tensor) => add(mul(sub(mul(d, a + 2), a + 3), mul(d, d)), 1);
  const far = (d: Tensor) => mul(sub(mul(add(mul(sub(d, 5), d), 8), d), 4), a);
  return [far(add(rest, 1)), near(rest), near(sub(1, rest)), far(sub(2, rest))];
}

function tapsOf(coordinates: Tensor, size: number, attributes: SampleAttributes): AxisTap[] {
  const { mode, alignCorners } = attributes;
  const raw = placesOf(coordinates, size, alignCorners);
  if (mode === "cubic") {
    const low = floor(raw);
    return cubicWeights(sub(raw, low)).map((weight, i) => ({
      at: padded(add(low, i - 1), size, attributes),
      weight,
    }));
  }
  const places = padded(raw, size, attributes);
  if (mode === "nearest") return [{ at: round(places), weight: undefined }];
  const low = floor(places);
  const rest = sub(places, low);
  return [
    { at: low, weight: sub(1, rest) },
    { at: add(low, 1), weight: rest },
  ];
}

/** Sampling written with gathers: what the gradient of the op is the gradient of. */
function sampleByGathering(x: Tensor, grid: Tensor, attributes: SampleAttributes): Tensor {
  const sizes = x.shape.slice(2) as number[];
  const [batch, channels] = x.shape as [Dim, Dim];
  const places = shapeSize(grid.shape.slice(1, -1));
  const count = shapeSize(sizes);
  const rows = reshape(transpose(reshape(x, [batch, channels, count]), [0, 2, 1]), [mulDims(batch, count), channels]);
  // the last coordinate belongs to the first spatial axis
  const coordinates = split(
    reshape(grid, [batch, places, sizes.length]),
    sizes.map(() => 1),
    -1,
  ).map((t) => squeeze(t, 2));
  const taps = sizes.map((size, i) => tapsOf(coordinates[sizes.length - 1 - i]!, size, attributes));
  const first = unsqueeze(mul(range(0, batch), constant(NDArray.scalar(count as number, "i64"))), 1);
  let total: Tensor | undefined;
  const visit = (axis: number, offset: Tensor, weight: Tensor | undefined): void => {
    if (axis === sizes.length) {
      const values = gather(rows, offset, 0);
      const part = weight ? mul(values, unsqueeze(weight, 2)) : values;
      total = total ? add(total, part) : part;
      return;
    }
    const size = sizes[axis]!;
    const stride = sizes.slice(axis + 1).reduce((a, b) => a * b, 1);
    for (const tap of taps[axis]!) {
      let own = tap.weight;
      if (attributes.padding === "zeros") {
        const inside = cast(logicalAnd(greaterEqual(tap.at, 0), lessEqual(tap.at, size - 1)), "f32");
        own = own ? mul(own, inside) : inside;
      }
      const step = mul(cast(clip(tap.at, 0, size - 1), "i64"), stride);
      visit(axis + 1, add(offset, step), own && weight ? mul(weight, own) : (own ?? weight));
    }
  };
  visit(0, first, undefined);
  return reshape(transpose(total!, [0, 2, 1]), [batch, channels, ...grid.shape.slice(1, -1)]);
}

const sampleOp = defineOp<SampleAttributes>({
  name: "gridSample",
  infer([x, grid]) {
    const rank = x!.shape.length - 2;
    if (x!.dtype !== "f32" || grid!.dtype !== "f32")
      fail("dtype", `gridSample: needs f32, got ${x!.dtype} and ${grid!.dtype}; cast them first`);
    if (rank < 2 || rank > 3 || grid!.shape.length !== rank + 2 || grid!.shape[rank + 1] !== rank)
      fail(
        "shape",
        `gridSample: needs [batch, channels, 2 or 3 spatial axes] and a grid [batch, places…, x y (z)], got ${shapeText(x!.shape)} and ${shapeText(grid!.shape)}`,
      );
    if (x!.shape[0] !== grid!.shape[0])
      fail("shape", `gridSample: batches differ, ${shapeText(x!.shape)} and grid ${shapeText(grid!.shape)}`);
    if (x!.shape.slice(2).some((n) => typeof n !== "number" || n < 1))
      fail("unsupported", `gridSample: spatial sizes must be known and not 0, got ${shapeText(x!.shape)}`);
    return [{ dtype: "f32", shape: [...x!.shape.slice(0, 2), ...grid!.shape.slice(1, -1)] }];
  },
  lower: (context, [x, grid], { attributes: { mode, padding, alignCorners } }) => [
    context.node("GridSample", [x!, grid!], {
      mode: { string: mode },
      padding_mode: { string: padding },
      align_corners: { int: Number(alignCorners) },
    }),
  ],
  vjp({ inputs: [x, grid], attributes }, [c]) {
    if (!c) return [undefined, undefined];
    // stand-ins, because a grid may be made from x: gradients must end here, not go on through what it is made of
    const inputs = [straightThrough(x!, x!), straightThrough(grid!, grid!)] as const;
    return pullback([sampleByGathering(...inputs, attributes)], [c], inputs);
  },
});

/**
 * Values of `x` `[batch, channels, space…]` at the places of `grid` `[batch, places…, 2 or 3]`, x first, in [−1, 1]; the result
 * is `[batch, channels, places…]`. Has gradients for both.
 * @throws `unsupported` for cubics in volumes and for images of symbolic size.
 */
export function gridSample(x: Tensor, grid: Tensor, options: GridSampleOptions = {}): Tensor {
  const { mode = "linear", padding = "zeros", alignCorners = false } = options;
  if (mode === "cubic" && x.rank === 5)
    fail("unsupported", `gridSample: cubics need an image, got ${shapeText(x.shape)}; use linear for volumes`);
  return sampleOp([x, grid], { mode, padding, alignCorners })[0]!;
}

/**
 * The places that affine maps send the elements of an image to, for {@link gridSample}.
 * @param theta one map a batch entry: `[batch, 2, 3]` for images, `[batch, 3, 4]` for volumes.
 * @param size spatial sizes of the result. @returns `[batch, size…, 2 or 3]`.
 */
export function affineGrid(
  theta: Tensor,
  size: readonly number[],
  options: { readonly alignCorners?: boolean } = {},
): Tensor {
  const rank = size.length;
  if (theta.rank !== 3 || theta.shape[1] !== rank || theta.shape[2] !== rank + 1)
    fail(
      "shape",
      `affineGrid: maps for sizes [${size}] are [batch, ${rank}, ${rank + 1}], got ${shapeText(theta.shape)}`,
    );
  const coordinate = (i: number, n: number) =>
    options.alignCorners ? (n > 1 ? (2 * i) / (n - 1) - 1 : 0) : (2 * i + 1) / n - 1;
  const count = size.reduce((a, b) => a * b, 1);
  const rows: number[] = [];
  for (let index = 0; index < count; index++) {
    let rest = index;
    for (let axis = rank - 1; axis >= 0; axis--) {
      rows.push(coordinate(rest % size[axis]!, size[axis]!));
      rest = Math.floor(rest / size[axis]!);
    }
    rows.push(1);
  }
  const places = matmul(constant(NDArray.from(rows, [count, rank + 1])), swapLast(theta));
  return reshape(places, [theta.shape[0]!, ...size, rank]);
}

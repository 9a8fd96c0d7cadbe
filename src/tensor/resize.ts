/**
 * Changing the size of images: to given sizes by neighbours, lines or cubics, and shuffling channels into space. Layout
 * `[batch, channels, space…]`.
 */
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import { type Dim, divideDims, mulDims, shapeText } from "./dims.ts";
import { gather } from "./gather.ts";
import { reshape, transpose } from "./movement.ts";
import { checkSpatial, repeatBlocks } from "./pool-average.ts";
import { mapAxis } from "./separable.ts";
import { constant, defineOp, type Tensor } from "./tensor.ts";
import { perAxis } from "./windows.ts";

/** How elements between those of the input are found. */
export type ResizeMode = "nearest" | "linear" | "cubic";

/** Options of {@link resize}. */
export interface ResizeOptions {
  /** `nearest` takes element `floor(i · in / out)`; `linear` and `cubic` (a = −3/4) interpolate along every axis. */
  readonly mode: ResizeMode;
  /** Whether the first and last elements keep their places, instead of the outer edges; false by default. */
  readonly alignCorners?: boolean;
  /**
   * Whether `linear` and `cubic` (then with a = −1/2) average over all elements that a new one stands for when shrinking;
   * false by default.
   */
  readonly antialias?: boolean;
}

/** Weight of an element at a distance: a triangle, or a cubic with parameter `a`. */
function kernelOf(mode: "linear" | "cubic", a: number): { weight: (distance: number) => number; reach: number } {
  if (mode === "linear") return { weight: (d) => Math.max(0, 1 - Math.abs(d)), reach: 1 };
  const weight = (distance: number) => {
    const d = Math.abs(distance);
    if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0;
  };
  return { weight, reach: 2 };
}

/** What each new element takes of each old one along an axis: `[to, from]`. */
function resizeMatrix(from: number, to: number, { mode, alignCorners, antialias }: ResizeOptions): NDArray {
  const shrinks = antialias && !alignCorners && from > to;
  const { weight, reach } = kernelOf(mode as "linear" | "cubic", antialias ? -0.5 : -0.75);
  const widening = shrinks ? from / to : 1;
  const out = new Float32Array(to * from);
  for (let i = 0; i < to; i++) {
    const centre = alignCorners ? (to > 1 ? (i * (from - 1)) / (to - 1) : 0) : ((i + 0.5) * from) / to - 0.5;
    const row = new Array<number>(from).fill(0);
    let total = 0;
    const [first, last] = [Math.ceil(centre - reach * widening), Math.floor(centre + reach * widening)];
    for (let j = first; j <= last; j++) {
      const inside = Math.min(Math.max(j, 0), from - 1);
      // beyond the border stands the border, except when averaging
      if (antialias && inside !== j) continue;
      const w = weight((j - centre) / widening);
      row[inside]! += w;
      total += w;
    }
    for (let j = 0; j < from; j++) out[i * from + j] = row[j]! / (antialias ? total : 1);
  }
  return new NDArray(out, [to, from], "f32");
}

interface LinearAttributes {
  readonly size: readonly number[];
  readonly alignCorners: boolean;
}

const mapSpace = (x: Tensor, matrices: readonly NDArray[]) =>
  matrices.reduce((y, matrix, i) => mapAxis(y, matrix, i + 2), x);

// matrices take as long as Resize for 32 to 64 pixels a side (1.3 and 1.8 ms for 16 · 32 channels), but eight times as long
// for 512 to 1024; the gradient has nothing but them
const linearOp = defineOp<LinearAttributes>({
  name: "resizeLinear",
  infer: ([x], { size }) => [{ dtype: "f32", shape: [...x!.shape.slice(0, 2), ...size] }],
  lower: (context, [x], { inputs, attributes: { size, alignCorners } }) => [
    context.node("Resize", [x!, "", "", context.shape([...inputs[0]!.shape.slice(0, 2), ...size])], {
      mode: { string: "linear" },
      coordinate_transformation_mode: { string: alignCorners ? "align_corners" : "half_pixel" },
    }),
  ],
  vjp: ({ inputs: [x], attributes: { size, alignCorners } }, [c]) => [
    c &&
      mapSpace(
        c,
        size.map((to, i) => transposed(resizeMatrix(x!.shape[i + 2] as number, to, { mode: "linear", alignCorners }))),
      ),
  ],
});

function transposed({ data, shape: [rows, columns] }: NDArray): NDArray {
  const out = new Float32Array(data.length);
  for (let i = 0; i < rows!; i++)
    for (let j = 0; j < columns!; j++) out[j * rows! + i] = data[i * columns! + j] as number;
  return new NDArray(out, [columns!, rows!], "f32");
}

/**
 * Changes the spatial sizes of `x` `[batch, channels, space…]`.
 * @param size the new spatial sizes. They and the old ones must be known, except that `nearest` also takes whole multiples of
 * symbolic ones, such as `"2*height"`.
 * @throws `shape` for sizes that do not fit the rank, `unsupported` for symbolic ones.
 */
export function resize(x: Tensor, size: readonly Dim[], options: ResizeOptions): Tensor {
  const rank = checkSpatial("resize", x);
  if (size.length !== rank)
    fail("shape", `resize: [${size}] should be ${rank} spatial sizes, for x ${shapeText(x.shape)}`);
  const old = x.shape.slice(2);
  if (size.every((n, i) => n === old[i])) return x;
  const factors = size.map((n, i) => divideDims(n, old[i]!));
  if (options.mode === "nearest" && factors.every((n) => typeof n === "number" && n >= 1))
    return repeatBlocks(x, factors as number[]);
  const to = perAxis(
    "resize",
    "size",
    size.map((n, i) => known(x, n, old[i]!)),
    rank,
    1,
  );
  const from = old as readonly number[];
  if (from.includes(0)) fail("shape", `resize: nothing to enlarge in x ${shapeText(x.shape)}`);
  if (options.mode === "nearest")
    return to.reduce((y, n, i) => {
      if (n === from[i]) return y;
      const sources = Array.from({ length: n }, (_, at) => Math.floor((at * from[i]!) / n));
      return gather(y, constant(NDArray.from(sources, [n], "i64")), i + 2);
    }, x);
  if (options.mode === "linear" && !options.antialias)
    return linearOp([x], { size: to, alignCorners: options.alignCorners ?? false })[0]!;
  // Resize with cubics takes 160 ms where two matrices take 1.3
  return mapSpace(
    x,
    to.map((n, i) => resizeMatrix(from[i]!, n, options)),
  );
}

function known(x: Tensor, to: Dim, from: Dim): number {
  return typeof to === "number" && typeof from === "number"
    ? to
    : fail("unsupported", `resize: sizes must be known, got ${from} → ${to} of x ${shapeText(x.shape)}`);
}

function planes(op: string, x: Tensor, factor: number): readonly [Dim, Dim, Dim, Dim] {
  if (x.rank !== 4 || !Number.isInteger(factor) || factor < 1)
    fail(
      "shape",
      `${op}: needs [batch, channels, height, width] and a whole factor, got ${shapeText(x.shape)}, ${factor}`,
    );
  return x.shape as readonly [Dim, Dim, Dim, Dim];
}

function split(op: string, x: Tensor, size: Dim, divisor: number): Dim {
  return (
    divideDims(size, divisor) ?? fail("shape", `${op}: ${size} of ${shapeText(x.shape)} does not divide by ${divisor}`)
  );
}

// Two transposes of one axis each take 0.9 ms for 8×32×64×64, a single one of six axes 4.4 ms, DepthToSpace 1.8 ms.

/** Channels become blocks of `factor × factor` pixels: `[n, c·f², h, w]` to `[n, c, h·f, w·f]`. */
export function pixelShuffle(x: Tensor, factor: number): Tensor {
  const [batch, channels, height, width] = planes("pixelShuffle", x, factor);
  const fewer = split("pixelShuffle", x, channels, factor * factor);
  const images = mulDims(batch, fewer);
  const wide = mulDims(width, factor);
  const across = transpose(reshape(x, [mulDims(images, factor), factor, mulDims(height, width)]), [0, 2, 1]);
  const down = transpose(reshape(across, [images, factor, height, wide]), [0, 2, 1, 3]);
  return reshape(down, [batch, fewer, mulDims(height, factor), wide]);
}

/** Blocks of `factor × factor` pixels become channels: the inverse of {@link pixelShuffle}. */
export function pixelUnshuffle(x: Tensor, factor: number): Tensor {
  const [batch, channels, height, width] = planes("pixelUnshuffle", x, factor);
  const [h, w] = [split("pixelUnshuffle", x, height, factor), split("pixelUnshuffle", x, width, factor)];
  const images = mulDims(batch, channels);
  const down = transpose(reshape(x, [images, h, factor, width]), [0, 2, 1, 3]);
  const across = transpose(reshape(down, [mulDims(images, factor), mulDims(h, w), factor]), [0, 2, 1]);
  return reshape(across, [batch, mulDims(channels, factor * factor), h, w]);
}

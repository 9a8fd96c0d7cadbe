/**
 * Rearrangements composed of the movement ops: rolling, tiling, padding by neighbours, ranges, triangles and diagonals.
 */
import { type DType, dtypes } from "../util/dtype.ts";
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import { broadcastTo } from "./broadcast.ts";
import { cast, onnxTypeOf } from "./cast.ts";
import { equal, greaterEqual, lessEqual, where } from "./compare.ts";
import { addDims, type Dim, divideDims, mulDims, normalizeAxis, normalizeDim, shapeText, subDims } from "./dims.ts";
import { add } from "./elementwise.ts";
import { gather } from "./gather.ts";
import { reshape, transpose, unsqueeze } from "./movement.ts";
import { concat, padAxes, slice } from "./slice.ts";
import { constant, defineOp, type Tensor } from "./tensor.ts";

/** Values that {@link pad} puts outside of a tensor. */
export type PadMode = "constant" | "reflect" | "edge" | "wrap";

/** Options of {@link pad}. */
export interface PadOptions {
  /** `constant` by default. */
  readonly mode?: PadMode;
  /** Value of mode `constant`; 0 by default. */
  readonly value?: number;
}

/**
 * Extends every axis by `[before, after]` elements: a value, the mirror image (`reflect`, border not repeated), the
 * border (`edge`) or the other side (`wrap`). `constant` also takes negative amounts, which cut.
 * @throws `shape` when a mirror or wrapped image is wider than the axis; `unsupported` for those on symbolic axes.
 */
export function pad(
  x: Tensor,
  pads: readonly (readonly [before: Dim, after: Dim])[],
  options: PadOptions = {},
): Tensor {
  const { mode = "constant", value = 0 } = options;
  if (pads.length !== x.rank)
    fail("shape", `pad: needs [before, after] for the ${x.rank} axes of ${shapeText(x.shape)}, got ${pads.length}`);
  const amounts = pads.map(([before, after], axis) => ({ axis, before, after }));
  if (mode === "constant") return padAxes(x, amounts, value);
  return amounts.reduce((y, { axis, before, after }) => {
    if (before === 0 && after === 0) return y;
    const size = x.shape[axis]!;
    if (typeof size !== "number" || typeof before !== "number" || typeof after !== "number")
      return fail("unsupported", `pad: mode "${mode}" needs known sizes, got axis ${axis} of ${shapeText(x.shape)}`);
    const most = mode === "reflect" ? size - 1 : mode === "wrap" ? size : size ? Infinity : 0;
    if (before > most || after > most || before < 0 || after < 0)
      fail("shape", `pad: mode "${mode}" takes 0 to ${most} on axis ${axis} of ${shapeText(x.shape)}`);
    const sources = Array.from({ length: before + size + after }, (_, i) => {
      const at = i - before;
      if (mode === "edge") return Math.min(Math.max(at, 0), size - 1);
      if (mode === "wrap") return (at + size) % size;
      return at < 0 ? -at : at < size ? at : 2 * (size - 1) - at;
    });
    return gather(y, constant(NDArray.from(sources, [sources.length], "i64")), axis);
  }, x);
}

/** Moves elements along axes by `shifts`; what leaves at one end enters at the other. Axes must have known sizes. */
export function roll(x: Tensor, shifts: readonly number[], axes: readonly number[]): Tensor {
  if (shifts.length !== axes.length)
    fail("shape", `roll: ${shifts.length} shifts [${shifts.join(", ")}] for ${axes.length} axes [${axes.join(", ")}]`);
  return axes.reduce((y: Tensor, axis, i) => {
    const at = normalizeAxis("roll", axis, x.rank);
    const size = x.shape[at]!;
    if (typeof size !== "number") return fail("unsupported", `roll: the size of axis ${axis} must be known`);
    const shift = size ? ((shifts[i]! % size) + size) % size : 0;
    if (!shift) return y;
    return concat([slice(y, { axis: at, start: size - shift }), slice(y, { axis: at, end: size - shift })], at);
  }, x);
}

/** Repeats the whole tensor `repeats` times along each axis; further repeats in front add axes, missing ones are 1. */
export function tile(x: Tensor, repeats: readonly Dim[]): Tensor {
  if (repeats.some((n) => typeof n === "number" && (!Number.isInteger(n) || n < 0)))
    fail("shape", `tile: repeats ${shapeText(repeats)} of ${shapeText(x.shape)} must be whole numbers of at least 0`);
  const counts = [...Array.from({ length: x.rank - repeats.length }, () => 1 as Dim), ...repeats];
  const sizes = [...Array.from({ length: counts.length - x.rank }, () => 1 as Dim), ...x.shape];
  // each axis becomes (repeat, element); an axis that is not repeated stays single
  const pairs = sizes.map((n, i) =>
    counts[i] === 1 ? [[n], [n], n] : [[1, n], [counts[i]!, n], mulDims(counts[i]!, n)],
  );
  const apart = reshape(
    x,
    pairs.flatMap(([before]) => before as Dim[]),
  );
  return reshape(
    broadcastTo(
      apart,
      pairs.flatMap(([, spread]) => spread as Dim[]),
    ),
    pairs.map(([, , joined]) => joined as Dim),
  );
}

/** Repeats every element along an axis: `[a, b]` becomes `[a, a, b, b]`. */
export function repeatInterleave(x: Tensor, repeats: number, axis: number): Tensor {
  const at = normalizeAxis("repeatInterleave", axis, x.rank);
  const spread = [...x.shape];
  spread.splice(at + 1, 0, repeats);
  const joined = x.shape.map((n, i) => (i === at ? mulDims(n, repeats) : n));
  return reshape(broadcastTo(unsqueeze(x, at + 1), spread), joined);
}

const rangeOp = defineOp<{ readonly start: Dim; readonly count: Dim; readonly step: number }>({
  name: "range",
  infer: (_, { count }) => [{ dtype: "i64", shape: [count] }],
  lower(context, _, { attributes: { start, count, step } }) {
    const scalarOf = (dim: Dim) => context.node("Squeeze", [context.shape([dim]), context.int64s([0])]);
    const limit = addDims(start, mulDims(count, step));
    return [context.node("Range", [scalarOf(start), scalarOf(limit), scalarOf(step)])];
  },
  vjp: "none",
});

/**
 * Numbers from `start` up to but without `limit`. Bounds may be symbolic (`range("past", "past+n")`) when the step is
 * whole; a constant otherwise.
 * @throws `unsupported` when the step leaves a symbolic number of elements that is no polynomial.
 */
export function range(start: Dim, limit: Dim, step = 1, dtype: DType = "i64"): Tensor {
  if (step === 0) fail("argument", "range: the step must not be 0");
  if (typeof start === "number" && typeof limit === "number") {
    const count = Math.max(0, Math.ceil((limit - start) / step));
    const values = Array.from({ length: count }, (_, i) => start + i * step);
    return constant(NDArray.from(values, [count], dtype));
  }
  const [from, to] = [start, limit].map((n) => (typeof n === "number" ? n : normalizeDim(n))) as [Dim, Dim];
  const span = step > 0 ? subDims(to, from) : subDims(from, to);
  const count =
    divideDims(span, Math.abs(step)) ??
    fail("unsupported", `range: the number of elements from ${start} to ${limit} by ${step} is not known`);
  return cast(rangeOp([], { start: from, count, step })[0]!, dtype);
}

const sizeOp = defineOp<{ readonly dim: Dim; readonly dtype: DType }>({
  name: "dimSize",
  infer: (_, { dtype }) => [{ dtype, shape: [] }],
  lower(context, _, { attributes: { dim, dtype } }) {
    const size = context.node("Squeeze", [context.shape([dim]), context.int64s([0])]);
    return [dtype === "i64" ? size : context.node("Cast", [size], { to: { int: onnxTypeOf(dtype) } })];
  },
  vjp: "none",
});

/** The size of a dimension as a scalar; a constant when it is known. */
export function dimSize(dim: Dim, dtype: DType = "f32"): Tensor {
  if (typeof dim === "number") return constant(NDArray.scalar(dim, dtype));
  return sizeOp([], { dim, dtype })[0]!;
}

/** `count` evenly spaced numbers from `start` to `end`, both included. */
export function linspace(start: number, end: number, count: number): Tensor {
  const values = Array.from({ length: count }, (_, i) => start + ((end - start) * i) / Math.max(1, count - 1));
  return constant(NDArray.from(values));
}

/** Ones where column − row equals `offset`, zeros elsewhere: `[rows, columns]`. */
export function eye(rows: Dim, columns: Dim = rows, offset = 0, dtype: DType = "f32"): Tensor {
  return cast(equal(columnIndex(columns), rowIndex(rows, offset)), dtype);
}

function rowIndex(rows: Dim, offset: number): Tensor {
  const index = unsqueeze(range(0, rows), 1);
  return offset ? add(index, offset) : index;
}

function columnIndex(columns: Dim): Tensor {
  return unsqueeze(range(0, columns), 0);
}

/** `true` on and below a diagonal of a `[rows, columns]` matrix; `diagonal` counts to the right. */
export function lowerTriangle(rows: Dim, columns: Dim, diagonal = 0): Tensor {
  return lessEqual(columnIndex(columns), rowIndex(rows, diagonal));
}

/** Zeroes what lies above a diagonal of the last two axes. */
export function tril(x: Tensor, diagonal = 0): Tensor {
  return where(lowerTriangle(x.shape[x.rank - 2]!, x.shape[x.rank - 1]!, diagonal), x, zeroOf(x));
}

/** Zeroes what lies below a diagonal of the last two axes. */
export function triu(x: Tensor, diagonal = 0): Tensor {
  const kept = greaterEqual(columnIndex(x.shape[x.rank - 1]!), rowIndex(x.shape[x.rank - 2]!, diagonal));
  return where(kept, x, zeroOf(x));
}

function zeroOf(x: Tensor): Tensor {
  return constant(NDArray.zeros([], x.dtype));
}

/** Elements with column − row = `offset` of two axes, as a new last axis. Both axes must have known sizes. */
export function diagonal(x: Tensor, offset = 0, axis1 = -2, axis2 = -1): Tensor {
  const [a, b] = [normalizeAxis("diagonal", axis1, x.rank), normalizeAxis("diagonal", axis2, x.rank)];
  const others = x.shape.map((_, i) => i).filter((i) => i !== a && i !== b);
  const [rows, columns] = [x.shape[a]!, x.shape[b]!];
  if (a === b) fail("shape", `diagonal: needs two different axes of ${shapeText(x.shape)}`);
  if (typeof rows !== "number" || typeof columns !== "number")
    return fail("unsupported", `diagonal: the sizes of axes ${axis1} and ${axis2} must be known`);
  const count = Math.max(0, Math.min(rows, rows + offset, columns, columns - offset));
  const flat = reshape(transpose(x, [...others, a, b]), [...others.map((i) => x.shape[i]!), rows * columns]);
  const start = offset >= 0 ? offset : -offset * columns;
  const end = count ? start + (count - 1) * (columns + 1) + 1 : start;
  return slice(flat, { axis: -1, start, end, step: columns + 1 });
}

/** Puts the last axis on a diagonal of a new square of zeros (the last two axes). Its size must be known. */
export function diagonalEmbed(x: Tensor, offset = 0): Tensor {
  const count = x.shape[x.rank - 1]!;
  const size = addDims(count, Math.abs(offset));
  const [rows, columns] = offset >= 0 ? [count, size] : [size, count];
  const index = offset >= 0 ? unsqueeze(x, -1) : unsqueeze(x, -2);
  const placed = where(equal(columnIndex(columns), rowIndex(rows, offset)), index, zeroOf(x));
  const missing = Math.abs(offset);
  return padAxes(placed, [{ axis: offset >= 0 ? x.rank - 1 : x.rank, before: 0, after: missing }]);
}

/** `on` at the places that indices name along a new axis of size `depth`, `off` elsewhere. */
export function oneHot(
  indices: Tensor,
  depth: Dim,
  options: { readonly axis?: number; readonly on?: number; readonly off?: number; readonly dtype?: DType } = {},
): Tensor {
  const { axis = -1, on = 1, off = 0, dtype = "f32" } = options;
  if (dtypes[indices.dtype].float) fail("dtype", `oneHot: indices must be integers, got ${indices.dtype}`);
  const at = normalizeAxis("oneHot", axis, indices.rank + 1);
  const shape: Dim[] = Array.from({ length: indices.rank + 1 }, () => 1);
  shape[at] = depth;
  const hit = equal(unsqueeze(indices, at), reshape(range(0, depth, 1, indices.dtype), shape));
  return where(hit, constant(NDArray.scalar(on, dtype)), constant(NDArray.scalar(off, dtype)));
}

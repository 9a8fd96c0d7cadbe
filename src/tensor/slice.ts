/**
 * Cutting and joining: slice and pad (each other's gradient), concat and split (likewise). Bounds may be symbolic.
 */
import { type DType, dtypes } from "../util/dtype.ts";
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import { broadcastTo } from "./broadcast.ts";
import { addDims, type Dim, divideDims, mulDims, normalizeAxis, shapeText, subDims } from "./dims.ts";
import { reshape, unsqueeze } from "./movement.ts";
import { constant, defineOp, type OpCall, type Tensor } from "./tensor.ts";

/** One sliced axis: `start`, `start + step`, … `count` elements of them. Start and count are never negative. */
interface AxisSlice {
  readonly axis: number;
  readonly start: Dim;
  readonly count: Dim;
  readonly step: number;
}

const sliceOp: OpCall<{ readonly slices: readonly AxisSlice[] }> = defineOp({
  name: "slice",
  infer([x], { slices }) {
    const shape = [...x!.shape];
    for (const { axis, count } of slices) shape[axis] = count;
    return [{ dtype: x!.dtype, shape }];
  },
  lower(context, [x], { attributes: { slices } }) {
    // one past the last element; "before the first" is a number far below 0, which ONNX clamps
    const ends = slices.map(({ start, count, step }) => {
      if (count === 0) return start;
      const last = addDims(start, mulDims(subDims(count, 1), step));
      return step > 0 ? addDims(last, 1) : last === 0 ? -(2 ** 52) : subDims(last, 1);
    });
    return [
      context.node("Slice", [
        x!,
        context.shape(slices.map(({ start }) => start)),
        context.shape(ends),
        context.int64s(slices.map(({ axis }) => axis)),
        context.int64s(slices.map(({ step }) => step)),
      ]),
    ];
  },
  vjp({ inputs: [x], attributes: { slices } }, [cotangent]) {
    if (!cotangent) return [undefined];
    let out = cotangent;
    // one axis at a time: backwards slices are turned round, steps filled up with zeros
    for (const { axis, start, count, step } of slices) {
      const forward = step > 0 ? out : flipAxis(out, axis);
      const first = step > 0 ? start : addDims(start, mulDims(subDims(count, 1), step));
      const size = Math.abs(step);
      let spread = forward;
      if (size > 1) {
        const apart = [...out.shape];
        apart.splice(axis + 1, 0, size);
        const filled = padAxes(unsqueeze(forward, axis + 1), [{ axis: axis + 1, before: 0, after: size - 1 }]);
        apart.splice(axis, 2, mulDims(count, size));
        spread = reshape(filled, apart);
      }
      const after = subDims(x!.shape[axis]!, addDims(first, spread.shape[axis]!));
      out = padAxes(spread, [{ axis, before: first, after }]);
    }
    return [out];
  },
});

function flipAxis(x: Tensor, axis: number): Tensor {
  const count = x.shape[axis]!;
  if (count === 0 || count === 1) return x;
  return sliceOp([x], { slices: [{ axis, start: subDims(count, 1), count, step: -1 }] })[0]!;
}

/** Bounds of a slice along one axis, by Python's rules; `null` or absent is the natural end. */
export interface SliceRange {
  readonly axis: number;
  /** First index; a negative number counts from the end. May be symbolic, such as `"past"`. */
  readonly start?: Dim | null;
  /** Index after the last. On an axis of symbolic size a positive number must not pass the size at run time. */
  readonly end?: Dim | null;
  /** Distance of the elements, negative to go backwards; 1 by default. */
  readonly step?: number;
}

function resolve(x: Tensor, range: SliceRange): AxisSlice {
  const axis = normalizeAxis("slice", range.axis, x.rank);
  const size = x.shape[axis]!;
  const step = range.step ?? 1;
  if (!Number.isInteger(step) || step === 0) fail("argument", `slice: step ${step} is not a whole number other than 0`);
  const bound = (value: Dim | null | undefined, natural: Dim): Dim => {
    if (value == null) return natural;
    const counted = typeof value === "number" && value < 0 ? addDims(size, value) : value;
    if (typeof counted !== "number" || typeof size !== "number") return counted;
    return step > 0 ? Math.min(Math.max(counted, 0), size) : Math.min(Math.max(counted, -1), size - 1);
  };
  const start = bound(range.start, step > 0 ? 0 : subDims(size, 1));
  const end = bound(range.end, step > 0 ? size : -1);
  const span = step > 0 ? subDims(end, start) : subDims(start, end);
  const stride = Math.abs(step);
  const count =
    typeof span === "number"
      ? Math.max(0, Math.ceil(span / stride))
      : (divideDims(span, stride) ??
        fail("unsupported", `slice: the number of elements ${span} / ${stride} of ${shapeText(x.shape)} is not known`));
  return { axis, start: count === 0 ? 0 : start, count, step: count === 0 ? 1 : step };
}

/**
 * A part of a tensor: per axis a start, an end and a step, by Python's rules.
 * @example slice(x, { axis: 1, start: "past", end: "past+n" })
 * @throws `unsupported` when a step leaves a symbolic number of elements that is no polynomial.
 */
export function slice(x: Tensor, ranges: SliceRange | readonly SliceRange[]): Tensor {
  const list = Array.isArray(ranges) ? (ranges as readonly SliceRange[]) : [ranges as SliceRange];
  const slices = list
    .map((range) => resolve(x, range))
    .filter(({ axis, count, step }) => step !== 1 || count !== x.shape[axis]);
  return slices.length ? sliceOp([x], { slices })[0]! : x;
}

/** Reverses the order along axes. */
export function flip(x: Tensor, axes: number | readonly number[]): Tensor {
  return [axes].flat().reduce((y: Tensor, axis) => flipAxis(y, normalizeAxis("flip", axis, x.rank)), x);
}

interface AxisPad {
  readonly axis: number;
  readonly before: Dim;
  readonly after: Dim;
}

interface PadAttributes {
  readonly pads: readonly AxisPad[];
  readonly value: number;
}

const storedAs: Readonly<Partial<Record<DType, DType>>> = { u16: "i32", f16: "f32", bf16: "f32" };

const padOp: OpCall<PadAttributes> = defineOp<PadAttributes>({
  name: "pad",
  infer([x], { pads }) {
    if (storedAs[x!.dtype]) fail("dtype", `pad: ${x!.dtype} cannot be padded; cast it to ${storedAs[x!.dtype]} first`);
    const shape = [...x!.shape];
    for (const { axis, before, after } of pads) {
      shape[axis] = addDims(shape[axis]!, addDims(before, after));
      if (typeof shape[axis] === "number" && shape[axis] < 0)
        fail("shape", `pad: axis ${axis} of ${shapeText(x!.shape)} cannot lose ${-Number(before) - Number(after)}`);
    }
    return [{ dtype: x!.dtype, shape }];
  },
  lower(context, [x], { inputs, attributes: { pads, value } }) {
    // All axes are named: with some of them ONNX Runtime 1.30 moves a Transpose past the node wrongly, and where names are left
    // out it makes the zeros part of an AveragePool that does not count them.
    const amounts = (side: "before" | "after") =>
      inputs[0]!.shape.map((_, i) =>
        pads.filter(({ axis }) => axis === i).reduce<Dim>((sum, pad) => addDims(sum, pad[side]), 0),
      );
    const fill = context.constant(NDArray.scalar(value, inputs[0]!.dtype));
    const axes = context.int64s(inputs[0]!.shape.map((_, i) => i));
    return [context.node("Pad", [x!, context.shape([...amounts("before"), ...amounts("after")]), fill, axes])];
  },
  // padding by a negative number is cutting
  vjp: ({ attributes: { pads } }, [cotangent]) => [
    cotangent &&
      padAxes(
        cotangent,
        pads.map(({ axis, before, after }) => ({ axis, before: mulDims(before, -1), after: mulDims(after, -1) })),
      ),
  ],
});

/** Pads single axes with a value; negative amounts cut. Amounts may be symbolic. */
export function padAxes(x: Tensor, pads: readonly AxisPad[], value = 0): Tensor {
  const needed = pads.filter(({ before, after }) => before !== 0 || after !== 0);
  return needed.length ? padOp([x], { pads: needed, value })[0]! : x;
}

function joinedShape(op: string, shapes: readonly (readonly Dim[])[], axis: number): Dim[] {
  const [first] = shapes;
  const out = [...first!];
  out[axis] = shapes.map((shape) => shape[axis]!).reduce(addDims);
  for (const shape of shapes)
    if (shape.length !== out.length || shape.some((n, i) => i !== axis && n !== out[i]))
      fail("shape", `${op}: shapes differ beside axis ${axis}, ${shapeText(first!)} and ${shapeText(shape)}`);
  return out;
}

const concatOp = defineOp<{ readonly axis: number }>({
  name: "concat",
  infer(inputs, { axis }) {
    const other = inputs.find((x) => x.dtype !== inputs[0]!.dtype);
    if (other) fail("dtype", `concat: dtypes differ, ${inputs[0]!.dtype} and ${other.dtype}; cast one of them`);
    const shape = joinedShape(
      "concat",
      inputs.map((x) => x.shape),
      axis,
    );
    return [{ dtype: inputs[0]!.dtype, shape }];
  },
  lower: (context, inputs, { attributes }) => [context.node("Concat", inputs, { axis: { int: attributes.axis } })],
  vjp({ inputs, attributes: { axis } }, [cotangent]) {
    if (!cotangent || !dtypes[inputs[0]!.dtype].float) return inputs.map(() => undefined);
    return split(
      cotangent,
      inputs.map((x) => x.shape[axis]!),
      axis,
    );
  },
});

/** Joins tensors along an axis. @throws `shape` when they differ beside that axis. */
export function concat(tensors: readonly Tensor[], axis: number): Tensor {
  if (!tensors.length) fail("argument", "concat: needs at least one tensor");
  const at = normalizeAxis("concat", axis, tensors[0]!.rank);
  return tensors.length === 1 ? tensors[0]! : concatOp(tensors, { axis: at })[0]!;
}

/** Joins tensors of one shape along a new axis, counted in the result. */
export function stack(tensors: readonly Tensor[], axis: number): Tensor {
  if (!tensors.length) fail("argument", "stack: needs at least one tensor");
  const at = normalizeAxis("stack", axis, tensors[0]!.rank + 1);
  const [{ shape }] = tensors as readonly [Tensor];
  const other = tensors.find((x) => String(x.shape) !== String(shape));
  if (other) fail("shape", `stack: shapes differ, ${shapeText(shape)} and ${shapeText(other.shape)}`);
  return concat(
    tensors.map((x) => unsqueeze(x, at)),
    at,
  );
}

const splitOp = defineOp<{ readonly sizes: readonly Dim[]; readonly axis: number }>({
  name: "split",
  infer([x], { sizes, axis }) {
    if (sizes.reduce(addDims, 0) !== x!.shape[axis])
      fail("shape", `split: sizes ${shapeText(sizes)} do not add up to axis ${axis} of ${shapeText(x!.shape)}`);
    return sizes.map((n) => ({ dtype: x!.dtype, shape: x!.shape.map((size, i) => (i === axis ? n : size)) }));
  },
  lower: (context, [x], { attributes: { sizes, axis } }) =>
    context.nodes("Split", [x!, context.shape(sizes)], { axis: { int: axis } }, { outputs: sizes.length }),
  vjp({ outputs, attributes: { axis } }, cotangents) {
    const zero = (y: Tensor) => broadcastTo(constant(NDArray.zeros([], y.dtype)), y.shape);
    return [
      concat(
        outputs.map((y, i) => cotangents[i] ?? zero(y)),
        axis,
      ),
    ];
  },
});

/** Cuts an axis into pieces of the given sizes. @throws `shape` when they do not add up. */
export function split(x: Tensor, sizes: readonly Dim[], axis: number): readonly Tensor[] {
  const at = normalizeAxis("split", axis, x.rank);
  return sizes.length === 1 && sizes[0] === x.shape[at] ? [x] : splitOp([x], { sizes, axis: at });
}

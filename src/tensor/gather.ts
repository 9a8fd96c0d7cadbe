/**
 * Reading and writing at indices: whole slices (gather, embedding, indexAdd) and index tuples (gatherNd, scatterNd).
 * Gathering and adding at the same indices are each other's gradients. Element by element: `gather-elements.ts`.
 */
import { dtypes } from "../util/dtype.ts";
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import { broadcastTo } from "./broadcast.ts";
import { onnxTypeOf } from "./cast.ts";
import { type Dim, normalizeAxis, shapeSize, shapeText } from "./dims.ts";
import { transpose, unsqueeze } from "./movement.ts";
import { constant, defineOp, type OpCall, type Tensor, type TensorType } from "./tensor.ts";

/** Zeros of a type. */
export function zerosLike({ dtype, shape }: TensorType): Tensor {
  return broadcastTo(constant(NDArray.zeros([], dtype)), shape);
}

/** Refuses indices that are no integers. */
export function checkIndices(op: string, indices: TensorType): void {
  if (indices.dtype !== "i64" && indices.dtype !== "i32")
    fail("dtype", `${op}: indices must be i64 or i32, got ${indices.dtype}`);
}

const gatherOp: OpCall<{ readonly axis: number }> = defineOp<{ readonly axis: number }>({
  name: "gather",
  infer([x, indices], { axis }) {
    checkIndices("gather", indices!);
    return [{ dtype: x!.dtype, shape: [...x!.shape.slice(0, axis), ...indices!.shape, ...x!.shape.slice(axis + 1)] }];
  },
  lower: (context, inputs, { attributes }) => [context.node("Gather", inputs, { axis: { int: attributes.axis } })],
  vjp({ inputs: [x, indices], attributes: { axis } }, [cotangent]) {
    if (!cotangent || !dtypes[x!.dtype].float) return [undefined, undefined];
    return [addAlong(zerosLike(x!), indices!, cotangent, axis), undefined];
  },
});

/** Adds slices, found at `axis` (as many axes as `indices` has), to the slices of `x` that `indices` names. */
function addAlong(x: Tensor, indices: Tensor, updates: Tensor, axis: number): Tensor {
  const tuples = unsqueeze(indices, -1);
  if (axis === 0) return scatterNdAdd(x, tuples, updates);
  const rest = x.shape.map((_, i) => i).filter((i) => i !== axis);
  const front = [axis, ...rest];
  const from = updates.shape.map((_, i) => i);
  const moved = transpose(updates, [
    ...from.slice(axis, axis + indices.rank),
    ...from.slice(0, axis),
    ...from.slice(axis + indices.rank),
  ]);
  const summed = scatterNdAdd(transpose(x, front), tuples, moved);
  return transpose(
    summed,
    x.shape.map((_, i) => front.indexOf(i)),
  );
}

/**
 * Slices of an axis by index: the indices' shape replaces the axis. Negative indices count from the end; an index
 * beyond the axis fails at run time.
 */
export function gather(x: Tensor, indices: Tensor, axis = 0): Tensor {
  return gatherOp([x, indices], { axis: normalizeAxis("gather", axis, x.rank) })[0]!;
}

/** Rows of a table `[entries, …]` by index: `[…ids, …]`. */
export function embedding(table: Tensor, ids: Tensor): Tensor {
  return gather(table, ids, 0);
}

/** `x` with `updates` added to the slices of an axis that a vector of indices names; repeats add up. */
export function indexAdd(x: Tensor, indices: Tensor, updates: Tensor, axis = 0): Tensor {
  if (indices.rank !== 1) fail("shape", `indexAdd: indices must be a vector, got ${shapeText(indices.shape)}`);
  const at = normalizeAxis("indexAdd", axis, x.rank);
  const wanted = x.shape.map((n, i) => (i === at ? indices.shape[0]! : n));
  if (String(updates.shape) !== String(wanted))
    fail(
      "shape",
      `indexAdd: updates are ${shapeText(updates.shape)}, x ${shapeText(x.shape)} with ${indices.shape[0]} indices along axis ${at} needs ${shapeText(wanted)}`,
    );
  return addAlong(x, indices, updates, at);
}

function tupleLength(op: string, x: TensorType, indices: TensorType): number {
  checkIndices(op, indices);
  const length = indices.shape[indices.shape.length - 1];
  if (typeof length !== "number" || length > x.shape.length)
    fail("shape", `${op}: the last axis of ${shapeText(indices.shape)} must index axes of ${shapeText(x.shape)}`);
  return length as number;
}

const gatherNdOp: OpCall<Record<never, never>> = defineOp({
  name: "gatherNd",
  infer([x, indices]) {
    const length = tupleLength("gatherNd", x!, indices!);
    return [{ dtype: x!.dtype, shape: [...indices!.shape.slice(0, -1), ...x!.shape.slice(length)] }];
  },
  lower: (context, inputs) => [context.node("GatherND", inputs)],
  vjp({ inputs: [x, indices] }, [cotangent]) {
    if (!cotangent || !dtypes[x!.dtype].float) return [undefined, undefined];
    return [scatterNdAdd(zerosLike(x!), indices!, cotangent), undefined];
  },
});

/** Elements or slices by index tuples, which lie along the last axis of `indices` and index the first axes of `x`. */
export function gatherNd(x: Tensor, indices: Tensor): Tensor {
  return gatherNdOp([x, indices], {})[0]!;
}

function checkScatter(op: string, [x, indices, updates]: readonly TensorType[]): readonly TensorType[] {
  const length = tupleLength(op, x!, indices!);
  const wanted: Dim[] = [...indices!.shape.slice(0, -1), ...x!.shape.slice(length)];
  if (String(wanted) !== String(updates!.shape))
    fail("shape", `${op}: updates are ${shapeText(updates!.shape)}, the indices need ${shapeText(wanted)}`);
  if (x!.dtype !== updates!.dtype)
    fail("dtype", `${op}: dtypes differ, ${x!.dtype} and ${updates!.dtype}; cast one of them`);
  return [x!];
}

const scatterNdOp: OpCall<Record<never, never>> = defineOp({
  name: "scatterNd",
  infer: (inputs) => checkScatter("scatterNd", inputs),
  lower: (context, inputs) => [context.node("ScatterND", inputs)],
  vjp({ inputs: [x, indices, updates] }, [c]) {
    if (!c || !dtypes[x!.dtype].float) return [undefined, undefined, undefined];
    return [scatterNd(c, indices!, zerosLike(updates!)), undefined, gatherNd(c, indices!)];
  },
});

/** `x` with the elements or slices that index tuples name replaced by `updates`; tuples must not repeat. */
export function scatterNd(x: Tensor, indices: Tensor, updates: Tensor): Tensor {
  return scatterNdOp([x, indices, updates], {})[0]!;
}

const allowZero = { allowzero: { int: 1 } } as const;

const scatterNdAddOp: OpCall<Record<never, never>> = defineOp({
  name: "scatterNdAdd",
  infer: (inputs) => checkScatter("scatterNdAdd", inputs),
  lower(context, [x, indices, updates], { inputs: [{ shape }, { shape: tuples }] }) {
    // ScatterND with a reduction adds from several threads at once and loses repeats (ONNX Runtime 1.30); ScatterElements
    // does not, so tuples become row numbers of a matrix
    const length = tuples[tuples.length - 1] as number;
    const rows = shape.slice(0, length);
    const width = shapeSize(shape.slice(length));
    const count = shapeSize(tuples.slice(0, -1));
    const matrix = (t: string, height: Dim) => context.node("Reshape", [t, context.shape([height, width])], allowZero);
    let row = context.node("Cast", [indices!], { to: { int: onnxTypeOf("i64") } });
    if (length > 1) {
      const zero = context.constant(NDArray.scalar(0, "i64"));
      const negative = context.node("Less", [row, zero]);
      const wrapped = context.node("Add", [row, context.node("Where", [negative, context.shape(rows), zero])]);
      const strides = context.shape(rows.map((_, i) => shapeSize(rows.slice(i + 1))));
      row = context.node("ReduceSum", [context.node("Mul", [wrapped, strides]), context.int64s([-1])]);
    }
    const column = context.node("Reshape", [row, context.shape([count, 1])], allowZero);
    const summed = context.node(
      "ScatterElements",
      [
        matrix(x!, shapeSize(rows)),
        context.node("Expand", [column, context.shape([count, width])]),
        matrix(updates!, count),
      ],
      { axis: { int: 0 }, reduction: { string: "add" } },
    );
    return [context.node("Reshape", [summed, context.shape(shape)], allowZero)];
  },
  vjp({ inputs: [x, indices] }, [c]) {
    if (!c || !dtypes[x!.dtype].float) return [undefined, undefined, undefined];
    return [c, undefined, gatherNd(c, indices!)];
  },
});

/** `x` with `updates` added at index tuples; repeats add up. */
export function scatterNdAdd(x: Tensor, indices: Tensor, updates: Tensor): Tensor {
  return scatterNdAddOp([x, indices, updates], {})[0]!;
}

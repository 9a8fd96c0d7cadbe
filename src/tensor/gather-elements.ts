/**
 * Reading and writing single elements along one axis; the other coordinates are the index's own. Also batched index
 * tuples, which are composed of ranges.
 */
import { dtypes } from "../util/dtype.ts";
import { fail } from "../util/errors.ts";
import { range } from "./arrange.ts";
import { broadcastTo } from "./broadcast.ts";
import { cast } from "./cast.ts";
import { type Dim, normalizeAxis, shapeText } from "./dims.ts";
import { checkIndices, gatherNd, zerosLike } from "./gather.ts";
import { reshape } from "./movement.ts";
import { concat } from "./slice.ts";
import { defineOp, type OpCall, type Tensor, type TensorType } from "./tensor.ts";

interface AxisAttributes {
  readonly axis: number;
}

function checkElements(op: string, x: TensorType, indices: TensorType, updates?: TensorType): void {
  checkIndices(op, indices);
  if (x.shape.length !== indices.shape.length)
    fail("shape", `${op}: ranks differ, ${shapeText(x.shape)} and indices ${shapeText(indices.shape)}`);
  if (!updates) return;
  if (String(updates.shape) !== String(indices.shape))
    fail("shape", `${op}: updates ${shapeText(updates.shape)} and indices ${shapeText(indices.shape)} differ`);
  if (x.dtype !== updates.dtype)
    fail("dtype", `${op}: dtypes differ, ${x.dtype} and ${updates.dtype}; cast one of them`);
}

const gatherElementsOp: OpCall<AxisAttributes> = defineOp<AxisAttributes>({
  name: "gatherElements",
  infer([x, indices]) {
    checkElements("gatherElements", x!, indices!);
    return [{ dtype: x!.dtype, shape: indices!.shape }];
  },
  lower: (context, inputs, { attributes: { axis } }) => [
    context.node("GatherElements", inputs, { axis: { int: axis } }),
  ],
  vjp({ inputs: [x, indices], attributes }, [cotangent]) {
    if (!cotangent || !dtypes[x!.dtype].float) return [undefined, undefined];
    return [scatterAddOp([zerosLike(x!), indices!, cotangent], attributes)[0], undefined];
  },
});

/** Elements along an axis: `y[i, j] = x[i, indices[i, j]]` for axis 1 of a matrix. Negative indices count from the end. */
export function gatherElements(x: Tensor, indices: Tensor, axis: number): Tensor {
  return gatherElementsOp([x, indices], { axis: normalizeAxis("gatherElements", axis, x.rank) })[0]!;
}

const scatterElementsOp: OpCall<AxisAttributes> = defineOp<AxisAttributes>({
  name: "scatterElements",
  infer([x, indices, updates]) {
    checkElements("scatterElements", x!, indices!, updates!);
    return [x!];
  },
  lower: (context, inputs, { attributes: { axis } }) => [
    context.node("ScatterElements", inputs, { axis: { int: axis } }),
  ],
  vjp({ inputs: [x, indices, updates], attributes }, [c]) {
    if (!c || !dtypes[x!.dtype].float) return [undefined, undefined, undefined];
    return [
      scatterElementsOp([c, indices!, zerosLike(updates!)], attributes)[0],
      undefined,
      gatherElementsOp([c, indices!], attributes)[0],
    ];
  },
});

/** `x` with elements along an axis replaced by `updates`; the counterpart of {@link gatherElements}. */
export function scatterElements(x: Tensor, indices: Tensor, updates: Tensor, axis: number): Tensor {
  return scatterElementsOp([x, indices, updates], { axis: normalizeAxis("scatterElements", axis, x.rank) })[0]!;
}

const scatterAddOp: OpCall<AxisAttributes> = defineOp<AxisAttributes>({
  name: "scatterAdd",
  infer([x, indices, updates]) {
    checkElements("scatterAdd", x!, indices!, updates!);
    return [x!];
  },
  lower: (context, inputs, { attributes: { axis } }) => [
    context.node("ScatterElements", inputs, { axis: { int: axis }, reduction: { string: "add" } }),
  ],
  vjp({ inputs: [x, indices], attributes }, [c]) {
    if (!c || !dtypes[x!.dtype].float) return [undefined, undefined, undefined];
    return [c, undefined, gatherElementsOp([c, indices!], attributes)[0]];
  },
});

/** `x` with `updates` added to elements along an axis; repeats add up. */
export function scatterAdd(x: Tensor, indices: Tensor, updates: Tensor, axis: number): Tensor {
  return scatterAddOp([x, indices, updates], { axis: normalizeAxis("scatterAdd", axis, x.rank) })[0]!;
}

/** {@link gatherNd} within each of the first `batchDims` axes, which `x` and `indices` share. */
export function gatherNdBatched(x: Tensor, indices: Tensor, batchDims: number): Tensor {
  const tuples = indices.shape.slice(0, -1);
  const columns = Array.from({ length: batchDims }, (_, axis) => {
    const shape: Dim[] = tuples.map((n, i) => (i === axis ? n : 1));
    const counter = cast(range(0, x.shape[axis]!), indices.dtype);
    return broadcastTo(reshape(counter, [...shape, 1]), [...tuples, 1]);
  });
  return gatherNd(x, concat([...columns, indices], -1));
}

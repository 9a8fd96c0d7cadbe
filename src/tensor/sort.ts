/**
 * Running sums, and orderings: the largest or smallest elements, sorting.
 */
import { dtypes } from "../util/dtype.ts";
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import { type Dim, normalizeAxis, shapeSize, shapeText } from "./dims.ts";
import { zerosLike } from "./gather.ts";
import { scatterAdd } from "./gather-elements.ts";
import { defineOp, type OpCall, type Tensor } from "./tensor.ts";

interface CumsumAttributes {
  readonly axis: number;
  readonly exclusive: boolean;
  readonly reverse: boolean;
}

const cumsumOp: OpCall<CumsumAttributes> = defineOp<CumsumAttributes>({
  name: "cumsum",
  infer([x]) {
    if (!["f32", "i32", "i64"].includes(x!.dtype))
      fail("dtype", `cumsum: needs f32, i32 or i64, got ${x!.dtype}; cast it first`);
    return [x!];
  },
  lower: (context, [x], { attributes: { axis, exclusive, reverse } }) => [
    context.node("CumSum", [x!, context.constant(NDArray.scalar(axis, "i64"))], {
      exclusive: { int: Number(exclusive) },
      reverse: { int: Number(reverse) },
    }),
  ],
  vjp: ({ inputs: [x], attributes }, [c]) => [
    c && dtypes[x!.dtype].float ? cumsumOp([c], { ...attributes, reverse: !attributes.reverse })[0] : undefined,
  ],
});

/**
 * Running sum along an axis.
 * @param options `exclusive` leaves the element itself out; `reverse` sums from the end.
 */
export function cumsum(
  x: Tensor,
  axis: number,
  options: { readonly exclusive?: boolean; readonly reverse?: boolean } = {},
): Tensor {
  const { exclusive = false, reverse = false } = options;
  return cumsumOp([x], { axis: normalizeAxis("cumsum", axis, x.rank), exclusive, reverse })[0]!;
}

interface TopKAttributes {
  readonly k: Dim;
  readonly axis: number;
  readonly largest: boolean;
}

const topKOp = defineOp<TopKAttributes>({
  name: "topk",
  infer([x], { k, axis }) {
    const size = x!.shape[axis]!;
    if (typeof k === "number" && typeof size === "number" && k > size)
      fail("shape", `topk: cannot take ${k} elements of axis ${axis} of ${shapeText(x!.shape)}`);
    const shape = x!.shape.map((n, i) => (i === axis ? k : n));
    return [
      { dtype: x!.dtype, shape },
      { dtype: "i64", shape },
    ];
  },
  lower(context, [x], { inputs, outputs, attributes: { k, axis, largest } }) {
    // ONNX Runtime divides by the number of rows, which ends the process when there is none
    const { shape } = inputs[0]!;
    if (shape.includes(0))
      return outputs.map((y) =>
        context.node("Expand", [context.constant(NDArray.scalar(0, y.dtype)), context.shape(y.shape)]),
      );
    context.needsAtLeast(1, "elements for topk", shapeSize(shape));
    return context.nodes(
      "TopK",
      [x!, context.shape([k])],
      { axis: { int: axis }, largest: { int: Number(largest) } },
      { outputs: 2 },
    );
  },
  vjp({ inputs: [x], outputs: [, indices], attributes: { axis } }, [c]) {
    if (!c || !dtypes[x!.dtype].float) return [undefined];
    return [scatterAdd(zerosLike(x!), indices!, c, axis)];
  },
});

/** Elements in order, and where they stood. */
export interface Ordered {
  readonly values: Tensor;
  /** Places along the axis, `i64`. */
  readonly indices: Tensor;
}

/** The `k` largest (or smallest) elements along an axis, best first; of tied ones the earlier comes first. */
export function topk(x: Tensor, k: Dim, options: { readonly axis?: number; readonly largest?: boolean } = {}): Ordered {
  const { axis = -1, largest = true } = options;
  const [values, indices] = topKOp([x], { k, axis: normalizeAxis("topk", axis, x.rank), largest });
  return { values: values!, indices: indices! };
}

/** Sorts along an axis, upwards unless told otherwise; equal elements keep their order. */
export function sort(x: Tensor, options: { readonly axis?: number; readonly descending?: boolean } = {}): Ordered {
  const { axis = -1, descending = false } = options;
  const at = normalizeAxis("sort", axis, x.rank);
  return topk(x, x.shape[at]!, { axis: at, largest: descending });
}

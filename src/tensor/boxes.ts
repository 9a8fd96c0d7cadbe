/**
 * Rectangles `x1, y1, x2, y2`: how much they overlap, and which of overlapping ones to keep.
 */
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import { cast } from "./cast.ts";
import { type Dim, normalizeDim, shapeText } from "./dims.ts";
import { add, div, mul, sub } from "./elementwise.ts";
import { maximum, minimum } from "./elementwise-extrema.ts";
import { squeeze, transpose, unsqueeze } from "./movement.ts";
import { max, min } from "./reduce.ts";
import { slice, split } from "./slice.ts";
import { constant, defineOp, type Tensor } from "./tensor.ts";

function checkBoxes(op: string, boxes: Tensor): void {
  if (boxes.dtype !== "f32") fail("dtype", `${op}: needs f32 boxes, got ${boxes.dtype}; cast them first`);
  if (boxes.rank !== 2 || boxes.shape[1] !== 4)
    fail("shape", `${op}: boxes are [boxes, 4] (x1, y1, x2, y2), got ${shapeText(boxes.shape)}`);
}

/** Areas of boxes `[n, 4]`: `[n, 1]`. */
function areas(boxes: Tensor): Tensor {
  const [x1, y1, x2, y2] = split(boxes, [1, 1, 1, 1], 1) as [Tensor, Tensor, Tensor, Tensor];
  return mul(sub(x2, x1), sub(y2, y1));
}

/** Intersection over union of every box of `a` `[n, 4]` with every one of `b` `[m, 4]`: `[n, m]`. */
export function boxIou(a: Tensor, b: Tensor): Tensor {
  checkBoxes("boxIou", a);
  checkBoxes("boxIou", b);
  const corner = (t: Tensor, first: number) => slice(t, { axis: 1, start: first, end: first + 2 });
  const left = (first: number) => unsqueeze(corner(a, first), 1);
  const right = (first: number) => unsqueeze(corner(b, first), 0);
  const sides = maximum(sub(minimum(left(2), right(2)), maximum(left(0), right(0))), 0);
  const [width, height] = split(sides, [1, 1], 2) as [Tensor, Tensor];
  const shared = squeeze(mul(width, height), 2);
  return div(shared, sub(add(areas(a), transpose(areas(b))), shared));
}

interface SuppressionAttributes {
  readonly iouThreshold: number;
  readonly scoreThreshold: number;
  readonly maxOutput: number;
  readonly keptSize: Dim;
}

const suppressionOp = defineOp<SuppressionAttributes>({
  name: "nonMaxSuppression",
  infer: (_, { keptSize }) => [{ dtype: "i64", shape: [keptSize] }],
  lower(context, [boxes, scores], { attributes: { iouThreshold, scoreThreshold, maxOutput } }) {
    const value = (x: number) => context.constant(NDArray.scalar(x));
    const chosen = context.node("NonMaxSuppression", [
      context.node("Unsqueeze", [boxes!, context.int64s([0])]),
      context.node("Unsqueeze", [scores!, context.int64s([0, 1])]),
      context.constant(NDArray.from([maxOutput], [1], "i64")),
      value(iouThreshold),
      value(scoreThreshold),
    ]);
    // rows are (batch, class, box)
    const third = context.constant(NDArray.scalar(2, "i64"));
    return [context.node("Gather", [chosen, third], { axis: { int: 1 } })];
  },
  vjp: "none",
});

/** Options of {@link nonMaxSuppression}. */
export interface NonMaxSuppressionOptions {
  /** A box goes when it overlaps a better one by more than this intersection over union. */
  readonly iouThreshold: number;
  /** Only boxes with a higher score are looked at; all of them by default. */
  readonly scoreThreshold?: number;
  /** Most boxes to keep; any number by default. */
  readonly maxOutput?: number;
  /** Class of each box, integers `[boxes]`: boxes of different classes do not suppress each other. */
  readonly classes?: Tensor;
  /** Name of the result's size, which is known only at run time; `kept` by default. */
  readonly keptSize?: Dim;
}

/**
 * Numbers (`i64`) of the boxes to keep, best score first. How many there are depends on the values, so the result's size is a
 * name that stands for nothing else, and ops that need to know it at run time cannot follow.
 * @param boxes `[boxes, 4]`. @param scores `[boxes]`.
 */
export function nonMaxSuppression(boxes: Tensor, scores: Tensor, options: NonMaxSuppressionOptions): Tensor {
  checkBoxes("nonMaxSuppression", boxes);
  const { iouThreshold, scoreThreshold = -(2 ** 126), maxOutput = 2 ** 31 - 1, classes, keptSize = "kept" } = options;
  if (scores.dtype !== "f32" || String(scores.shape) !== String([boxes.shape[0]]))
    fail("shape", `nonMaxSuppression: boxes ${boxes} need scores f32[${boxes.shape[0]}], got ${scores}`);
  if (boxes.shape[0] === 0) return constant(NDArray.zeros([0], "i64"));
  let apart = boxes;
  if (classes) {
    // classes move to places of their own, where nothing else can overlap them
    const room = add(sub(max(boxes), min(boxes)), 1);
    apart = add(boxes, mul(unsqueeze(cast(classes, "f32"), 1), room));
  }
  return suppressionOp([apart, scores], {
    iouThreshold,
    scoreThreshold,
    maxOutput,
    keptSize: normalizeDim(keptSize),
  })[0]!;
}

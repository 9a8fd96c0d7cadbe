/**
 * Ops that move elements without computing: reshape (with squeeze and unsqueeze) and transpose. Broadcasting lives in
 * `broadcast.ts`, slicing and joining in `slice.ts`, what is composed of these in `arrange.ts`.
 */
import { fail } from "../util/errors.ts";
import { type Dim, divideDims, normalizeAxes, normalizeDim, shapeSize, shapeText } from "./dims.ts";
import { defineOp, type Tensor } from "./tensor.ts";

const reshapeOp = defineOp<{ readonly shape: readonly Dim[] }>({
  name: "reshape",
  infer([x], { shape }) {
    if (shapeSize(x!.shape) !== shapeSize(shape))
      fail("shape", `reshape: ${shapeText(x!.shape)} and ${shapeText(shape)} differ in size`);
    return [{ dtype: x!.dtype, shape }];
  },
  lower(context, [x], { inputs, attributes: { shape } }) {
    const symbolic = shape.filter((n) => typeof n === "string");
    // one unknown size is what ONNX can infer; an axis that keeps its place can be copied; anything else is computed
    const kept = shape.map((n, i) => typeof n === "string" && inputs[0]!.shape[i] === n);
    const unknown = shape.filter((n, i) => typeof n === "string" && !kept[i]);
    const empty = shape.includes(0);
    if (!empty && symbolic.length === 1)
      return [context.node("Reshape", [x!, context.int64s(shape.map((n) => (typeof n === "string" ? -1 : n)))])];
    if (!empty && unknown.length <= 1)
      return [
        context.node("Reshape", [
          x!,
          context.int64s(shape.map((n, i) => (typeof n === "number" ? n : kept[i] ? 0 : -1))),
        ]),
      ];
    // axes of size 1 come and go without knowing the others
    const from = inputs[0]!.shape;
    const ones = (dims: readonly Dim[]) => dims.flatMap((n, i) => (n === 1 ? [i] : []));
    if (String(from.filter((n) => n !== 1)) === String(shape.filter((n) => n !== 1))) {
      const [gone, added] = [ones(from), ones(shape)];
      const squeezed = gone.length ? context.node("Squeeze", [x!, context.int64s(gone)]) : x!;
      return [added.length ? context.node("Unsqueeze", [squeezed, context.int64s(added)]) : squeezed];
    }
    return [context.node("Reshape", [x!, context.shape(shape)], { allowzero: { int: 1 } })];
  },
  vjp: ({ inputs: [x] }, [cotangent]) => [cotangent && reshape(cotangent, x!.shape)],
});

/**
 * The same elements under another shape; one size may be -1 and is inferred.
 * @throws `shape` when the sizes differ.
 */
export function reshape(x: Tensor, shape: readonly Dim[]): Tensor {
  let target = shape.map((n) => (n === -1 ? n : normalizeDim(n)));
  const unknown = target.indexOf(-1);
  if (unknown >= 0) {
    const rest = divideDims(shapeSize(x.shape), shapeSize(target.filter((_, i) => i !== unknown)));
    if (rest === undefined || target.lastIndexOf(-1) !== unknown)
      fail("shape", `reshape: the -1 of ${shapeText(shape)} cannot be inferred from ${shapeText(x.shape)}`);
    target = target.map((n) => (n === -1 ? rest : n));
  }
  if (target.length === x.rank && target.every((n, i) => n === x.shape[i])) return x;
  return reshapeOp([x], { shape: target })[0]!;
}

/** Drops axes of size 1: the given ones, or all of them. @throws `shape` when a given axis is larger. */
export function squeeze(x: Tensor, axes: number | readonly number[] | null = null): Tensor {
  const gone = normalizeAxes("squeeze", axes, x.rank).filter((axis) => axes !== null || x.shape[axis] === 1);
  for (const axis of gone)
    if (x.shape[axis] !== 1) fail("shape", `squeeze: axis ${axis} of ${shapeText(x.shape)} is not of size 1`);
  return reshape(
    x,
    x.shape.filter((_, i) => !gone.includes(i)),
  );
}

/** Adds axes of size 1; they are counted in the result. */
export function unsqueeze(x: Tensor, axes: number | readonly number[]): Tensor {
  const count = typeof axes === "number" ? 1 : axes.length;
  const added = normalizeAxes("unsqueeze", axes, x.rank + count);
  const rest = [...x.shape];
  return reshape(
    x,
    Array.from({ length: x.rank + count }, (_, i) => (added.includes(i) ? 1 : rest.shift()!)),
  );
}

const transposeOp = defineOp<{ readonly permutation: readonly number[] }>({
  name: "transpose",
  infer([x], { permutation }) {
    const rank = x!.shape.length;
    if (permutation.length !== rank || [...permutation].sort((a, b) => a - b).some((p, i) => p !== i))
      fail("shape", `transpose: [${permutation}] is no permutation of the ${rank} axes of ${shapeText(x!.shape)}`);
    return [{ dtype: x!.dtype, shape: permutation.map((p) => x!.shape[p]!) }];
  },
  lower: (context, [x], { attributes }) => [
    context.node("Transpose", [x!], { perm: { ints: attributes.permutation } }),
  ],
  vjp({ attributes: { permutation } }, [cotangent]) {
    if (!cotangent) return [undefined];
    const inverse: number[] = [];
    permutation.forEach((p, i) => {
      inverse[p] = i;
    });
    return [transpose(cotangent, inverse)];
  },
});

/** Permutes the axes; reverses them when no permutation is given. */
export function transpose(x: Tensor, permutation: readonly number[] = x.shape.map((_, i) => x.rank - 1 - i)): Tensor {
  const axes = permutation.map((p) => (p < 0 ? p + x.rank : p));
  if (axes.length === x.rank && axes.every((p, i) => p === i)) return x;
  return transposeOp([x], { permutation: axes })[0]!;
}

/**
 * Matrix products. Other contractions live in `einsum.ts`.
 */
import { dtypes } from "../util/dtype.ts";
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import { sumTo } from "./broadcast.ts";
import { broadcastShapes, type Dim, shapeSize, shapeText } from "./dims.ts";
import { add, mul } from "./elementwise.ts";
import { reshape, transpose, unsqueeze } from "./movement.ts";
import { defineOp, type Tensor } from "./tensor.ts";

const matmulOp = defineOp({
  name: "matmul",
  infer([a, b]) {
    const [x, y] = [a!.shape, b!.shape];
    if (a!.dtype !== b!.dtype || !dtypes[a!.dtype].float)
      fail("dtype", `matmul: needs two float tensors of one dtype, got ${a!.dtype} and ${b!.dtype}`);
    if (x.length < 2 || y.length < 2) fail("shape", `matmul: needs matrices, got ${shapeText(x)} × ${shapeText(y)}`);
    if (x[x.length - 1] !== y[y.length - 2])
      fail("shape", `matmul: inner dimensions differ, ${shapeText(x)} × ${shapeText(y)}`);
    const batch = broadcastShapes("matmul", x.slice(0, -2), y.slice(0, -2));
    return [{ dtype: a!.dtype, shape: [...batch, x[x.length - 2]!, y[y.length - 1]!] }];
  },
  lower(context, inputs, { inputs: [a], outputs: [y] }) {
    // ONNX Runtime leaves the result unwritten when it has fused a transpose and nothing is summed (1.30)
    if (a!.shape[a!.shape.length - 1] !== 0 || y!.shape.includes(0)) return [context.node("MatMul", inputs)];
    return [context.node("Expand", [context.constant(NDArray.zeros([], y!.dtype)), context.shape(y!.shape)])];
  },
  vjp({ inputs: [a, b] }, [cotangent]) {
    if (!cotangent) return [undefined, undefined];
    const dA = sumTo(matmul(cotangent, swapLast(b!)), a!.shape);
    // many matrices times one are rows of a single product, and so is the gradient: no sum over a batch of products
    if (b!.rank === 2 && a!.rank > 2) return [dA, matmul(swapLast(asRows(a!)), asRows(cotangent))];
    return [dA, sumTo(matmul(swapLast(a!), cotangent), b!.shape)];
  },
});

/** All leading axes as one. */
function asRows(x: Tensor): Tensor {
  return reshape(x, [shapeSize(x.shape.slice(0, -1)), x.shape[x.rank - 1]!]);
}

/** Swaps the last two axes. */
export function swapLast(x: Tensor): Tensor {
  const axes = x.shape.map((_, i) => i);
  [axes[x.rank - 2], axes[x.rank - 1]] = [x.rank - 1, x.rank - 2];
  return transpose(x, axes);
}

/**
 * Matrix product `[…, m, k] × […, k, n] → […, m, n]` with broadcast leading axes; a vector on either side is a matrix
 * of one row or column whose axis is dropped from the result. An inner dimension that turns out to be 0 only at run time
 * gives zeros, unless an operand is a transpose: then ONNX Runtime 1.30 returns whatever lay in memory.
 * @throws `shape` when the inner dimensions differ.
 */
export function matmul(a: Tensor, b: Tensor): Tensor {
  const left = a.rank === 1 ? reshape(a, [1, a.shape[0]!]) : a;
  const right = b.rank === 1 ? reshape(b, [b.shape[0]!, 1]) : b;
  const product = matmulOp([left, right], {})[0]!;
  if (a.rank > 1 && b.rank > 1) return product;
  const shape: Dim[] = [...product.shape];
  if (b.rank === 1) shape.pop();
  if (a.rank === 1) shape.splice(b.rank === 1 ? -1 : -2, 1);
  return reshape(product, shape);
}

/** `x Wᵀ + b`: `[…, in] × [out, in] → […, out]`. */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  const y = matmul(x, swapLast(weight));
  return bias ? add(y, bias) : y;
}

/** All products of the elements of two vectors: `[m], [n] → [m, n]`. */
export function outer(a: Tensor, b: Tensor): Tensor {
  if (a.rank !== 1 || b.rank !== 1)
    fail("shape", `outer: needs two vectors, got ${shapeText(a.shape)} and ${shapeText(b.shape)}`);
  return mul(unsqueeze(a, 1), unsqueeze(b, 0));
}

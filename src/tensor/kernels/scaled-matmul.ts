/**
 * `alpha · A × Bᵀ` in one node, reading B as it lies: attention scores against cached keys without a copy of the cache.
 */
import { fail } from "../../util/errors.ts";
import { sumTo } from "../broadcast.ts";
import { broadcastShapes, shapeText } from "../dims.ts";
import { mul } from "../elementwise.ts";
import { matmul, swapLast } from "../matmul.ts";
import { defineOp, type Tensor } from "../tensor.ts";

const scaledMatmulOp = defineOp<{ readonly alpha: number }>({
  name: "scaledMatmulTransposed",
  infer([a, b]) {
    const [x, y] = [a!.shape, b!.shape];
    if (a!.dtype !== "f32" || b!.dtype !== "f32")
      fail("dtype", `scaledMatmulTransposed: needs f32, got ${a!.dtype} and ${b!.dtype}`);
    if (x.length < 2 || y.length < 2 || x[x.length - 1] !== y[y.length - 1])
      fail("shape", `scaledMatmulTransposed: inner dimensions differ, ${shapeText(x)} × ${shapeText(y)} transposed`);
    const batch = broadcastShapes("scaledMatmulTransposed", x.slice(0, -2), y.slice(0, -2));
    return [{ dtype: "f32", shape: [...batch, x[x.length - 2]!, y[y.length - 2]!] }];
  },
  lower: (context, inputs, { attributes: { alpha } }) => [
    context.node("FusedMatMul", inputs, { alpha: { float: alpha }, transB: { int: 1 } }, { domain: "com.microsoft" }),
  ],
  vjp({ inputs: [a, b], attributes: { alpha } }, [cotangent]) {
    if (!cotangent) return [undefined, undefined];
    const scaled = mul(cotangent, alpha);
    return [sumTo(matmul(scaled, b!), a!.shape), sumTo(matmul(swapLast(scaled), a!), b!.shape)];
  },
});

/** `alpha · a × bᵀ` over the last two axes: `[…, m, k], […, n, k] → […, m, n]`. */
export function scaledMatmulTransposed(a: Tensor, b: Tensor, alpha: number): Tensor {
  return scaledMatmulOp([a, b], { alpha })[0]!;
}

/**
 * Adding to the residual stream and normalising the sum by its root mean square, in one node.
 */
import { fail } from "../../util/errors.ts";
import { shapeText } from "../dims.ts";
import { defineOp, type Tensor } from "../tensor.ts";

const skipRmsNormOp = defineOp<{ readonly epsilon: number }>({
  name: "skipRmsNorm",
  infer([x, skip, weight]) {
    if (String(x!.shape) !== String(skip!.shape) || String(weight!.shape) !== String(x!.shape.slice(-1)))
      fail("shape", `skipRmsNorm: ${shapeText(x!.shape)}, ${shapeText(skip!.shape)} and weight ${shapeText(weight!.shape)} do not fit`);
    return [x!, x!];
  },
  lower(context, inputs, { attributes }) {
    const [normalized, , , sum] = context.nodes(
      "SkipSimplifiedLayerNormalization",
      inputs,
      { epsilon: { float: attributes.epsilon } },
      { domain: "com.microsoft", outputs: 4 },
    );
    return [normalized!, sum!];
  },
  vjp: "none",
});

/**
 * `sum = x + skip` and `sum / sqrt(mean(sum²) + epsilon) · weight` over the last axis (Zhang and Sennrich 2019).
 * @returns both, the normalised one first; shapes as `x`.
 */
export function skipRmsNorm(x: Tensor, skip: Tensor, weight: Tensor, options: { readonly epsilon: number }): [Tensor, Tensor] {
  const [normalized, sum] = skipRmsNormOp([x, skip, weight], options);
  return [normalized!, sum!];
}

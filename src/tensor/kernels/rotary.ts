/**
 * Rotary position embedding in one node (Su et al. 2021), for angles that are given as cosines and sines.
 */
import { fail } from "../../util/errors.ts";
import { shapeText } from "../dims.ts";
import { mul } from "../elementwise.ts";
import type { AttributeValue } from "../lowering.ts";
import { defineOp, type OpCall, type Tensor } from "../tensor.ts";

interface RotaryAttributes {
  readonly interleaved: boolean;
}

const rotaryOp: OpCall<RotaryAttributes> = defineOp<RotaryAttributes>({
  name: "rotary",
  infer([x, cos, sin, rows]) {
    const [batch, , n, dim] = x!.shape.length === 3 ? [1, ...x!.shape] : x!.shape;
    if (x!.shape.length < 3 || x!.shape.length > 4 || batch !== 1)
      fail("shape", `rotary: needs [heads, n, dim] or [1, heads, n, dim], got ${shapeText(x!.shape)}`);
    const half = cos!.shape[1];
    if (typeof dim !== "number" || typeof half !== "number" || 2 * half > dim || cos!.shape[0] !== n)
      fail("shape", `rotary: x ${shapeText(x!.shape)} needs cosines [n, ≤ dim / 2], got ${shapeText(cos!.shape)}`);
    if (String(cos!.shape) !== String(sin!.shape) || rows!.dtype !== "i64")
      fail("shape", `rotary: cosines ${shapeText(cos!.shape)} and sines ${shapeText(sin!.shape)} differ`);
    return [x!];
  },
  lower(context, [x, cos, sin, rows], { inputs, attributes }) {
    const { shape } = inputs[0]!;
    const [heads, , dim] = shape.slice(-3);
    const lone = shape.length === 3;
    const half = inputs[1]!.shape[1] as number;
    const batched = lone ? context.node("Unsqueeze", [x!, context.int64s([0])]) : x!;
    const partial: Record<string, AttributeValue> =
      2 * half < (dim as number)
        ? { rotary_embedding_dim: { int: 2 * half }, num_heads: { int: heads as number } }
        : {};
    const rotated = context.node(
      "RotaryEmbedding",
      [batched, rows!, cos!, sin!],
      { interleaved: { int: Number(attributes.interleaved) }, ...partial },
      { domain: "com.microsoft" },
    );
    return [lone ? context.node("Squeeze", [rotated, context.int64s([0])]) : rotated];
  },
  vjp: ({ inputs: [, cos, sin, rows], attributes }, [cotangent]) => [
    // the transpose of a rotation turns the other way
    cotangent && rotaryOp([cotangent, cos!, mul(sin!, -1), rows!], attributes)[0]!,
    undefined,
    undefined,
    undefined,
  ],
});

/**
 * Rotates pairs of dimensions of `x` `[heads, n, dim]` or `[1, heads, n, dim]` by the angles of each row.
 * @param cos cosines `[n, rotaryDim / 2]`. @param sin sines of the same shape.
 * @param rows the row numbers 0…n−1 as `i64[1, n]` (an input, because n is known only at run time).
 * @param interleaved pairs `2j, 2j+1` instead of `j, j + rotaryDim / 2`. Gradients flow to `x` only.
 */
export function rotary(x: Tensor, cos: Tensor, sin: Tensor, rows: Tensor, interleaved = false): Tensor {
  return rotaryOp([x, cos, sin, rows], { interleaved })[0]!;
}

/**
 * Products with weights in 4- or 8-bit blocks, each block of inputs with a scale of its own. No gradients: an inference
 * form of weights that are trained in float.
 */
import { fail } from "../../util/errors.ts";
import { shapeText } from "../dims.ts";
import { defineOp, type Tensor } from "../tensor.ts";

/** Layout of block-quantised weights. */
export interface BlockMatmulAttributes {
  /** Bits of a weight: 4 or 8. */
  readonly bits: 4 | 8;
  /** Inputs per block; a power of two from 16 to 256. */
  readonly blockSize: number;
  /** Number of inputs. */
  readonly inputs: number;
  /** Number of outputs. */
  readonly outputs: number;
}

const blockMatmulOp = defineOp<BlockMatmulAttributes>({
  name: "blockMatmul",
  infer([x, w, scales], { bits, blockSize, inputs, outputs }) {
    const blocks = Math.ceil(inputs / blockSize);
    if (x!.shape[x!.shape.length - 1] !== inputs)
      fail("shape", `blockMatmul: weights have ${inputs} inputs, x is ${shapeText(x!.shape)}`);
    if (String(w!.shape) !== String([outputs, blocks, (blockSize * bits) / 8]) || scales!.shape[0] !== outputs * blocks)
      fail(
        "shape",
        `blockMatmul: weights ${shapeText(w!.shape)} or scales ${shapeText(scales!.shape)} do not fit ${outputs} × ${inputs}`,
      );
    return [{ dtype: "f32", shape: [...x!.shape.slice(0, -1), outputs] }];
  },
  lower: (context, inputs, { attributes }) => [
    context.node(
      "MatMulNBits",
      inputs,
      {
        K: { int: attributes.inputs },
        N: { int: attributes.outputs },
        bits: { int: attributes.bits },
        block_size: { int: attributes.blockSize },
        // without it the weights are expanded to float first, a hundred times slower
        accuracy_level: { int: 4 },
      },
      { domain: "com.microsoft" },
    ),
  ],
  vjp: "none",
});

/**
 * `x × Wᵀ` for `W` in blocks: `w` `u8[outputs, blocks, bytes]` (4 bits: low half first, zero point 8; 8 bits: zero point
 * 128), `scales` `f32[outputs · blocks]`. Rows of `x` are rounded to 8 bits per block inside.
 */
export function blockMatmul(x: Tensor, w: Tensor, scales: Tensor, attributes: BlockMatmulAttributes): Tensor {
  return blockMatmulOp([x, w, scales], attributes)[0]!;
}

/**
 * Rows of convolutions.
 */
import type { Tensor } from "../../../src/tensor/index.ts";
import * as t from "../../../src/tensor/index.ts";
import { scaledMatmulTransposed } from "../../../src/tensor/kernels/scaled-matmul.ts";
import { type Family, numbers, two } from "./row.ts";

const forward = ({ x, weight, bias }: Record<string, Tensor>, attrs: t.ConvOptions) => ({
  y: t.conv(x!, weight!, bias, attrs),
});

const transposed = ({ x, weight, bias }: Record<string, Tensor>, attrs: t.ConvTransposeOptions) => ({
  y: t.convTranspose(x!, weight!, bias, attrs),
});

/** Convolutions. */
export const conv: Family = {
  golden: {
    conv1d: forward,
    conv2d: forward,
    conv3d: forward,
    convTranspose1d: transposed,
    convTranspose2d: transposed,
    convTranspose3d: transposed,
  },
  examples: {
    // what the gradient of a weight is made of
    scaledMatmulTransposed: two((a, b) => scaledMatmulTransposed(a, b, 0.5), [2, 3, 4], [2, 5, 4]),
    conv: {
      inputs: () => ({ x: numbers([2, 4, 5, 6], 1), weight: numbers([6, 2, 3, 2], 2), bias: numbers([6], 3) }),
      apply: ({ x, weight, bias }) =>
        t.conv(x!, weight!, bias, {
          stride: [2, 1],
          padding: [
            [1, 0],
            [0, 2],
          ],
          dilation: [1, 2],
          groups: 2,
        }),
    },
    convTranspose: {
      inputs: () => ({ x: numbers([2, 4, 3, 3], 1), weight: numbers([4, 3, 3, 2], 2), bias: numbers([6], 3) }),
      apply: ({ x, weight, bias }) =>
        t.convTranspose(x!, weight!, bias, { stride: [2, 3], padding: 1, outputPadding: [1, 2], groups: 2 }),
    },
  },
};

/**
 * Rows of what changes the size of images: pooling, resizing, sampling, windows, boxes.
 */
import type { Tensor } from "../../../src/tensor/index.ts";
import * as t from "../../../src/tensor/index.ts";
import { NDArray } from "../../../src/util/ndarray.ts";
import { type Family, type GoldenRow, integers, numbers, one } from "./row.ts";

const pairs = (padding: readonly number[]) => padding.map((n) => [n, n] as const);

const maximum: GoldenRow = ({ x }, { padding, ...attrs }) => ({
  y: t.maxPool(x!, { ...attrs, padding: pairs(padding) }),
});

const average: GoldenRow = ({ x }, { padding, countIncludePad, ...attrs }) => ({
  y: t.averagePool(x!, { ...attrs, padding: pairs(padding), countPadding: countIncludePad }),
});

const adaptive =
  (f: (x: Tensor, size: readonly number[]) => Tensor): GoldenRow =>
  ({ x }, { outputSize }) => ({ y: f(x!, outputSize) });

const resized: GoldenRow = ({ x }, { mode, outputSize, alignCorners, antialias }) => ({
  y: t.resize(x!, outputSize, { mode: mode.replace(/^(bi|tri)/, ""), alignCorners, antialias }),
});

/** Pooling, resizing and sampling. */
export const poolResize: Family = {
  golden: {
    maxPool1d: maximum,
    maxPool2d: maximum,
    maxPool3d: maximum,
    avgPool1d: average,
    avgPool2d: average,
    avgPool3d: average,
    adaptiveAvgPool1d: adaptive(t.adaptiveAveragePool),
    adaptiveAvgPool2d: adaptive(t.adaptiveAveragePool),
    adaptiveAvgPool3d: adaptive(t.adaptiveAveragePool),
    adaptiveMaxPool2d: adaptive(t.adaptiveMaxPool),
    resize: resized,
    pixelShuffle: ({ x }, { factor }) => ({ y: t.pixelShuffle(x!, factor) }),
    pixelUnshuffle: ({ x }, { factor }) => ({ y: t.pixelUnshuffle(x!, factor) }),
    gridSample: ({ x, grid }, { mode, paddingMode, alignCorners }) => ({
      y: t.gridSample(x!, grid!, { mode: mode.replace(/^bi/, ""), padding: paddingMode, alignCorners }),
    }),
    affineGrid: ({ theta }, { size, alignCorners }) => ({ y: t.affineGrid(theta!, size.slice(2), { alignCorners }) }),
    roiAlign: ({ x, boxes, batchIndices }, attrs) => ({ y: t.roiAlign(x!, boxes!, batchIndices!, attrs) }),
    unfold: ({ x }, { padding, ...attrs }) => ({ y: t.unfold(x!, { ...attrs, padding: pairs(padding) }) }),
    fold: ({ x }, { outputSize, padding, ...attrs }) => ({
      y: t.fold(x!, outputSize, { ...attrs, padding: pairs(padding) }),
    }),
    boxIou: ({ a, b }) => ({ y: t.boxIou(a!, b!) }),
    nonMaxSuppression: ({ boxes, scores, classes }, { maxOutput, ...attrs }) => ({
      indices: t.nonMaxSuppression(boxes!, scores!, {
        ...attrs,
        classes,
        maxOutput: maxOutput < 0 ? undefined : maxOutput,
      }),
    }),
  },
  examples: {
    maxPool: one((x) => t.maxPool(x, { kernel: [2, 3], stride: 2, padding: 1 }), [1, 2, 5, 6]),
    averagePool: one((x) => t.averagePool(x, { kernel: 3, stride: [1, 2], padding: 1 }), [1, 2, 4, 5]),
    repeatBlocks: one((x) => t.repeatBlocks(x, [2, 3]), [1, 2, 2, 3]),
    resizeLinear: one((x) => t.resize(x, [5, 2], { mode: "linear" }), [1, 2, 3, 4]),
    gridSample: {
      inputs: () => ({
        x: numbers([1, 2, 3, 4], 1),
        grid: NDArray.from([0.1, -0.4, 0.62, 0.3, -0.7, 0.9, -1.2, 0.2], [1, 2, 2, 2]),
      }),
      apply: ({ x, grid }) => t.gridSample(x!, grid!, { mode: "cubic", padding: "border" }),
    },
    roiAlign: {
      inputs: () => ({ x: numbers([2, 2, 5, 4], 1) }),
      // beyond the image on every side, and several samples a part
      apply: ({ x }) =>
        t.roiAlign(
          x!,
          t.constant(NDArray.from([-9, -3, 13, 12, 0.5, 1, 2, 3.5], [2, 4])),
          t.constant(integers([1, 0])),
          { outputSize: [3, 2] },
        ),
    },
    unfold: one((x) => t.unfold(x, { kernel: [2, 3], stride: [1, 2], padding: 1, dilation: [2, 1] }), [1, 2, 4, 5]),
    fold: one((x) => t.fold(x, [3, 3], { kernel: 2 }), [1, 8, 4]),
    maxUnpool: {
      inputs: () => ({ x: numbers([1, 1, 4, 4], 1), c: numbers([1, 1, 2, 2], 2) }),
      apply: ({ x, c }) => t.pullback([t.maxPool(x!, { kernel: 2 })], [c!], [x!])[0]!,
    },
  },
};

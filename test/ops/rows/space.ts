/**
 * Rows of what changes the size of images: pooling, resizing, sampling, windows, boxes.
 */
import type { Tensor } from "../../../src/tensor/index.ts";
import * as t from "../../../src/tensor/index.ts";
import { type Family, type GoldenRow, numbers, one } from "./row.ts";

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
  },
  later: {
    gridSample: "",
    affineGrid: "",
    roiAlign: "",
    unfold: "",
    fold: "",
    nonMaxSuppression: "",
    boxIou: "",
  },
  examples: {
    maxPool: one((x) => t.maxPool(x, { kernel: [2, 3], stride: 2, padding: 1 }), [1, 2, 5, 6]),
    averagePool: one((x) => t.averagePool(x, { kernel: 3, stride: [1, 2], padding: 1 }), [1, 2, 4, 5]),
    repeatBlocks: one((x) => t.repeatBlocks(x, [2, 3]), [1, 2, 2, 3]),
    resizeLinear: one((x) => t.resize(x, [5, 2], { mode: "linear" }), [1, 2, 3, 4]),
    maxUnpool: {
      inputs: () => ({ x: numbers([1, 1, 4, 4], 1), c: numbers([1, 1, 2, 2], 2) }),
      apply: ({ x, c }) => t.pullback([t.maxPool(x!, { kernel: 2 })], [c!], [x!])[0]!,
    },
  },
};

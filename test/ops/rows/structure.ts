/**
 * Rows of reductions, orderings, products, movement and indexing.
 */
import type { Tensor } from "../../../src/tensor/index.ts";
import * as t from "../../../src/tensor/index.ts";
import { binary, type Family, type GoldenRow, integers, numbers, one, two } from "./row.ts";

const reduced =
  (f: t.Reduction): GoldenRow =>
  ({ x }, { axes, keepDims }) => ({ y: f(x!, axes, { keepDims }) });
const named = (tensors: readonly Tensor[]) => Object.fromEntries(tensors.map((y, i) => [`y${i}`, y]));
const ordered = ({ values, indices }: t.Ordered): Record<string, Tensor> => ({ values, indices });
/** Inputs of a golden case in alphabetical order of their names. */
const inOrder = (inputs: Record<string, Tensor>) =>
  Object.keys(inputs)
    .sort()
    .map((name) => inputs[name]!);

/** Reductions and orderings. */
export const reduce: Family = {
  golden: {
    sum: reduced(t.sum),
    mean: reduced(t.mean),
    max: reduced(t.max),
    min: reduced(t.min),
    prod: reduced(t.prod),
    logSumExp: reduced(t.logSumExp),
    norm2: reduced(t.norm2),
    variance: ({ x }, { axes, keepDims, correction }) => ({ y: t.variance(x!, axes, { keepDims, correction }) }),
    any: ({ x }, { axis, keepDims }) => ({ y: t.any(x!, axis, { keepDims }) }),
    all: ({ x }, { axis, keepDims }) => ({ y: t.all(x!, axis, { keepDims }) }),
    argmax: ({ x }, { axis, keepDims }) => ({ y: t.argmax(x!, axis, { keepDims }) }),
    argmin: ({ x }, { axis, keepDims }) => ({ y: t.argmin(x!, axis, { keepDims }) }),
    cumsum: ({ x }, { axis, exclusive, reverse }) => ({ y: t.cumsum(x!, axis, { exclusive, reverse }) }),
    topk: ({ x }, { k, axis, largest }) => ordered(t.topk(x!, k, { axis, largest })),
    sort: ({ x }, { axis, descending }) => ordered(t.sort(x!, { axis, descending })),
  },
  examples: {
    sum: one((x) => x.sum(1)),
    mean: one((x) => x.mean(0)),
    max: one((x) => t.max(x, 1)),
    min: one((x) => t.min(x, [0, 1])),
    prod: one((x) => t.prod(x, 1)),
    logSumExp: one((x) => t.logSumExp(x, 1)),
    norm2: one((x) => t.norm2(x, 1)),
    cumsum: one((x) => t.cumsum(x, 1, { exclusive: true })),
    topk: one((x) => t.topk(x, 2).values, [2, 4]),
    // the other factor alone has a gradient: a floor is flat, so differences see no more
    stopGradient: one((x) => t.stopGradient(x.floor()).mul(x)),
  },
};

/** Matrix products and contractions. */
export const matmul: Family = {
  golden: {
    matmul: binary(t.matmul),
    linear: ({ x, weight, bias }) => ({ y: t.linear(x!, weight!, bias) }),
    outer: binary(t.outer),
    einsum: (inputs, { equation }) => ({ y: t.einsum(equation, ...inOrder(inputs)) }),
  },
  examples: {
    matmul: two(t.matmul, [2, 3], [3, 4]),
    checkpoint: two(
      t.checkpointed((a: Tensor, b: Tensor) => t.matmul(a, b).sin()),
      [2, 3],
      [3, 2],
    ),
    // what the gradient of a checkpointed function is computed from
    after: two((a, b) => t.pullback([t.checkpointed((x: Tensor) => x.sin())(a)], [b], [a])[0]!, [2, 3], [2, 3]),
  },
};

/** Ops that move elements. */
export const movement: Family = {
  golden: {
    reshape: ({ x }, { shape }) => ({ y: t.reshape(x!, shape) }),
    transpose: ({ x }, { permutation }) => ({ y: t.transpose(x!, permutation) }),
    expand: ({ x }, { shape }) => ({ y: t.broadcastTo(x!, shape) }),
    squeeze: ({ x }, { axes }) => ({ y: t.squeeze(x!, axes) }),
    unsqueeze: ({ x }, { axis }) => ({ y: t.unsqueeze(x!, axis) }),
    concat: (inputs, { axis }) => ({ y: t.concat(inOrder(inputs), axis) }),
    stack: (inputs, { axis }) => ({ y: t.stack(inOrder(inputs), axis) }),
    split: ({ x }, { sizes, axis }) => named(t.split(x!, sizes, axis)),
    slice: ({ x }, { starts, ends, axes, steps }) => ({
      y: t.slice(
        x!,
        axes.map((axis: number, i: number) => ({ axis, start: starts[i], end: ends[i], step: steps[i] })),
      ),
    }),
    pad: ({ x }, { pads, mode, value }) => ({ y: t.pad(x!, pads, { mode, value }) }),
    flip: ({ x }, { axes }) => ({ y: t.flip(x!, axes) }),
    roll: ({ x }, { shifts, axes }) => ({ y: t.roll(x!, shifts, axes) }),
    tile: ({ x }, { repeats }) => ({ y: t.tile(x!, repeats) }),
    repeatInterleave: ({ x }, { repeats, axis }) => ({ y: t.repeatInterleave(x!, repeats, axis) }),
    oneHot: ({ indices }, { depth, axis, on, off }) => ({ y: t.oneHot(indices!, depth, { axis, on, off }) }),
    range: (_, { start, limit, step, dtype }) => ({ y: t.range(start, limit, step, dtype) }),
    linspace: (_, { start, end, count }) => ({ y: t.linspace(start, end, count) }),
    eye: (_, { rows, columns }) => ({ y: t.eye(rows, columns) }),
    tril: ({ x }, { diagonal }) => ({ y: t.tril(x!, diagonal) }),
    triu: ({ x }, { diagonal }) => ({ y: t.triu(x!, diagonal) }),
    diagonal: ({ x }, { offset, axis1, axis2 }) => ({ y: t.diagonal(x!, offset, axis1, axis2) }),
    diagonalEmbed: ({ x }, { offset }) => ({ y: t.diagonalEmbed(x!, offset) }),
  },
  examples: {
    broadcastTo: one((x) => x.reshape([2, 1, 3]).broadcastTo([2, 4, 3])),
    reshape: one((x) => x.reshape([3, 2])),
    transpose: one((x) => x.transpose()),
    slice: one(
      (x) =>
        t.slice(x, [
          { axis: 0, start: 4, end: 0, step: -2 },
          { axis: 1, start: 1, step: 2 },
        ]),
      [5, 6],
    ),
    pad: one((x) =>
      t.pad(
        x,
        [
          [1, 0],
          [-1, 2],
        ],
        { value: 0.5 },
      ),
    ),
    concat: two((a, b) => t.concat([a, b], 1), [2, 3], [2, 1]),
    split: one((x) => {
      const [a, b] = t.split(x, [1, 2], 1);
      return a!.mul(b!);
    }),
  },
};

const indexed = (
  f: (x: Tensor, indices: Tensor, updates: Tensor) => Tensor,
  indices: () => ReturnType<typeof integers>,
  updates: number[] = [1],
) => ({
  inputs: () => ({ x: numbers([3, 4], 1), indices: indices(), updates: numbers(updates, 2) }),
  apply: ({ x, indices: at, updates: u }: Record<string, Tensor>) => f(x!, at!, u!),
});

/** Reading and writing at indices. */
export const gatherScatter: Family = {
  golden: {
    gather: ({ x, indices }, { axis }) => ({ y: t.gather(x!, indices!, axis) }),
    embedding: ({ x, indices }) => ({ y: t.embedding(x!, indices!) }),
    gatherElements: ({ x, indices }, { axis }) => ({ y: t.gatherElements(x!, indices!, axis) }),
    gatherNd: ({ x, indices }, { batchDims }) => ({
      y: batchDims ? t.gatherNdBatched(x!, indices!, batchDims) : t.gatherNd(x!, indices!),
    }),
    scatterElements: ({ x, indices, updates }, { axis }) => ({ y: t.scatterElements(x!, indices!, updates!, axis) }),
    scatterAdd: ({ x, indices, updates }, { axis }) => ({ y: t.scatterAdd(x!, indices!, updates!, axis) }),
    indexAdd: ({ x, indices, updates }, { axis }) => ({ y: t.indexAdd(x!, indices!, updates!, axis) }),
    scatterNd: ({ x, indices, updates }) => ({ y: t.scatterNd(x!, indices!, updates!) }),
    scatterNdAdd: ({ x, indices, updates }) => ({ y: t.scatterNdAdd(x!, indices!, updates!) }),
    maskedFill: ({ x, mask }, { value }) => ({ y: t.maskedFill(x!, mask!, value) }),
  },
  examples: {
    gather: indexed(
      (x, indices) => t.gather(x, indices, 1),
      () => integers([2, -1, 2]),
    ),
    gatherElements: indexed(
      (x, indices) => t.gatherElements(x, indices, 1),
      () => integers([2, 2, 0, 1, 3, 3], [3, 2]),
    ),
    gatherNd: indexed(
      (x, indices) => t.gatherNd(x, indices),
      () => integers([0, 1, 2, 3, 0, 1], [3, 2]),
    ),
    scatterElements: indexed(
      (x, i, u) => t.scatterElements(x, i, u, 1),
      () => integers([2, 1, 0], [3, 1]),
      [3, 1],
    ),
    scatterAdd: indexed(
      (x, i, u) => t.scatterAdd(x, i, u, 1),
      () => integers([2, 2, 0, 1, 3, 3], [3, 2]),
      [3, 2],
    ),
    scatterNd: indexed(t.scatterNd, () => integers([0, 1, 2, 3], [2, 2]), [2]),
    scatterNdAdd: indexed(t.scatterNdAdd, () => integers([0, 1, 0], [3, 1]), [3, 4]),
  },
};

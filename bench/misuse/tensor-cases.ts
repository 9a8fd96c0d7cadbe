/**
 * Wrong calls of ops.
 */
import * as t from "../../src/tensor/index.ts";
import type { ErrorCode } from "../../src/util/errors.ts";
import { b, f, i, type MisuseCase } from "./case.ts";

type Row = readonly [name: string, code: ErrorCode, says: readonly string[], call: () => unknown];

const q = () => f(1, 2, 3, 4);

const rows: readonly Row[] = [
  // element-wise
  ...Object.entries({
    add: t.add,
    sub: t.sub,
    mul: t.mul,
    div: t.div,
    pow: t.pow,
    maximum: t.maximum,
    minimum: t.minimum,
    equal: t.equal,
    less: t.less,
    greaterEqual: t.greaterEqual,
  }).map(
    ([op, call]): Row => [
      `${op} of [2, 3] and [2, 4]`,
      "shape",
      [op, "[2, 3]", "[2, 4]"],
      () => call(f(2, 3), f(2, 4)),
    ],
  ),
  ...Object.entries({ add: t.add, mul: t.mul, less: t.less }).map(
    ([op, call]): Row => [`${op} of f32 and i64`, "dtype", [op, "f32", "i64"], () => call(f(2), i(2))],
  ),
  ["add of symbolic sizes", "shape", ["add", "[n]", "[m]"], () => t.add(f("n"), f("m"))],
  ...Object.entries({
    exp: t.exp,
    log: t.log,
    sqrt: t.sqrt,
    sin: t.sin,
    tanh: t.tanh,
    relu: t.relu,
    sigmoid: t.sigmoid,
    erf: t.erf,
    floor: t.floor,
  }).map(([op, call]): Row => [`${op} of i64`, "dtype", [op, "i64"], () => call(i(2))]),
  ["logicalAnd of f32", "dtype", ["logicalAnd", "f32"], () => t.logicalAnd(f(2), b(2))],
  ["logicalNot of f32", "dtype", ["logicalNot", "f32"], () => t.logicalNot(f(2))],
  ["where with an f32 condition", "dtype", ["where", "f32"], () => t.where(f(2), f(2), f(2))],
  ["where of [2] and [3]", "shape", ["where", "[2]", "[3]"], () => t.where(b(1), f(2), f(3))],
  ["where with a condition [4]", "shape", ["where", "[4]", "[3]"], () => t.where(b(4), f(3), f(3))],
  ["gelu of i64", "dtype", ["gelu", "i64"], () => t.gelu(i(2))],
  ["swiglu of an odd axis", "shape", ["swiglu", "3"], () => t.swiglu(f(2, 3))],
  // products
  ["matmul of [2, 3] and [4, 5]", "shape", ["matmul", "[2, 3]", "[4, 5]"], () => t.matmul(f(2, 3), f(4, 5))],
  ["matmul of f32 and i64", "dtype", ["matmul", "f32", "i64"], () => t.matmul(f(2, 3), i(3, 2))],
  ["matmul of batches 2 and 3", "shape", ["matmul", "[2]", "[3]"], () => t.matmul(f(2, 3, 3), f(3, 3, 3))],
  ["linear with [4, 5]", "shape", ["matmul", "[2, 3]"], () => t.linear(f(2, 3), f(4, 5))],
  ["linear with a bias [3]", "shape", ["add", "[2, 4]", "[3]"], () => t.linear(f(2, 3), f(4, 3), f(3))],
  ["outer of matrices", "shape", ["outer", "[2, 2]"], () => t.outer(f(2, 2), f(2))],
  ["einsum with another number of operands", "argument", ["einsum", "ij,jk"], () => t.einsum("ij,jk->ik", f(2, 3))],
  ["einsum with another rank", "shape", ["einsum", "[2]"], () => t.einsum("ij->i", f(2))],
  ["einsum with two sizes of a letter", "shape", ["einsum", "j"], () => t.einsum("ij,jk->ik", f(2, 3), f(4, 5))],
  ["einsum with an unknown letter", "argument", ["einsum", "z"], () => t.einsum("ij->z", f(2, 3))],
  // reductions
  ...Object.entries({
    sum: t.sum,
    mean: t.mean,
    max: t.max,
    prod: t.prod,
    logSumExp: t.logSumExp,
    norm2: t.norm2,
    variance: t.variance,
  }).map(([op, call]): Row => [`${op} over axis 2 of a matrix`, "shape", [op, "2"], () => call(f(2, 3), 2)]),
  ["sum over the same axis twice", "shape", ["sum", "0"], () => t.sum(f(2, 3), [0, 0])],
  ["mean of i64", "dtype", ["mean", "i64"], () => t.mean(i(2))],
  ["argmax over axis −3", "shape", ["argmax", "-3"], () => t.argmax(f(2, 3), -3)],
  ["softmax over axis 5", "shape", ["softmax", "5"], () => t.softmax(f(2, 3), 5)],
  ["softmax of i64", "dtype", ["softmax", "i64"], () => t.softmax(i(2, 3))],
  ["cumsum over axis 3", "shape", ["cumsum", "3"], () => t.cumsum(f(2), 3)],
  ["topk of more than there are", "shape", ["topk", "5", "3"], () => t.topk(f(2, 3), 5)],
  ["sort over axis 4", "shape", ["sort", "4"], () => t.sort(f(2, 3), { axis: 4 })],
  // movement
  ["reshape of 6 into 8", "shape", ["reshape", "[2, 3]", "[2, 4]"], () => t.reshape(f(2, 3), [2, 4])],
  ["reshape with two unknowns", "shape", ["reshape", "-1"], () => t.reshape(f(2, 3), [-1, -1])],
  ["reshape into what does not divide", "shape", ["reshape", "[2, 3]"], () => t.reshape(f(2, 3), [4, -1])],
  ["transpose with two axes of three", "shape", ["transpose", "[2, 3, 4]"], () => t.transpose(f(2, 3, 4), [1, 0])],
  ["transpose with an axis twice", "shape", ["transpose", "[2, 3]"], () => t.transpose(f(2, 3), [0, 0])],
  ["squeeze of an axis of 3", "shape", ["squeeze", "3"], () => t.squeeze(f(2, 3), 1)],
  ["unsqueeze at 5", "shape", ["unsqueeze", "5"], () => t.unsqueeze(f(2), 5)],
  ["broadcast of [3] to [2, 4]", "shape", ["broadcastTo", "[3]", "[2, 4]"], () => t.broadcastTo(f(3), [2, 4])],
  ["concat of other sizes", "shape", ["concat", "[2, 3]", "[3, 3]"], () => t.concat([f(2, 3), f(3, 3)], 1)],
  ["concat of dtypes", "dtype", ["concat", "f32", "i64"], () => t.concat([f(2), i(2)], 0)],
  ["concat of nothing", "argument", ["concat"], () => t.concat([], 0)],
  ["concat over axis 2", "shape", ["concat", "2"], () => t.concat([f(2), f(2)], 2)],
  ["stack of other shapes", "shape", ["[2]", "[3]"], () => t.stack([f(2), f(3)], 0)],
  ["split into other sums", "shape", ["split", "[2, 6]"], () => t.split(f(2, 6), [2, 3], 1)],
  ["split over axis 3", "shape", ["split", "3"], () => t.split(f(2, 6), [2, 4], 3)],
  ["slice over axis 4", "shape", ["slice", "4"], () => t.slice(f(2), { axis: 4, start: 0 })],
  ["slice with step 0", "argument", ["slice", "0"], () => t.slice(f(4), { axis: 0, start: 0, step: 0 })],
  ["flip of axis 2", "shape", ["flip", "2"], () => t.flip(f(2), 2)],
  ["tile with half a repeat", "shape", ["tile", "[2, 3]", "0.5"], () => t.tile(f(2, 3), [0.5, 1])],
  ["roll with other numbers", "shape", ["roll"], () => t.roll(f(2, 3), [1, 2], [0])],
  ["range with step 0", "argument", ["range", "0"], () => t.range(0, 3, 0)],
  ["pixelShuffle of 3 channels by 2", "shape", ["pixelShuffle", "3"], () => t.pixelShuffle(f(1, 3, 4, 4), 2)],
  // gathering
  ["gather with f32 indices", "dtype", ["gather", "f32"], () => t.gather(f(3), f(2))],
  ["gather over axis 3", "shape", ["gather", "3"], () => t.gather(f(3, 2), i(2), 3)],
  ["embedding with f32 ids", "dtype", ["f32"], () => t.embedding(f(3, 2), f(2))],
  [
    "gatherElements with another rank",
    "shape",
    ["gatherElements", "[2, 3]", "[2]"],
    () => t.gatherElements(f(2, 3), i(2), 0),
  ],
  [
    "scatterAdd with other updates",
    "shape",
    ["scatterAdd", "[2, 3]", "[2, 2]"],
    () => t.scatterAdd(f(4, 3), i(2, 3), f(2, 2), 0),
  ],
  ["scatterElements with dtypes", "dtype", ["scatterElements", "i64"], () => t.scatterElements(f(2), i(2), i(2), 0)],
  ["gatherNd with f32 indices", "dtype", ["gatherNd", "f32"], () => t.gatherNd(f(3, 2), f(2, 1))],
  ["scatterNd with other updates", "shape", ["scatterNd"], () => t.scatterNd(f(3, 2), i(2, 1), f(2, 3))],
  ["indexAdd with other updates", "shape", ["[3, 2]"], () => t.indexAdd(f(3, 2), i(2), f(2, 3))],
  // normalisation
  ["layerNorm with a weight [4]", "shape", ["layerNorm", "[2, 3]", "[4]"], () => t.layerNorm(f(2, 3), f(4), f(4))],
  ["rmsNorm with a weight [4]", "shape", ["rmsNorm", "[2, 3]", "[4]"], () => t.rmsNorm(f(2, 3), f(4))],
  ["groupNorm of 5 channels in 2 groups", "shape", ["groupNorm", "5", "2"], () => t.groupNorm(f(1, 5, 2), 2)],
  // convolutions and pooling
  [
    "conv of 3 channels with 4",
    "shape",
    ["conv", "[1, 3, 8, 8]", "[2, 4, 3, 3]"],
    () => t.conv(f(1, 3, 8, 8), f(2, 4, 3, 3)),
  ],
  ["conv of another rank", "shape", ["conv", "[3, 8]"], () => t.conv(f(3, 8), f(2, 3, 3))],
  ["conv with a kernel too large", "shape", ["conv", "2"], () => t.conv(f(1, 1, 2), f(1, 1, 5))],
  ["conv with a bias [3]", "shape", ["conv", "[3]", "2"], () => t.conv(f(1, 1, 4), f(2, 1, 3), f(3))],
  ["conv of i64", "dtype", ["conv", "i64"], () => t.conv(i(1, 1, 4), f(2, 1, 3))],
  ["conv with stride 0", "shape", ["conv", "0"], () => t.conv(f(1, 1, 4), f(2, 1, 3), undefined, { stride: 0 })],
  [
    "conv with half a group",
    "argument",
    ["conv", "0.5"],
    () => t.conv(f(1, 1, 4), f(2, 1, 3), undefined, { groups: 0.5 }),
  ],
  [
    "convTranspose of 3 channels with 4",
    "shape",
    ["convTranspose", "[1, 3, 4]", "[4, 2, 3]"],
    () => t.convTranspose(f(1, 3, 4), f(4, 2, 3)),
  ],
  ["maxPool with a window too large", "shape", ["maxPool", "2"], () => t.maxPool(f(1, 1, 2, 2), { kernel: 5 })],
  ["averagePool of a matrix", "shape", ["averagePool", "[2, 2]"], () => t.averagePool(f(2, 2), { kernel: 2 })],
  [
    "resize to another rank",
    "shape",
    ["resize", "[1, 1, 4, 4]"],
    () => t.resize(f(1, 1, 4, 4), [8], { mode: "nearest" }),
  ],
  // attention
  [
    "attention with other dims",
    "shape",
    ["attention", "[1, 2, 3, 4]", "[1, 2, 3, 5]"],
    () => t.scaledDotProductAttention(q(), f(1, 2, 3, 5), f(1, 2, 3, 5)),
  ],
  [
    "attention with 2 heads on 3",
    "shape",
    ["attention", "2", "3"],
    () => t.scaledDotProductAttention(q(), f(1, 3, 3, 4), f(1, 3, 3, 4)),
  ],
  [
    "attention with a window and no order",
    "argument",
    ["attention", "window"],
    () => t.scaledDotProductAttention(q(), q(), q(), { window: 2 }),
  ],
  ["rope of odd dims", "shape", ["rope", "3"], () => t.rope(f(1, 2, 4, 3), i(4))],
  [
    "multiHeadAttention in 3 heads",
    "shape",
    ["multiHeadAttention", "[5, 2, 4]", "3"],
    () => t.multiHeadAttention(f(5, 2, 4), f(5, 2, 4), f(5, 2, 4), 3, { inWeight: f(12, 4), outWeight: f(4, 4) }),
  ],
  // losses
  ["crossEntropy with other rows", "shape", ["crossEntropy", "[4, 3]", "[5]"], () => t.crossEntropy(f(4, 3), i(5))],
  [
    "crossEntropy with f32 classes of another shape",
    "shape",
    ["crossEntropy", "[4, 3]", "[4, 2]"],
    () => t.crossEntropy(f(4, 3), f(4, 2)),
  ],
  // recurrent
  [
    "lstm of 5 features with weights for 3",
    "shape",
    ["lstm", "[4, 2, 5]", "[8, 3]"],
    () => t.lstm(f(4, 2, 5), [[{ input: f(8, 3), hidden: f(8, 2) }]]),
  ],
  ["gru of a matrix", "shape", ["gru", "[4, 3]"], () => t.gru(f(4, 3), [[{ input: f(6, 3), hidden: f(6, 2) }]])],
  ["rnn without layers", "argument", ["rnn"], () => t.rnn(f(4, 2, 3), [])],
  // gradients and dimensions
  ["grad of a vector", "shape", ["grad", "[3]", "sum it first"], () => t.gradients(f(3), [])],
  ["grad of a matrix by the transform", "shape", ["grad", "[2, 2]"], () => t.grad((x: t.Tensor) => x.mul(2))(f(2, 2))],
  ["a dimension that is no name", "shape", ["a b"], () => f("a b")],
  ["a negative dimension", "shape", ["-2"], () => f(-2)],
  ["a broken dimension", "shape", ["1.5"], () => f(1.5)],
];

/** Wrong calls of ops. */
export const tensorCases: readonly MisuseCase[] = rows.map(([name, code, says, call]) => ({ name, code, says, call }));

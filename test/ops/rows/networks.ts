/**
 * Rows of what networks are made of: normalisation, attention, losses.
 */

import { dequantize as dequantizeBlocks, quantize as quantizeBlocks } from "../../../src/formats/gguf/index.ts";
import type { Tensor } from "../../../src/tensor/index.ts";
import * as t from "../../../src/tensor/index.ts";
import { bf16BitsToF32, type DType, f16BitsToF32, f32ToBf16Bits, f32ToF16Bits } from "../../../src/util/dtype.ts";
import { NDArray } from "../../../src/util/ndarray.ts";
import { type Family, integers, numbers, one, type PlainRow } from "./row.ts";

/** Normalisation. */
export const normalize: Family = {
  golden: {
    softmax: ({ x }, { axis }) => ({ y: t.softmax(x!, axis) }),
    logSoftmax: ({ x }, { axis }) => ({ y: t.logSoftmax(x!, axis) }),
    layerNorm: ({ x, weight, bias }, { normalizedShape, epsilon }) => ({
      y: t.layerNorm(x!, weight, bias, { epsilon, axes: normalizedShape.length }),
    }),
    rmsNorm: ({ x, weight }, { epsilon, weightOffset }) => ({
      y: t.rmsNorm(x!, weightOffset ? weight!.add(weightOffset) : weight, { epsilon }),
    }),
    batchNorm({ x, weight, bias, runningMean, runningVar }, { training, momentum, epsilon }) {
      const statistics = { runningMean: runningMean!, runningVariance: runningVar! };
      const out = t.batchNorm(x!, { weight, bias, training, momentum, epsilon, ...statistics });
      return { y: out.y, runningMean: out.runningMean, runningVar: out.runningVariance };
    },
    groupNorm: ({ x, weight, bias }, { groups, epsilon }) => ({
      y: t.groupNorm(x!, groups, weight, bias, { epsilon }),
    }),
    instanceNorm: ({ x, weight, bias }, { epsilon }) => ({ y: t.instanceNorm(x!, weight, bias, { epsilon }) }),
    l2Normalize: ({ x }, { axis, epsilon }) => ({ y: t.l2Normalize(x!, axis, epsilon) }),
  },
  examples: {
    softmax: one((x) => t.softmax(x, 0)),
    logSoftmax: one((x) => t.logSoftmax(x, 1)),
    standardize: one((x) => t.standardize(x, [0, 2]), [2, 2, 3]),
    standardizeChannels: {
      inputs: () => ({ x: numbers([2, 2, 3], 1), old: numbers([2], 2) }),
      apply({ x, old }) {
        const statistics = { runningMean: old!, runningVariance: old! };
        const out = t.batchNorm(x!, { ...statistics, training: true, momentum: 0.7, epsilon: 0.1 });
        return t.concat([out.y.reshape([12]), out.runningMean, out.runningVariance], 0);
      },
    },
    channelAffine: {
      inputs: () => ({ x: numbers([2, 3, 2], 1), weight: numbers([3], 2), bias: numbers([3], 3) }),
      apply: ({ x, weight, bias }) => t.channelAffine(x!, weight!, bias!),
    },
    layerNorm: {
      inputs: () => ({ x: numbers([3, 4], 1), weight: numbers([4], 2), bias: numbers([4], 3) }),
      apply: ({ x, weight, bias }) => t.layerNorm(x!, weight!, bias!, { epsilon: 0.1 }),
    },
    rmsNorm: {
      inputs: () => ({ x: numbers([3, 4], 1), weight: numbers([4], 2) }),
      apply: ({ x, weight }) => t.rmsNorm(x!, weight!, { epsilon: 0.1 }),
    },
    skipRmsNorm: {
      inputs: () => ({ x: numbers([3, 4], 1), delta: numbers([3, 4], 2), weight: numbers([4], 3) }),
      apply({ x, delta, weight }) {
        const [y, sum] = t.skipRmsNorm(x!, delta!, weight!, { epsilon: 0.1 });
        return y.mul(sum).add(sum);
      },
    },
  },
};

/** Attention and positions. */
export const attention: Family = {
  golden: {
    rope: ({ x, positions }, attrs) => ({ y: t.rope(x!, positions!, attrs) }),
    scaledDotProductAttention: ({ q, k, v, mask, bias }, { scale, causal, softcap, window }) => ({
      y: t.scaledDotProductAttention(q!, k!, v!, {
        scale: scale ?? undefined,
        causal: causal ?? undefined,
        mask,
        bias,
        softcap,
        window,
      }),
    }),
    multiHeadAttention({ query, key, value, inWeight, inBias, outWeight, outBias, keyMask }, { heads }) {
      const projections = { inWeight: inWeight!, inBias, outWeight: outWeight!, outBias };
      const mask = keyMask?.unsqueeze([1, 2]);
      return t.multiHeadAttention(query!, key!, value!, heads, projections, { mask });
    },
  },
  examples: {},
};

const element =
  (f: (x: Tensor, target: Tensor, reduction: t.LossReduction) => Tensor) =>
  ({ x, target }: Record<string, Tensor>, { reduction }: { reduction: t.LossReduction }) => ({
    y: f(x!, target!, reduction),
  });

/** Losses. */
export const losses: Family = {
  golden: {
    crossEntropy: ({ logits, target, classWeights }, { reduction, labelSmoothing, ignoreIndex }) => ({
      y: t.crossEntropy(logits!, target!, { reduction, labelSmoothing, ignoreIndex, classWeights }),
    }),
    nllLoss: ({ logProbabilities, target }, { reduction }) => ({
      y: t.nllLoss(logProbabilities!, target!, { reduction }),
    }),
    klDivergence: ({ logProbabilities, target }, { reduction, logTarget }) => ({
      y: t.klDivergence(logProbabilities!, target!, { reduction, logTarget }),
    }),
    meanSquaredError: element(t.meanSquaredError),
    meanAbsoluteError: element(t.meanAbsoluteError),
    huber: ({ x, target }, { delta, reduction }) => ({ y: t.huber(x!, target!, delta, reduction) }),
    smoothL1: ({ x, target }, { beta, reduction }) => ({ y: t.smoothL1(x!, target!, beta, reduction) }),
    diceLoss: ({ logits, target }, { activation, smooth, squared }) => ({
      y: t.diceLoss(logits!, target!, { activation, smooth, squared }),
    }),
    sigmoidFocalLoss: ({ logits, target }, { alpha, gamma, reduction }) => ({
      y: t.sigmoidFocalLoss(logits!, target!, { alpha, gamma, reduction }),
    }),
    cosineSimilarity: ({ a, b }, { axis, epsilon }) => ({ y: t.cosineSimilarity(a!, b!, axis, epsilon) }),
    tripletMargin: ({ anchor, positive, negative }, { margin, reduction }) => ({
      y: t.tripletMargin(anchor!, positive!, negative!, margin, reduction),
    }),
    infoNce: ({ a, b }, { temperature, symmetric }) => ({ y: t.infoNce(a!, b!, { temperature, symmetric }) }),
    ctcLoss: ({ logits, targets }, { inputLengths, targetLengths, ...attrs }) => ({
      y: t.ctcLoss(logits!, targets!, {
        ...attrs,
        inputLengths: t.constant(integers(inputLengths)),
        targetLengths: t.constant(integers(targetLengths)),
      }),
    }),
    binaryCrossEntropyWithLogits: ({ logits, target, weight, positiveWeight }, { reduction }) => ({
      y: t.binaryCrossEntropyWithLogits(logits!, target!, { reduction, weight, positiveWeight }),
    }),
  },
  examples: {
    logSum3: {
      inputs: () => ({ logits: numbers([4, 1, 3], 1) }),
      apply: ({ logits }) => t.ctcLoss(logits!, t.constant(integers([1, 2], [1, 2]))),
    },
    tokenLoss: {
      inputs: () => ({ logits: numbers([3, 4], 1), target: integers([2, 0, 3]) }),
      apply: ({ logits, target }) => t.crossEntropy(logits!, target!, { reduction: "none" }),
    },
  },
};

const view = new DataView(new ArrayBuffer(4));

function floatOfBits(bits: number): number {
  view.setUint32(0, bits);
  return view.getFloat32(0);
}

function bitsOfFloat(value: number): number {
  view.setFloat32(0, value);
  return view.getUint32(0);
}

const conversion =
  (dtype: DType, f: (bits: number) => number): PlainRow =>
  ({ bits }) => ({ y: NDArray.from(bits!.toNumbers().map(f), bits!.shape, dtype) });

/** Quantisation in graphs, of bit patterns, and of GGUF blocks. */
export const quantize: Family = {
  golden: {
    quantizeSymmetric: ({ x }, { bits, axis }) => ({ ...t.quantizeSymmetric(x!, bits, axis) }),
    quantizeAsymmetric: ({ x }, { bits, axis }) => ({ ...t.quantizeAsymmetric(x!, bits, axis) }),
    quantizeBlocks4: ({ x }, { blockSize, symmetric }) => ({ ...t.quantizeBlocks4(x!, blockSize, symmetric) }),
    quantizeLinear: ({ x, scale, zeroPoint }, { range }) => ({
      y: t.quantizeLinear(x!, scale!, zeroPoint!, range),
    }),
    dequantizeLinear: ({ q, scale, zeroPoint }) => ({ y: t.dequantizeLinear(q!, scale!, zeroPoint!) }),
    fakeQuantize: ({ x }, { scale, zeroPoint, range }) => ({ y: t.fakeQuantize(x!, scale, zeroPoint, range) }),
  },
  plain: {
    f32ToF16: conversion("u16", (bits) => f32ToF16Bits(floatOfBits(bits))),
    f32ToBf16: conversion("u16", (bits) => f32ToBf16Bits(floatOfBits(bits))),
    f16ToF32: conversion("u32", (bits) => bitsOfFloat(f16BitsToF32(bits))),
    bf16ToF32: conversion("u32", (bits) => bitsOfFloat(bf16BitsToF32(bits))),
    ggufDequantize({ bytes }, { type, blocks, blockElements }) {
      const values = dequantizeBlocks(type, bytes!.data as Uint8Array, blocks * blockElements);
      return { y: new NDArray(values, [values.length], "f32") };
    },
    ggufQuantize({ x }, { type }) {
      const bytes = quantizeBlocks(type, x!.data as Float32Array);
      return { bytes: new NDArray(bytes, [bytes.length], "u8") };
    },
  },
  nanBits: {
    f32ToF16: (bits) => (bits & 0x7fff) > 0x7c00,
    f32ToBf16: (bits) => (bits & 0x7fff) > 0x7f80,
    f16ToF32: (bits) => (bits & 0x7fffffff) > 0x7f800000,
    bf16ToF32: (bits) => (bits & 0x7fffffff) > 0x7f800000,
  },
  examples: {
    // a straight-through gradient is 1 where the function is flat; a step of a whole level sees it
    straightThrough: {
      ...one((x) => t.fakeQuantize(x, 1 / 128, 0, [-(2 ** 15), 2 ** 15]), [2, 3]),
      step: 1 / 4,
    },
  },
};

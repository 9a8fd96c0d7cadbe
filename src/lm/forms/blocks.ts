/**
 * Weights in blocks of 32 inputs, each with a scale of its own, computed by ONNX Runtime's block product, which rounds the
 * activations of each block to 8 bits itself. Finer than one scale per output, and slower for many rows.
 */
import {
  abs,
  add,
  concat,
  div,
  matmul,
  max,
  maximum,
  mul,
  pad,
  round,
  sub,
  sum,
  type Tensor,
} from "../../tensor/index.ts";
import { blockMatmul } from "../../tensor/kernels/index.ts";
import { NDArray } from "../../util/ndarray.ts";
import type { LinearScheme, LinearSpec } from "./form.ts";

/** Inputs per block. */
export const weightBlock = 32;

const blocksOf = ({ inFeatures }: LinearSpec): number => Math.ceil(inFeatures / weightBlock);

/** Calls `visit` with the bounds of every block of every row of `[out, in]`, blocks of a row in order. */
function forBlocks(
  { inFeatures, outFeatures }: LinearSpec,
  visit: (index: number, start: number, end: number) => void,
): void {
  let index = 0;
  for (let o = 0; o < outFeatures; o++)
    for (let i = 0; i < inFeatures; i += weightBlock)
      visit(index++, o * inFeatures + i, o * inFeatures + Math.min(inFeatures, i + weightBlock));
}

/** Rounds to signed bytes (stored with 128 added) with a scale per block. */
export function quantizeBlocks8(spec: LinearSpec, weights: Float32Array): { weight: NDArray; scale: NDArray } {
  const blocks = blocksOf(spec);
  const bytes = new Uint8Array(spec.outFeatures * blocks * weightBlock).fill(128);
  const scales = new Float32Array(spec.outFeatures * blocks);
  forBlocks(spec, (index, start, end) => {
    let largest = 0;
    for (let i = start; i < end; i++) largest = Math.max(largest, Math.abs(weights[i]!));
    const scale = Math.fround(largest / 127) || 1;
    scales[index] = scale;
    for (let i = start; i < end; i++) bytes[index * weightBlock + i - start] = 128 + Math.round(weights[i]! / scale);
  });
  return {
    weight: new NDArray(bytes, [spec.outFeatures, blocks, weightBlock], "u8"),
    scale: new NDArray(scales, [scales.length], "f32"),
  };
}

/** Squared error of rounding a block to `low + step · 0…15`. */
function gridError(weights: Float32Array, start: number, end: number, low: number, step: number): number {
  let error = 0;
  for (let i = start; i < end; i++) {
    const level = Math.min(15, Math.max(0, Math.round((weights[i]! - low) / step)));
    error += (weights[i]! - low - step * level) ** 2;
  }
  return error;
}

/**
 * Rounds to `low + step · 0…15` in each block. Files in 4 bits are such grids already, though not every block uses both
 * ends of its own: the step is searched for among those that some number of levels between the extremes would mean.
 * @returns `weight` `u8[out, blocks, 16]`, low half first; `scale` `f32[out · blocks]`; `low` `f32[blocks, out]`, what to
 * add per unit of a block's input sum when levels are counted from 8.
 */
export function quantizeBlocks4(
  spec: LinearSpec,
  weights: Float32Array,
): { weight: NDArray; scale: NDArray; low: NDArray } {
  const { outFeatures } = spec;
  const blocks = blocksOf(spec);
  const bytes = new Uint8Array((outFeatures * blocks * weightBlock) / 2);
  const scales = new Float32Array(outFeatures * blocks);
  const lows = new Float32Array(blocks * outFeatures);
  forBlocks(spec, (index, start, end) => {
    let low = weights[start]!;
    let high = low;
    for (let i = start + 1; i < end; i++) {
      low = Math.min(low, weights[i]!);
      high = Math.max(high, weights[i]!);
    }
    let step = Math.fround((high - low) / 15) || 1;
    let least = gridError(weights, start, end, low, step);
    for (let levels = 14; levels >= 8 && least > 1e-12 * (high - low) ** 2; levels--) {
      const candidate = Math.fround((high - low) / levels);
      const error = gridError(weights, start, end, low, candidate);
      if (error < least) [step, least] = [candidate, error];
    }
    scales[index] = step;
    lows[(index % blocks) * outFeatures + Math.floor(index / blocks)] = low + 8 * step;
    for (let i = start; i < end; i++) {
      const level = Math.min(15, Math.max(0, Math.round((weights[i]! - low) / step)));
      const at = i - start;
      bytes[(index * weightBlock + at) >> 1]! |= level << (4 * (at & 1));
    }
  });
  return {
    weight: new NDArray(bytes, [outFeatures, blocks, weightBlock / 2], "u8"),
    scale: new NDArray(scales, [scales.length], "f32"),
    low: new NDArray(lows, [blocks, outFeatures], "f32"),
  };
}

const attributesOf = (spec: LinearSpec, bits: 4 | 8) => ({
  bits,
  blockSize: weightBlock,
  inputs: spec.inFeatures,
  outputs: spec.outFeatures,
});

/** The inputs of each block beside each other, `[…, k] → […, blocks, 32]`; a last, shorter block is filled with zeros. */
function inBlocks(x: Tensor, spec: LinearSpec): Tensor {
  const blocks = blocksOf(spec);
  const missing = blocks * weightBlock - spec.inFeatures;
  const whole = missing
    ? pad(
        x,
        x.shape.map((_, i) => [0, i === x.rank - 1 ? missing : 0] as const),
      )
    : x;
  return whole.reshape([...x.shape.slice(0, -1), blocks, weightBlock]);
}

const stored8: LinearScheme["stored"] = (spec) => ({
  weight: { dtype: "u8", shape: [spec.outFeatures, blocksOf(spec), weightBlock] },
  scale: { dtype: "f32", shape: [spec.outFeatures * blocksOf(spec)] },
});

/**
 * 8-bit blocks times activations in 16 bits: what the block product's own rounding would lose is found beforehand and
 * multiplied as a second set of rows.
 */
export const int8BlocksWordRows: LinearScheme = {
  stored: stored8,
  convert: quantizeBlocks8,
  kernel: (spec, parameters) => ({
    parameters,
    apply(x) {
      const flat = x.rank === 3 ? x : x.reshape([1, ...x.shape]);
      const blocked = inBlocks(flat, spec);
      // the product's own grid, so that it takes the coarse rows as they are
      const step = maximum(mul(max(abs(blocked), -1, { keepDims: true }), 1 / 127), 1e-30);
      const coarse = mul(round(div(blocked, step)), step);
      const both = concat([coarse, sub(blocked, coarse)], 0);
      const n = flat.shape[1]!;
      const width = blocksOf(spec) * weightBlock;
      const rows = both.reshape([2, n, width]);
      const products = blockMatmul(
        width === spec.inFeatures ? rows : rows.slice({ axis: 2, end: spec.inFeatures }),
        parameters.weight!.tensor,
        parameters.scale!.tensor,
        attributesOf(spec, 8),
      );
      const y = sum(products, 0, { keepDims: true });
      return x.rank === 3 ? y : y.reshape([n, spec.outFeatures]);
    },
  }),
};

/** 4-bit blocks with a minimum: files in Q4_0 or Q4_1 are represented exactly. Activations in 8 bits. */
export const int4Blocks: LinearScheme = {
  stored: (spec) => ({
    weight: { dtype: "u8", shape: [spec.outFeatures, blocksOf(spec), weightBlock / 2] },
    scale: { dtype: "f32", shape: [spec.outFeatures * blocksOf(spec)] },
    low: { dtype: "f32", shape: [blocksOf(spec), spec.outFeatures] },
  }),
  convert: quantizeBlocks4,
  kernel: (spec, parameters) => ({
    parameters,
    apply(x) {
      const { weight, scale, low } = parameters;
      const sums = sum(inBlocks(x, spec), -1);
      return add(blockMatmul(x, weight!.tensor, scale!.tensor, attributesOf(spec, 4)), matmul(sums, low!.tensor));
    },
  }),
};

/** Symbolic tensors: ops, gradients, dimensions. Graphs are run by `bletchley/runtime`. */
export * from "./activations.ts";
export * from "./arrange.ts";
export * from "./attention.ts";
export * from "./batch-norm.ts";
export * from "./boxes.ts";
export { broadcastTo, type ReduceOptions, sum, sumTo } from "./broadcast.ts";
export { cast } from "./cast.ts";
export { channelAffine } from "./channel-affine.ts";
export { checkpointed } from "./checkpoint.ts";
export * from "./compare.ts";
export * from "./conv.ts";
export * from "./dims.ts";
export * from "./einsum.ts";
export * from "./elementwise.ts";
export * from "./elementwise-extrema.ts";
export { type FourierNorm, type FourierOptions, fft, ifft, irfft, rfft } from "./fourier.ts";
export {
  abs,
  atan,
  atan2,
  ceil,
  cos,
  erf,
  exp,
  expm1,
  floor,
  log,
  log1p,
  neg,
  pow,
  reciprocal,
  round,
  rsqrt,
  sign,
  sin,
  sqrt,
  square,
  tan,
  tanh,
} from "./functions.ts";
export {
  embedding,
  gather,
  gatherNd,
  indexAdd,
  scatterNd,
  scatterNdAdd,
} from "./gather.ts";
export * from "./gather-elements.ts";
export * from "./grad.ts";
export * from "./gradient-flow.ts";
export * from "./grid-sample.ts";
export * from "./losses.ts";
export * from "./losses-ctc.ts";
export * from "./losses-masks.ts";
export * from "./losses-regression.ts";
export * from "./losses-similarity.ts";
export * from "./lowering.ts";
export * from "./matmul.ts";
export * from "./mel.ts";
export * from "./methods.ts";
export * from "./movement.ts";
export * from "./normalize.ts";
export * from "./normalize-channels.ts";
export {
  type AveragePoolOptions,
  adaptiveAveragePool,
  averagePool,
  type PoolOptions,
  repeatBlocks,
} from "./pool-average.ts";
export * from "./pool-max.ts";
export * from "./quantize.ts";
export * from "./recurrent.ts";
export * from "./reduce.ts";
export * from "./resize.ts";
export * from "./roi-align.ts";
export { concat, flip, type SliceRange, slice, split, stack } from "./slice.ts";
export * from "./softmax.ts";
export * from "./sort.ts";
export * from "./spectrogram.ts";
export * from "./ssim.ts";
export * from "./tensor.ts";
export * from "./unfold.ts";
export type { PaddingPair, WindowPadding } from "./windows.ts";

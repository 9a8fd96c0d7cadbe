/** Language models: configurations, families, weight forms, the step and its cache. */
export {
  addLowRank,
  type LowRankAdapter,
  type LowRankOptions,
  lowRankAdapters,
  mergeLowRank,
  removeLowRank,
} from "./adapt/low-rank.ts";
export { type AdapterFiles, loadLowRank, saveLowRank } from "./adapt/peft.ts";
export { type BranchedLogits, branchedLogits } from "./branched-sequences.ts";
export type { Checkpoint, RowTable } from "./checkpoint/checkpoint.ts";
export { GgufCheckpoint } from "./checkpoint/gguf.ts";
export { SafetensorsCheckpoint } from "./checkpoint/safetensors.ts";
export { type DecoderAsGgufOptions, decoderAsGguf } from "./checkpoint/write-gguf.ts";
export type { DecoderConfig, DecoderFamily, EncoderConfig, EncoderFamily, RopeConfig } from "./config.ts";
export type { AttentionRequest, ForwardContext } from "./context.ts";
export { Decoder } from "./decoder.ts";
export { EncoderModel, type LoadEncoderOptions, loadEncoder } from "./encoder/encoder.ts";
export { type PoolingMode, poolingFromHf, poolingModes } from "./encoder/pooling.ts";
export { buildDecoder } from "./families/index.ts";
export {
  formNamed,
  forms,
  type LinearForm,
  type LinearRole,
  type LinearScheme,
  type LinearSpec,
  type StoredArray,
} from "./forms/index.ts";
export { KvCache } from "./kv-cache.ts";
export {
  type LoadDecoderOptions,
  type LoadedDecoder,
  loadDecoder,
  openGguf,
  type PreparedDecoder,
  prepareDecoder,
} from "./load.ts";
export { decoderInMemory } from "./parameters.ts";
export {
  hiddenRows,
  LocalSequenceModel,
  prefill,
  type Sequence,
  type SequenceModel,
  type SequenceStep,
} from "./sequence.ts";
export { type SmallLlamaShape, smallLlama } from "./small-llama.ts";
export { blockLength, buildStepGraph, type StepGraphOptions } from "./step-graph.ts";
export { type EmbeddingRows, StepModel, type StepRequest, type StepResult, type TokenMixture } from "./step-model.ts";
export { TokenClassifier, type TokenClassifierOptions } from "./token-classifier.ts";
export {
  type UnmaskedLayoutOptions,
  unmaskedLayers,
  unmaskedLayout,
  unmaskingConfigurations,
} from "./unmasking.ts";
export {
  convertWeights,
  installWeights,
  type LinearSite,
  linearSites,
  type StoredWeights,
  type WeightSink,
} from "./weights.ts";
export {
  type SequenceLayout,
  type SequencePrefix,
  sequenceHidden,
  sequenceLogits,
  sequencePrefix,
} from "./whole-sequences.ts";

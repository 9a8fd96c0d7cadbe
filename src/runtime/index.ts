/** Compiling and running tensor functions; ONNX export. */
export * from "./compile.ts";
export * from "./engine.ts";
export {
  type Explanation,
  explainGraph,
  type GroupExplanation,
  type NodeExplanation,
  type ValueExplanation,
} from "./explain.ts";
export { exportOnnx, writeOnnx } from "./export.ts";
export { type Exportable, inlineLimitBytes, type WriteOnnxOptions, type WrittenOnnx } from "./export-parts.ts";
export { type FileStore, memoryFiles, openFolder } from "./file-store.ts";
export { formatExplanation } from "./format-explanation.ts";
export { type LoweredGraph, type LowerOptions, lowerGraph } from "./lower.ts";
export type { WorkerEngine } from "./node/worker-engine.ts";
export {
  type ExternalData,
  encodeOnnxModel,
  type OnnxGraph,
  type OnnxInitializer,
  type OnnxNode,
  type OnnxValue,
} from "./onnx/model.ts";
export { createWorkerEngine } from "./worker.ts";

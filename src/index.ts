/**
 * The main entry: load a model by name, talk with it, embed texts, serve both over HTTP. The layers below have subpaths of
 * their own, such as `bletchley/tensor`.
 */
export type {
  FinishReason,
  GenerateOptions,
  GenerationChunk,
  GenerationStats,
  SamplingOptions,
  TokenLogprob,
  Usage,
} from "./decode/index.ts";
export type { ChatMessage } from "./formats/index.ts";
export {
  type AnswerFormat,
  type App,
  type AppOptions,
  type ChatOptions,
  createApp,
  type Embedder,
  type GeneratedObject,
  type Generation,
  generateObject,
  type LoadEmbedderOptions,
  type LoadModelOptions,
  loadEmbedder,
  loadModel,
  type Model,
  type RunningServer,
  type ServeOptions,
  startServer,
} from "./serve/index.ts";
export { type ResolvedModel, type ResolveOptions, resolveModel } from "./sources/index.ts";
export { BletchleyError, type ErrorCode, type Progress, type ProgressListener } from "./util/index.ts";

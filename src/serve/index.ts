/** Loaded models and the OpenAI-compatible server. */
export type { AnswerFormat } from "./answer-format.ts";
export type { ChatPrompt } from "./chat.ts";
export { CodeMonitor, type CodeMonitorOptions, type CodePlaceOptions, loadTypeScript } from "./code-monitor.ts";
export {
  headsName,
  headsPath,
  keptHeads,
  openTokenVectors,
  type TokenVectors,
  type TrainHeadsOptions,
  trainHeads,
} from "./draft-heads.ts";
export {
  type DistilledDraft,
  type DistillOptions,
  distillDraft,
  draftModelName,
  draftModelPath,
  keptDraftModel,
  ownQuestions,
} from "./draft-model.ts";
export { Embedder } from "./embedder.ts";
export { type GeneratedObject, generateObject, type PlainSchema, type ZodSchema } from "./generate-object.ts";
export * from "./http/index.ts";
export { type LoadEmbedderOptions, loadEmbedder } from "./load-embedder.ts";
export { type LoadModelOptions, loadModel } from "./load-model.ts";
export { type ChatOptions, type Generation, Model, type ModelEngine, type ModelOptions } from "./model.ts";
export { FairQueue, type QueueLimits } from "./queue.ts";
export { profilePath, savedProfile, saveProfile, type TuneModelOptions, tuneModel } from "./tuning.ts";

/** Training: steps that change parameters, and whole runs of them. */
export * from "./batches.ts";
export * from "./checkpoint.ts";
export * from "./distill.ts";
export * from "./iob2.ts";
export * from "./lexical-units.ts";
export * from "./loss-curve.ts";
export * from "./metrics.ts";
export * from "./segmentation.ts";
export type { Batch, BatchTypes, Loss, ParameterGroup, TrainStepOptions, TrainStepResult } from "./step-options.ts";
export * from "./token-labels.ts";
export * from "./train-step.ts";
export * from "./trainer.ts";

/**
 * Messages between the main thread and the engine's worker. Arrays travel as their parts and are transferred, not copied.
 */
import type { DecoderConfig, EncoderConfig, StepRequest } from "../../lm/index.ts";
import type { ResolvedModel } from "../../sources/index.ts";
import type { DType, TypedArray } from "../../util/dtype.ts";
import type { ErrorCode } from "../../util/errors.ts";
import type { Progress } from "../../util/progress.ts";

/** The files of a checkpoint: part of what is known of a model that was found. */
export type CheckpointFiles = Pick<ResolvedModel, "kind" | "weights" | "files">;

/** How the worker loads a decoder. */
export interface EngineLoad {
  readonly checkpoint: CheckpointFiles;
  readonly form?: string;
  readonly cacheFolder: string;
  readonly sha256: string;
  readonly threads?: number;
}

/** How the worker loads an encoder. */
export interface EncoderLoad {
  readonly checkpoint: CheckpointFiles;
  readonly threads?: number;
}

/** Requests; each is answered by a {@link EngineAnswer} of the same id, in order. */
export type EngineRequest =
  | { readonly id: number; readonly kind: "load"; readonly load: EngineLoad }
  | { readonly id: number; readonly kind: "open" }
  | { readonly id: number; readonly kind: "step"; readonly sequence: number; readonly request: StepRequest }
  | { readonly id: number; readonly kind: "commit"; readonly sequence: number; readonly rows: readonly number[] }
  | { readonly id: number; readonly kind: "truncate"; readonly sequence: number; readonly length: number }
  | { readonly id: number; readonly kind: "fork"; readonly sequence: number }
  | { readonly id: number; readonly kind: "close"; readonly sequence: number }
  | { readonly id: number; readonly kind: "load-encoder"; readonly load: EncoderLoad }
  | { readonly id: number; readonly kind: "embed"; readonly batch: readonly (readonly number[])[] }
  /** Finish what is being done and refuse what waits; answered when the thread may be stopped. */
  | { readonly id: number; readonly kind: "end" };

/** An array in a message. */
export interface WireArray {
  readonly data: TypedArray;
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/** What a request yields. */
export type EngineValue =
  | { readonly kind: "loaded"; readonly config: DecoderConfig; readonly form: string }
  | { readonly kind: "sequence"; readonly sequence: number }
  | { readonly kind: "step"; readonly logits: WireArray; readonly extra: Readonly<Record<string, WireArray>> }
  | { readonly kind: "truncated"; readonly done: boolean }
  | { readonly kind: "encoder-loaded"; readonly config: EncoderConfig; readonly dimensions: number }
  | { readonly kind: "embedded"; readonly vectors: WireArray }
  | { readonly kind: "done" };

/** Messages from the worker. */
export type EngineAnswer =
  | { readonly id: number; readonly value: EngineValue }
  | { readonly id: number; readonly error: { readonly code: ErrorCode; readonly message: string } }
  | { readonly id: number; readonly progress: Progress };

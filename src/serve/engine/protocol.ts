/**
 * Messages between the main thread and the engine's worker. Arrays travel as their parts and are transferred, not copied.
 */
import type { DecoderConfig, EncoderConfig, StepRequest } from "../../lm/index.ts";
import type { WireArray } from "../../runtime/node/wire-array.ts";
import type { ResolvedModel } from "../../sources/index.ts";

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

/** Requests; each is answered by an {@link EngineValue}, in order. */
export type EngineRequest =
  | { readonly kind: "load"; readonly load: EngineLoad }
  | { readonly kind: "open" }
  | { readonly kind: "step"; readonly sequence: number; readonly request: StepRequest }
  | { readonly kind: "commit"; readonly sequence: number; readonly rows: readonly number[] }
  | { readonly kind: "truncate"; readonly sequence: number; readonly length: number }
  | { readonly kind: "fork"; readonly sequence: number }
  | { readonly kind: "close"; readonly sequence: number }
  | { readonly kind: "load-encoder"; readonly load: EncoderLoad }
  | { readonly kind: "embed"; readonly batch: readonly (readonly number[])[] };

/** What a request yields. */
export type EngineValue =
  | { readonly kind: "loaded"; readonly config: DecoderConfig; readonly form: string }
  | { readonly kind: "sequence"; readonly sequence: number }
  | { readonly kind: "step"; readonly logits: WireArray; readonly extra: Readonly<Record<string, WireArray>> }
  | { readonly kind: "truncated"; readonly done: boolean }
  | { readonly kind: "encoder-loaded"; readonly config: EncoderConfig; readonly dimensions: number }
  | { readonly kind: "embedded"; readonly vectors: WireArray }
  | { readonly kind: "done" };

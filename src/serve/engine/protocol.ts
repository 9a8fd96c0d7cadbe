/**
 * Messages between the main thread and the engine's worker. Arrays travel as their parts and are transferred, not copied.
 */
import type { DecoderConfig, StepRequest } from "../../lm/index.ts";
import type { DType, TypedArray } from "../../util/dtype.ts";
import type { ErrorCode } from "../../util/errors.ts";
import type { Progress } from "../../util/progress.ts";

/** How the worker loads a decoder. */
export interface EngineLoad {
  readonly path: string;
  readonly form?: string;
  readonly cacheFolder: string;
  readonly sha256: string;
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
  | { readonly id: number; readonly kind: "close"; readonly sequence: number };

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
  | { readonly kind: "done" };

/** Messages from the worker. */
export type EngineAnswer =
  | { readonly id: number; readonly value: EngineValue }
  | { readonly id: number; readonly error: { readonly code: ErrorCode; readonly message: string } }
  | { readonly id: number; readonly progress: Progress };

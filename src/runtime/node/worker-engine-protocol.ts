/**
 * Messages between a `WorkerEngine` and its thread.
 */
import type { EngineModel, NodeTiming, SessionOptions } from "../engine.ts";
import type { WireArray } from "./wire-array.ts";

/** Requests; each is answered by a {@link SessionValue}, in order. */
export type SessionRequest =
  | { readonly kind: "load"; readonly model: EngineModel; readonly options?: SessionOptions }
  | {
      readonly kind: "run";
      readonly session: number;
      readonly feeds: Readonly<Record<string, WireArray>>;
      readonly outputs: readonly string[];
    }
  | { readonly kind: "profile"; readonly session: number }
  | { readonly kind: "dispose"; readonly session: number };

/** What a request yields. */
export type SessionValue =
  | { readonly kind: "session"; readonly session: number }
  | { readonly kind: "results"; readonly results: Readonly<Record<string, WireArray>> }
  | { readonly kind: "profile"; readonly timings: readonly NodeTiming[] }
  | { readonly kind: "done" };

/**
 * A {@link Model} without weights for tests: everything is real but the network, which is a function.
 */

import { byteTokenizer, type NextLogits, ScriptedModel } from "../../decode/testing/scripted.ts";
import { builtInTemplates } from "../../formats/index.ts";
import type { ResolvedModel } from "../../sources/index.ts";
import { Model } from "../model.ts";

/** How a scripted model behaves. */
export interface ScriptedOptions {
  readonly next?: NextLogits;
  /** How long a step takes. */
  readonly stepMs?: number;
  readonly contextLength?: number;
  readonly name?: string;
}

/** A model that says what a function wants, and its engine. Its template is ChatML. */
export function scriptedModel(options: ScriptedOptions = {}): {
  readonly model: Model;
  readonly engine: ScriptedModel;
} {
  const { name = "scripted", contextLength = 1024 } = options;
  const engine = new ScriptedModel(options.next, options.stepMs);
  const source: ResolvedModel = {
    ref: name,
    name,
    title: "Scripted",
    kind: "gguf",
    folder: "",
    path: "",
    weights: [],
    files: {},
    sha256: "",
    bytes: 0,
    source: "test",
    origin: "test",
  };
  return { model: new Model(engine, source, byteTokenizer(), builtInTemplates.chatml, contextLength), engine };
}

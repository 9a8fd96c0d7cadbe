/**
 * The models that a card trains, one after the other, for whoever writes them to files or runs them elsewhere.
 */
import { fail } from "../util/errors.ts";
import type { PaperCard, PaperModel } from "./card.ts";
import { type PaperHost, type RunPaperOptions, workContext } from "./run.ts";

/**
 * Visits the models of a card and disposes of each afterwards.
 * @returns how many there were, or why none can be had: data that are absent.
 * @throws `unsupported` for a card that trains no model, `aborted`, and what the training throws.
 */
export async function visitModels(
  card: PaperCard,
  host: PaperHost,
  options: RunPaperOptions,
  visit: (model: PaperModel) => Promise<void>,
): Promise<{ readonly models: number } | { readonly skipped: string }> {
  if (!card.models) fail("unsupported", `the experiment of "${card.slug}" trains no model that could be exported`);
  const made = await workContext(card, host, options);
  if ("skipped" in made) return made;
  let models = 0;
  for await (const model of card.models(made.context)) {
    try {
      await visit(model);
      models++;
    } finally {
      await model.executable.dispose();
    }
  }
  if (!models) fail("internal", `paper "${card.slug}" has no model in its ${options.profile} profile`);
  return { models };
}

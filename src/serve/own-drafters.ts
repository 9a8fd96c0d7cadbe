/**
 * The drafters that belong to one model: its draft heads and its draft model, as far as they were trained on this machine.
 */
import type { ModelDrafters } from "../decode/index.ts";
import { headsName, keptHeads } from "./draft-heads.ts";
import { draftModelName, keptDraftModel } from "./draft-model.ts";
import type { Model } from "./model.ts";

/** Names of drafters that belong to a model. */
export const ownDrafterNames: readonly string[] = [headsName, draftModelName];

/** A model's own drafters, which it keeps. @param wanted names of those to load; all when absent. */
export async function ownDrafters(model: Model, wanted: readonly string[] = ownDrafterNames): Promise<ModelDrafters> {
  return {
    ...(wanted.includes(headsName) ? await keptHeads(model) : {}),
    ...(wanted.includes(draftModelName) ? await keptDraftModel(model) : {}),
  };
}

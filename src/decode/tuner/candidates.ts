/**
 * The ways of drafting that the tuner chooses from, by name, and how they are made.
 */
import { fail } from "../../util/errors.ts";
import type { Drafter } from "../drafter.ts";
import { ContextRecycling } from "../drafters/context-recycling.ts";
import { promptLookup } from "../drafters/prompt-lookup.ts";
import { SuffixDrafter } from "../drafters/suffix-automaton.ts";
import { TokenRecycling } from "../drafters/token-recycling.ts";

/** Makers of drafters that need nothing but a vocabulary. */
const makers: Readonly<Record<string, (vocabSize: number) => Drafter>> = {
  "prompt-lookup": () => promptLookup(),
  "suffix-automaton": () => new SuffixDrafter(),
  "token-recycling": (vocabSize) => new TokenRecycling({ vocabSize }),
  "context-recycling": (vocabSize) => new ContextRecycling({ vocabSize }),
};

/** Names of the drafters that need no training. */
export const drafterNames: readonly string[] = Object.keys(makers);

/** Combinations that the tuner tries, plain decoding first. */
export const usualCandidates: readonly (readonly string[])[] = [
  [],
  ["prompt-lookup"],
  ["suffix-automaton"],
  ["token-recycling"],
  ["context-recycling"],
  ["suffix-automaton", "token-recycling"],
  ["suffix-automaton", "context-recycling"],
];

/** Drafters that belong to one model, such as its draft heads, by name. */
export type ModelDrafters = Readonly<Record<string, () => Drafter>>;

/**
 * Makes drafters by name.
 * @param own those that the model has besides. @throws `name` for an unknown one, naming those there are.
 */
export function makeDrafters(names: readonly string[], vocabSize: number, own: ModelDrafters = {}): Drafter[] {
  return names.map((name) => {
    const drafter = own[name]?.() ?? makers[name]?.(vocabSize);
    if (drafter) return drafter;
    return fail(
      "name",
      `there is no drafter "${name}"; there are ${[...drafterNames, ...Object.keys(own)].join(", ")}`,
    );
  });
}

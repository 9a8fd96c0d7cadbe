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

/** Makes drafters by name. @throws `name` for an unknown one, naming those there are. */
export function makeDrafters(names: readonly string[], vocabSize: number): Drafter[] {
  return names.map((name) => {
    const make = makers[name] ?? fail("name", `there is no drafter "${name}"; there are ${drafterNames.join(", ")}`);
    return make(vocabSize);
  });
}

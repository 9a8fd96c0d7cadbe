/**
 * Sentences about names that could be a person, an organisation or a place, with one word that says which: to the right of the name with a
 * known probability, else to its left. How well a reader from left to right can do is known exactly.
 */
import { fail } from "../util/errors.ts";
import { Random } from "../util/random.ts";
import type { TaggedWords } from "./conll.ts";

/** What a name may stand for. */
export const cueTypes = ["PER", "ORG", "LOC"] as const;

/** Kind of name. */
export type CueType = (typeof cueTypes)[number];

const firstNames =
  "Jordan Paris Florence Lincoln Houston Dallas Austin Carolina Victoria Madison Chelsea Phoenix Savannah Sydney Israel Hamilton Wellington Orlando Brooklyn Charlotte".split(
    " ",
  );

/** All names: half of them of one word, half of two whose first word is in no other. */
export const cueNames: readonly (readonly string[])[] = [
  ...firstNames.map((name) => [name]),
  ...["Kent", "Mercer", "Vernon", "Clifton", "Denver", "Lorraine", "Montana", "Georgia", "Berlin", "London"].map(
    (name) => [name, "Hill"],
  ),
  ...["Ross", "Windsor", "Stanley", "Warren", "Hudson", "Morgan", "Logan", "Cooper", "Marion", "Trent"].map((name) => [
    name,
    "Grant",
  ]),
];

/** Words around a name, `_` in its place; those with the cue behind begin alike for all types. */
const behind: Readonly<Record<CueType, readonly string[]>> = {
  PER: ["smiled at us", "married last year", "slept until noon", "laughed at it"],
  ORG: ["rose three percent", "hired new engineers", "filed for bankruptcy", "sold its shares"],
  LOC: ["lies by a river", "has narrow streets", "borders the desert", "was flooded again"],
};
const before: Readonly<Record<CueType, readonly string[]>> = {
  PER: ["said", "our teacher", "her brother", "dear"],
  ORG: ["shares of", "the company", "employed by", "the startup"],
  LOC: ["flights to", "the city of", "born in", "north of"],
};
const openings = ["", "yesterday", "we heard that", "in the end"];
const endings = ["", "again", "this week", "as everyone knows"];
/** What may stand on the side without a cue. */
const neutralBefore = ["about", "and then", "so", "perhaps"];
const neutralBehind = ["came up", "was mentioned", "is well known", "appeared twice"];

const wordsOf = (text: string) => text.split(" ").filter(Boolean);

/** All words that sentences are made of, in a fixed order. */
export const cueVocabulary: readonly string[] = [
  ...new Set(
    [
      ...cueNames.flat(),
      ...cueTypes.flatMap((type) => [...behind[type], ...before[type]]),
      ...openings,
      ...endings,
      ...neutralBefore,
      ...neutralBehind,
    ].flatMap(wordsOf),
  ),
];

/** A sentence with IOB2 tags. */
export interface CueSentence extends TaggedWords {
  readonly type: CueType;
  /** Whether the cue stands behind the name. */
  readonly cueBehind: boolean;
}

/** Options of {@link drawCueSentences}. */
export interface CueSentenceOptions {
  readonly count: number;
  /** Probability that the cue stands behind the name [ρ]. */
  readonly rightShare: number;
  readonly seed: number;
}

/** Draws sentences: type, name and words independently of each other. @throws `argument` for a probability outside of [0, 1]. */
export function drawCueSentences({ count, rightShare, seed }: CueSentenceOptions): readonly CueSentence[] {
  if (!(rightShare >= 0 && rightShare <= 1))
    fail("argument", `drawCueSentences: rightShare is ${rightShare}; it must lie in [0, 1]`);
  const random = new Random(seed, 5);
  const one = <T>(of: readonly T[]): T => of[random.integer(of.length)]!;
  return Array.from({ length: count }, () => {
    const type = one(cueTypes);
    const name = one(cueNames);
    const cueBehind = random.next() < rightShare;
    const left = wordsOf(`${one(openings)} ${one(cueBehind ? neutralBefore : before[type])}`);
    const right = wordsOf(`${one(cueBehind ? behind[type] : neutralBehind)} ${one(endings)}`);
    const tags = name.map((_, i) => `${i ? "I" : "B"}-${type}`);
    return {
      words: [...left, ...name, ...right],
      tags: [...left.map(() => "O"), ...tags, ...right.map(() => "O")],
      type,
      cueBehind,
    };
  });
}

/** Best share of right types that a reader from left to right can reach: all with the cue before, a third of the others. */
export function causalCueCeiling(rightShare: number): number {
  return 1 - rightShare + rightShare / cueTypes.length;
}

/**
 * Characters as tokens: the smallest vocabulary that a text needs, in the order of code points.
 */
import { fail } from "../util/errors.ts";

/** A vocabulary of characters. */
export interface CharacterVocabulary {
  /** Characters by token id. */
  readonly characters: readonly string[];
  /** @throws `argument` for a character that the vocabulary lacks. */
  encode(text: string): Int32Array;
  /** @throws `argument` for an id that is none. */
  decode(ids: Iterable<number>): string;
}

/** The characters (code points) of a text as a vocabulary. */
export function characterVocabulary(text: string): CharacterVocabulary {
  const characters = [...new Set(text)].sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!);
  const idOf = new Map(characters.map((character, id) => [character, id]));
  return {
    characters,
    encode: (other) =>
      Int32Array.from(
        [...other],
        (c) =>
          idOf.get(c) ??
          fail("argument", `the vocabulary of ${characters.length} characters lacks ${JSON.stringify(c)}`),
      ),
    decode: (ids) =>
      Array.from(ids, (id) => characters[id] ?? fail("argument", `${id} is no token of ${characters.length}`)).join(""),
  };
}

/** Parts of a token sequence to train on and to measure by: the last share of it is held out. */
export function holdOut(ids: Int32Array, share: number): readonly [training: Int32Array, heldOut: Int32Array] {
  if (!(share > 0 && share < 1)) fail("argument", `holdOut: the share is ${share}; it must lie between 0 and 1`);
  const at = ids.length - Math.floor(ids.length * share);
  return [ids.subarray(0, at), ids.subarray(at)];
}

/**
 * What a regular language is made of: terms, their derivatives, and the judges of words that no small automaton knows. Terms are
 * made in regex.ts alone.
 */
import type { CharSet } from "./char-set.ts";

/** Kinds of terms. */
export type RegexKind =
  | "none"
  | "empty"
  | "set"
  | "cat"
  | "alt"
  | "and"
  | "not"
  | "loop"
  | "words"
  | "rec"
  | "tag"
  | "judged";

/** A language that a procedure knows and no small automaton: its states are the beginnings of words. */
export interface WordJudge {
  /** Characters of its words. */
  readonly alphabet: CharSet;
  /** Length of the longest word. */
  readonly longest: number;
  /** Whether a word belongs to it. */
  accepts(word: string): boolean;
  /** A rest that makes a word of a beginning; undefined when none is known. Behind its first character the rest is known too. */
  ending(begun: string): string | undefined;
  /** Whether an ending is known, as quickly as that can be told. */
  possible(begun: string): boolean;
}

/** A language. Made by {@link Regexes} alone; equal ones are the same object. */
export class Regex {
  /** Derivatives, filled on demand by `derivatives`. */
  table: Derivatives | undefined;
  /** Length of the shortest word; `Infinity` for the empty language; undefined when not known yet. */
  shortest: number | undefined;
  /** Whether no complement, intersection or recursion is inside: lengths then follow from the parts. */
  readonly plain: boolean;
  /** Whether it begins inside a judged word: there are too many such terms to keep one of each. */
  readonly transient: boolean;

  constructor(
    readonly id: number,
    readonly kind: RegexKind,
    /** Whether the empty word belongs to it. */
    readonly nullable: boolean,
    readonly parts: readonly Regex[] = [],
    readonly set: CharSet = [],
    readonly min = 0,
    readonly max = 0,
    /** Sorted words of `words`; those from `min` to `max` (exclusive) count, without their first `depth` units. */
    readonly words: readonly string[] = [],
    readonly depth = 0,
    readonly unfold?: () => Regex,
    readonly judge?: WordJudge,
  ) {
    this.transient =
      kind === "judged" ? words[0] !== "" : kind === "cat" ? parts[0]!.transient : parts.some((part) => part.transient);
    this.plain = kind !== "and" && kind !== "not" && kind !== "rec" && parts.every((part) => part.plain);
  }
}

/** A function from code points to languages: `to[i]` holds from `from[i]` up to the next entry. */
export interface Derivatives {
  readonly from: readonly number[];
  readonly to: readonly Regex[];
}

/** Marks stand beyond Unicode: code point `firstTag + t` says which of several languages a word belongs to. */
export const firstTag = 0x110000;

/**
 * Where values stand in a JSON text, and the white space between its parts. Knows nothing of what the values are.
 */
import type { LexState } from "../lexer/lexer.ts";
import { finished, type Keeper, type Position, type Tape } from "../position.ts";
import type { Track, Truth } from "./track.ts";

/** How white space is written; see `JsonOptions.whitespace`. */
export interface Spacing {
  /** Spaces that must stand behind a comma or colon, as a gap (see `gapAfter`). */
  readonly separator: number;
  /** White space that may stand elsewhere between tokens. */
  readonly elsewhere: number;
}

/**
 * A gap is a number: n > 0 asks for that many spaces, n < 0 allows up to -n characters of white space, 0 allows none.
 * This is the gap that is left behind one byte; undefined when the byte is no part of it.
 */
export function gapAfter(gap: number, byte: number): number | undefined {
  if (gap > 0) return byte === 32 ? gap - 1 : undefined;
  if (gap < 0 && (byte === 32 || byte === 10 || byte === 13 || byte === 9)) return gap + 1;
  return undefined;
}

/** Where a value stands: what its end means for what is around it. */
export interface Place {
  readonly spacing: Spacing;
  readonly track: Track;
  /** The position behind the value, of which the bytes end at `end`. */
  done(truth: Truth, tape: Tape, end: number): Position;
  /** Whether the text may end behind the value. */
  readonly outermost: boolean;
  /** Whether what follows depends on the text of the value. */
  readonly reads: boolean;
  /** Strings in this place, by state and number of characters. */
  readonly strings: Map<LexState, (Position | undefined)[]>;
  /** What masks remember of numbers in this place, by what tells them apart. */
  readonly numbers: Map<string, Keeper>;
}

/** The value that is the whole text. */
export class OuterPlace implements Place {
  readonly outermost = true;
  readonly reads = false;
  readonly strings = new Map<LexState, Position[]>();
  readonly numbers = new Map<string, Keeper>();

  constructor(
    readonly track: Track,
    readonly spacing: Spacing,
  ) {}

  done(): Position {
    return finished;
  }
}

/** Comma and colon as they are written in completions. */
export function separators({ separator }: Spacing): [string, string] {
  const space = " ".repeat(Math.max(0, separator));
  return [`,${space}`, `:${space}`];
}

/**
 * A place in a constrained text, between two bytes: what all constraints have in common below tokens. Positions are immutable
 * and know nothing of tokens; masks, forced tokens and rollback are built on them once.
 */
import type { Lexer, LexState } from "./lexer/lexer.ts";

/** The bytes of the text so far, for positions that need to read back what was written. */
export class Tape {
  bytes = new Uint8Array(256);
  length = 0;
  /** Whether the bytes are the real ones: not so where many tokens are judged at once by what they have in common. */
  readonly exact: boolean;

  constructor(exact = true) {
    this.exact = exact;
  }

  /** Writes the byte that is about to be judged; `length` still leaves it out. */
  put(byte: number): void {
    if (this.length >= this.bytes.length) {
      const larger = new Uint8Array(this.bytes.length * 2);
      larger.set(this.bytes);
      this.bytes = larger;
    }
    this.bytes[this.length] = byte;
  }
}

/** The inside of a word of an automaton: its mask depends on the automaton's state alone, but for what follows the word. */
export interface Lexical {
  readonly lexer: Lexer;
  readonly state: LexState;
  /** Characters that may still come, and that must. */
  readonly atMost: number;
  readonly atLeast: number;
  /** The label whose words must be looked at one by one; -1 for none. */
  readonly exactLabel: number;
  /** The position behind the closing quote, for a word of some label; null when it may not end so. */
  close(label: number): Position | null;
}

/** A place between two bytes. */
export interface Position {
  /** The position behind one more byte; null when it may not come. `tape.put(byte)` was called before. */
  step(byte: number, tape: Tape): Position | null;
  /** Whether the text may end here. */
  readonly complete: boolean;
  /** Set inside words of an automaton. */
  readonly lexical?: Lexical;
  /** Bytes that lead towards an end, by a short way; empty when it is complete. More may be needed behind them. */
  finish(): ArrayLike<number>;
  /** Bytes that are likely to come although others may, such as the next name that a schema declares; undefined where there are none. */
  suggest?(tape: Tape): ArrayLike<number> | undefined;
  /** What comes back when a place with the same mask is reached again; undefined where none is kept. */
  readonly keeper: Keeper | undefined;
}

/** Holds what masks remember of a place, for as long as the place is kept. Mostly the position itself. */
export interface Keeper {
  memory: unknown;
}

/** Returned by `step` where an answer needs bytes that a tape does not have. */
export const inexact: Position = {
  step: () => null,
  complete: false,
  finish: () => [],
  keeper: undefined,
};

/** The end of a text: nothing may follow. */
export const finished: Position = {
  step: () => null,
  complete: true,
  finish: () => [],
  keeper: { memory: undefined },
};

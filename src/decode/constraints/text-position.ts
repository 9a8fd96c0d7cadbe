/**
 * Places in a text that matches a regular language from end to end: patterns and choices. Knows no grammar.
 */
import { finishWord } from "./lexer/finish-word.ts";
import type { Lexer, LexState } from "./lexer/lexer.ts";
import type { Keeper, Lexical, Position } from "./position.ts";

/** See the top of the file. */
export class TextPosition implements Position, Lexical {
  readonly atMost = Infinity;
  readonly atLeast = 0;
  readonly exactLabel = -1;

  constructor(
    readonly lexer: Lexer,
    readonly state: LexState,
  ) {}

  get lexical(): Lexical {
    return this;
  }

  get keeper(): Keeper {
    return this.state;
  }

  get complete(): boolean {
    return this.state.label >= 0;
  }

  step(byte: number): Position | null {
    const next = this.lexer.step(this.state, byte);
    return next && (next === this.state ? this : new TextPosition(this.lexer, next));
  }

  close(): null {
    return null;
  }

  finish(): ArrayLike<number> {
    return finishWord(this.lexer, this.state);
  }
}

/**
 * Places inside strings, numbers and words of a JSON text. They know the place that the value stands in, and nothing of
 * objects and arrays.
 */
import { fail } from "../../../util/index.ts";
import { finishWord } from "../lexer/finish-word.ts";
import type { Lexer, LexState } from "../lexer/lexer.ts";
import type { Keeper, Lexical, Position, Tape } from "../position.ts";
import { numberEnd } from "./number-end.ts";
import type { NumberText } from "./number-text.ts";
import type { Place } from "./place.ts";
import type { StringMachine, Track } from "./track.ts";

const quote = 34;
/** Strings with more characters than this are not kept where characters are counted. */
const maxKeptCount = 512;

/** Inside a string. */
export class StringPosition implements Position, Lexical {
  readonly complete = false;
  readonly exactLabel = -1;
  memory: unknown = undefined;

  private constructor(
    readonly place: Place,
    readonly machine: StringMachine,
    readonly state: LexState,
    /** Characters so far; counted only where their number is limited. */
    readonly count: number,
  ) {}

  /** Behind the opening quote. */
  static start(place: Place, machine: StringMachine): StringPosition {
    return StringPosition.#at(place, machine, machine.start, 0);
  }

  static #at(place: Place, machine: StringMachine, state: LexState, count: number): StringPosition {
    // more characters than are asked for are all alike where there is no limit
    const counted = machine.high < Infinity ? count : Math.min(count, machine.low);
    if (counted > maxKeptCount || state.regex.transient || place.reads || !place.track.tracks.keeps)
      return new StringPosition(place, machine, state, counted);
    let byCount = place.strings.get(state);
    if (!byCount) {
      byCount = [];
      place.strings.set(state, byCount);
    }
    let found = byCount[counted] as StringPosition | undefined;
    if (!found) {
      found = new StringPosition(place, machine, state, counted);
      byCount[counted] = found;
    }
    return found;
  }

  get keeper(): Keeper | undefined {
    return this.place.reads || this.state.regex.transient || this.count > maxKeptCount ? undefined : this;
  }

  get lexical(): Lexical {
    return this;
  }

  get lexer(): Lexer {
    return this.place.track.tracks.lexer;
  }

  get atMost(): number {
    return this.machine.high - this.count;
  }

  get atLeast(): number {
    return Math.max(0, this.machine.low - this.count);
  }

  step(byte: number, tape: Tape): Position | null {
    const { place, machine, state, count } = this;
    if (byte === quote && state.whole) {
      if (state.label < 0 || count < machine.low || count > machine.high) return null;
      return place.done(machine.truths[state.label]!, tape, tape.length + 1);
    }
    const next = this.lexer.step(state, byte);
    if (!next) return null;
    const counted = machine.high < Infinity || count < machine.low;
    if (!counted) return next === state ? this : StringPosition.#at(place, machine, next, count);
    const now = count + (next.whole ? 1 : 0);
    return now + next.least > machine.high ? null : StringPosition.#at(place, machine, next, now);
  }

  close(label: number): Position | null {
    return this.place.done(this.machine.truths[label]!, vagueTape, 0);
  }

  finish(): ArrayLike<number> {
    return finishWord(this.lexer, this.state, this.atLeast, this.atMost);
  }
}

/** Says that the text of the value is not known. */
const vagueTape = { exact: false, bytes: new Uint8Array(0), length: 0, put() {} } as Tape;

/** Inside a number. */
export class NumberPosition implements Position {
  constructor(
    readonly place: Place,
    readonly track: Track,
    readonly number: NumberText,
  ) {}

  get keeper(): Keeper | undefined {
    const { place, track, number } = this;
    const kind = place.reads ? undefined : number.kind(track.watched.length > 0);
    if (kind === undefined) return undefined;
    let keeper = place.numbers.get(kind);
    if (!keeper) {
      keeper = { memory: undefined };
      place.numbers.set(kind, keeper);
    }
    return keeper;
  }

  get complete(): boolean {
    return this.place.outermost && this.number.accepted;
  }

  step(byte: number, tape: Tape): Position | null {
    this.track.tracks.patience.spend(this.number.set.length);
    const next = this.number.step(byte);
    if (next) return new NumberPosition(this.place, this.track, next);
    // nothing ends a number but what follows it
    if (this.place.outermost || !this.number.accepted) return null;
    return this.place.done(this.track.numberTruth(this.number), tape, tape.length).step(byte, tape);
  }

  finish(): ArrayLike<number> {
    const { number, place } = this;
    // a step that leaves the number: what follows it finishes the rest
    const rest = numberEnd(number);
    if (rest === undefined)
      fail("internal", `no number of its set begins with ${number.text}, which was said to be possible`);
    return rest || place.outermost
      ? [...rest].map((character) => character.charCodeAt(0))
      : place.done(this.track.numberTruth(number), vagueTape, 0).finish();
  }
}

/** Inside `null`, `true` or `false`. */
export class LiteralPosition implements Position {
  readonly complete = false;
  memory: unknown = undefined;
  #next: Position | undefined;

  private constructor(
    readonly place: Place,
    readonly track: Track,
    readonly word: string,
    readonly at: number,
  ) {}

  /** Behind the first letter of a word; null when the value may not be it. */
  static start(place: Place, word: string, bit: number): LiteralPosition | null {
    const track = place.track.open(bit);
    return track && new LiteralPosition(place, track, word, 1);
  }

  get keeper(): Keeper {
    return this;
  }

  step(byte: number, tape: Tape): Position | null {
    if (byte !== this.word.charCodeAt(this.at)) return null;
    if (this.at + 1 === this.word.length) return this.place.done(this.track.truthAtEnd(), tape, tape.length + 1);
    this.#next ??= new LiteralPosition(this.place, this.track, this.word, this.at + 1);
    return this.#next;
  }

  finish(): ArrayLike<number> {
    return [...this.word.slice(this.at)].map((char) => char.charCodeAt(0));
  }
}

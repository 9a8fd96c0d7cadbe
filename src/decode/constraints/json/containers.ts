/**
 * Places in a JSON text: between values, inside names, strings, numbers and words. They combine tracks (what must hold) with
 * punctuation and white space; they know nothing of tokens or schemas.
 */
import { finishWord } from "../lexer/finish-word.ts";
import type { Lexer, LexState } from "../lexer/lexer.ts";
import { inexact, type Keeper, type Lexical, type Position, type Tape } from "../position.ts";
import { types } from "./formula.ts";
import { gapAfter, type Place, type Spacing, separators } from "./place.ts";
import { readJson } from "./read-json.ts";
import { LiteralPosition, NumberPosition, StringPosition } from "./scalars.ts";
import type { Seen } from "./seen.ts";
import { declaredLabel, type KeyMachine, type Step, type Track, type Truth } from "./track.ts";

const comma = 44;
const colon = 58;
const quote = 34;
const utf8 = new TextDecoder();
const encoder = new TextEncoder();
const encode = (text: string): Uint8Array => encoder.encode(text);

/** Bytes from a place of the tape up to `end`, as text. */
function read(tape: Tape, from: number, end: number): string {
  return utf8.decode(tape.bytes.subarray(from, end));
}

/** The value of a property. */
class PropertyPlace implements Place {
  readonly outermost = false;
  readonly reads = false;
  readonly strings = new Map<LexState, Position[]>();
  readonly numbers = new Map<string, Keeper>();
  readonly #after = new Map<string, Position>();

  constructor(
    readonly frame: ObjectFrame,
    readonly step: Step,
    /** Undefined when many tokens with different names are judged at once. */
    readonly name: string | undefined,
  ) {}

  get track(): Track {
    return this.step.child;
  }

  get spacing(): Spacing {
    return this.frame.place.spacing;
  }

  done(truth: Truth): Position {
    const key = truth.join();
    let after = this.#after.get(key);
    if (!after) {
      after = this.frame.with(this.step.after(truth), this.name).after;
      this.#after.set(key, after);
    }
    return after;
  }
}

/** An item of an array. */
class ItemPlace implements Place {
  readonly outermost = false;
  readonly strings = new Map<LexState, Position[]>();
  readonly numbers = new Map<string, Keeper>();
  readonly #after = new Map<string, Position>();

  constructor(
    readonly frame: ArrayFrame,
    readonly step: Step,
    /** Where the value begins on the tape; -1 when nobody needs to read it. */
    readonly from: number,
  ) {}

  get track(): Track {
    return this.step.child;
  }

  get spacing(): Spacing {
    return this.frame.place.spacing;
  }

  get reads(): boolean {
    return this.from >= 0;
  }

  done(truth: Truth, tape: Tape, end: number): Position {
    if (this.reads && tape.exact)
      return this.frame.with(this.step.after(truth, () => readJson(read(tape, this.from, end)))).after;
    const key = truth.join();
    let after = this.#after.get(key);
    if (!after) {
      after = this.frame.with(this.step.after(truth), this.reads).after;
      this.#after.set(key, after);
    }
    return after;
  }
}

/** An object between two properties. */
class ObjectFrame {
  readonly after: Position;
  #keys: KeyMachine | undefined;
  readonly #classPlaces = new Map<number, ColonPosition>();
  readonly #named = new Map<string, ColonPosition | null>();
  readonly #keepers = new Map<LexState, Keeper>();

  constructor(
    readonly place: Place,
    readonly track: Track,
    readonly seen: Seen | undefined,
    /** Whether the last name is not known. */
    readonly vague: boolean,
  ) {
    track.tracks.places++;
    this.after = new ObjectPosition(this, "after", place.spacing.elsewhere);
  }

  get keys(): KeyMachine {
    this.#keys ??= this.track.keys(this.seen);
    return this.#keys;
  }

  with(track: Track, name: string | undefined): ObjectFrame {
    return name === undefined
      ? new ObjectFrame(this.place, track, this.seen, true)
      : new ObjectFrame(this.place, track, track.tracks.seenWith(name, this.seen), this.vague);
  }

  /**
   * The rest of the name that is likely to come next, with its quote: the one that is declared behind the last that is there, else the
   * first that is missing. @param begun what is written of it, as JSON
   */
  likelyName(begun: string): string | undefined {
    if (this.vague || !this.keys.start) return undefined;
    const { declared } = this.keys;
    const last = this.seen ? declared.findLastIndex((name) => this.seen!.has(name)) : -1;
    for (let i = 1; i <= declared.length; i++) {
      const name = declared[(last + i) % declared.length]!;
      if (this.seen?.has(name)) continue;
      const spelled = JSON.stringify(name).slice(1);
      if (spelled.startsWith(begun)) return spelled.slice(begun.length);
    }
    return undefined;
  }

  /** Behind the quote of a name; null when it may not come. */
  named(name: string, label: number): ColonPosition | null {
    let found = this.#named.get(name);
    if (found === undefined) {
      const step =
        label === declaredLabel ? this.track.property(name, this.seen) : this.keys.others[label - declaredLabel - 1];
      found = step ? new ColonPosition(new PropertyPlace(this, step, name), this.place.spacing.elsewhere) : null;
      if (this.track.tracks.keeps) this.#named.set(name, found);
    }
    return found;
  }

  /** What masks remember of names, by state. */
  keeperOf(state: LexState): Keeper {
    let keeper = this.#keepers.get(state);
    if (!keeper) {
      keeper = { memory: undefined };
      if (this.track.tracks.keeps) this.#keepers.set(state, keeper);
    }
    return keeper;
  }

  /** Behind the quote of a name that only its label is known of. */
  classPosition(label: number): Position | null {
    let found = this.#classPlaces.get(label);
    if (!found) {
      const step = this.keys.others[label - declaredLabel - 1];
      if (!step) return null;
      found = new ColonPosition(new PropertyPlace(this, step, undefined), this.place.spacing.elsewhere);
      this.#classPlaces.set(label, found);
    }
    return found;
  }
}

/** Between two tokens of an object: behind `{`, behind a comma, behind a value. */
class ObjectPosition implements Position {
  readonly complete = false;
  memory: unknown = undefined;
  readonly #gaps = new Map<number, ObjectPosition>();
  #comma: ObjectPosition | undefined;

  constructor(
    readonly frame: ObjectFrame,
    readonly where: "open" | "comma" | "after",
    readonly gap: number,
  ) {}

  get keeper(): Keeper {
    return this;
  }

  step(byte: number, tape: Tape): Position | null {
    const { frame, where, gap } = this;
    const left = gapAfter(gap, byte);
    if (left !== undefined) {
      let next = this.#gaps.get(left);
      if (!next) {
        next = new ObjectPosition(frame, where, left);
        this.#gaps.set(left, next);
      }
      return next;
    }
    if (gap > 0) return null;
    if (byte === quote && where !== "after") {
      if (frame.vague) return inexact;
      const { start } = frame.keys;
      return start && new KeyPosition(frame, start, tape.length + 1);
    }
    if (byte === comma && where === "after") {
      if (frame.vague) return inexact;
      if (!frame.keys.start) return null;
      this.#comma ??= new ObjectPosition(frame, "comma", frame.place.spacing.separator);
      return this.#comma;
    }
    if (byte === 125 && where !== "comma" && frame.track.mayEnd)
      return frame.place.done(frame.track.truthAtEnd(), tape, tape.length + 1);
    return null;
  }

  suggest(): ArrayLike<number> | undefined {
    const { frame, where, gap } = this;
    const name = frame.likelyName("");
    if (name === undefined) return undefined;
    const [comma] = separators(frame.place.spacing);
    return encode(`${" ".repeat(Math.max(0, gap))}${where === "after" ? comma : ""}"${name}`);
  }

  finish(): ArrayLike<number> {
    const { frame, where, gap } = this;
    const { solver } = frame.track.tracks;
    const spaces = " ".repeat(Math.max(0, gap));
    const plan = solver.objectPlan(frame.track.goal, frame.seen);
    const [comma, colon] = separators(frame.place.spacing);
    if (where !== "comma" && !plan?.steps.length) return encode(`${spaces}}`);
    if (plan?.steps.length)
      return encode(`${spaces}${where === "after" ? comma : ""}${solver.children(plan, comma, colon)}}`);
    // behind a comma a property must come although none is needed
    const word = frame.keys.start && solver.formulas.regexes.example(frame.keys.start.regex);
    return encode(`${spaces}${JSON.stringify(word ?? "")}`);
  }
}

/** Inside the name of a property. */
class KeyPosition implements Position, Lexical {
  readonly complete = false;
  readonly atMost = Infinity;
  readonly atLeast = 0;
  readonly exactLabel = declaredLabel;

  constructor(
    readonly frame: ObjectFrame,
    readonly state: LexState,
    readonly from: number,
  ) {}

  get keeper(): Keeper {
    return this.frame.keeperOf(this.state);
  }

  get lexical(): Lexical {
    return this;
  }

  get lexer(): Lexer {
    return this.frame.track.tracks.lexer;
  }

  step(byte: number, tape: Tape): Position | null {
    if (byte === quote && this.state.whole) {
      const { label } = this.state;
      if (label < 0) return null;
      const text = read(tape, this.from, tape.length);
      const name = text.includes("\\") ? (JSON.parse(`"${text}"`) as string) : text;
      return this.frame.named(name, label);
    }
    const next = this.lexer.step(this.state, byte);
    return next && new KeyPosition(this.frame, next, this.from);
  }

  close(label: number): Position | null {
    return this.frame.classPosition(label);
  }

  suggest(tape: Tape): ArrayLike<number> | undefined {
    if (!tape.exact) return undefined;
    const name = this.frame.likelyName(read(tape, this.from, tape.length));
    return name === undefined ? undefined : encode(name);
  }

  finish(): ArrayLike<number> {
    return finishWord(this.lexer, this.state);
  }
}

/** Behind a name, before its colon. */
class ColonPosition implements Position {
  readonly complete = false;
  memory: unknown = undefined;
  #value: ValuePosition | undefined;
  #later: ColonPosition | undefined;

  constructor(
    readonly place: PropertyPlace,
    readonly gap: number,
  ) {}

  get keeper(): Keeper {
    return this;
  }

  step(byte: number): Position | null {
    if (byte === colon) {
      this.#value ??= new ValuePosition(this.place, this.place.spacing.separator);
      return this.#value;
    }
    const left = gapAfter(this.gap, byte);
    if (left === undefined) return null;
    this.#later ??= new ColonPosition(this.place, left);
    return this.#later;
  }

  finish(): ArrayLike<number> {
    return [colon];
  }
}

/** An array between two items. */
class ArrayFrame {
  readonly after: Position;
  #next: ItemPlace | null | undefined;

  constructor(
    readonly place: Place,
    readonly track: Track,
    /** Whether the last item is not known, and what may come depends on it. */
    readonly vague = false,
  ) {
    track.tracks.places++;
    this.after = new ArrayPosition(this, "after", place.spacing.elsewhere);
  }

  with(track: Track, vague = this.vague): ArrayFrame {
    return track === this.track && vague === this.vague ? this : new ArrayFrame(this.place, track, vague);
  }

  get mayGoOn(): boolean {
    return this.track.item() !== null;
  }

  /** Where the next item stands, of which the first byte comes at `from`. */
  itemPlace(from: number): ItemPlace | null {
    const step = this.track.item();
    if (!step) return null;
    if (this.track.readsItems) return new ItemPlace(this, step, from);
    this.#next ??= new ItemPlace(this, step, -1);
    return this.#next;
  }
}

/** Between two tokens of an array: behind `[`, behind a value. */
class ArrayPosition implements Position {
  readonly complete = false;
  memory: unknown = undefined;
  readonly #gaps = new Map<number, ArrayPosition>();
  #first: ValuePosition | undefined;
  #later: ValuePosition | undefined;

  constructor(
    readonly frame: ArrayFrame,
    readonly where: "open" | "after",
    readonly gap: number,
  ) {}

  get keeper(): Keeper {
    return this;
  }

  step(byte: number, tape: Tape): Position | null {
    const { frame, where, gap } = this;
    const left = gapAfter(gap, byte);
    if (left !== undefined) {
      let next = this.#gaps.get(left);
      if (!next) {
        next = new ArrayPosition(frame, where, left);
        this.#gaps.set(left, next);
      }
      return next;
    }
    if (byte === 93)
      return frame.track.mayEnd ? frame.place.done(frame.track.truthAtEnd(), tape, tape.length + 1) : null;
    if (where === "after") {
      if (byte !== comma || !frame.mayGoOn) return null;
      if (frame.vague) return frame.track.goesOnAnyway ? new VagueItemPosition(frame.place.spacing.separator) : inexact;
      const { separator } = frame.place.spacing;
      if (!frame.track.readsItems) {
        this.#later ??= new ValuePosition(frame.itemPlace(0)!, separator);
        return this.#later;
      }
      // white space before the value is read with it, and means nothing
      return new ValuePosition(frame.itemPlace(tape.length + 1)!, separator);
    }
    if (frame.track.readsItems) {
      const place = frame.itemPlace(tape.length);
      return place && new ValuePosition(place, 0).step(byte, tape);
    }
    if (!this.#first) {
      const place = frame.itemPlace(0);
      if (!place) return null;
      this.#first = new ValuePosition(place, 0);
    }
    return this.#first.step(byte, tape);
  }

  finish(): ArrayLike<number> {
    const { frame, where } = this;
    const { solver } = frame.track.tracks;
    const plan = solver.arrayPlan(frame.track.goal);
    if (!plan?.steps.length) return [93];
    if (frame.track.readsItems) return where === "after" ? [comma] : encode(solver.example(plan.steps[0]!.goal));
    const [between, colon] = separators(frame.place.spacing);
    return encode(`${where === "after" ? between : ""}${solver.children(plan, between, colon)}]`);
  }
}

/** Behind the comma that follows an item that is not known. */
class VagueItemPosition implements Position {
  readonly complete = false;
  readonly keeper = undefined;

  constructor(readonly gap: number) {}

  step(byte: number): Position | null {
    const left = gapAfter(this.gap, byte);
    if (left !== undefined) return new VagueItemPosition(left);
    return this.gap > 0 ? null : inexact;
  }

  finish(): ArrayLike<number> {
    return [];
  }
}

/** Before a value. */
export class ValuePosition implements Position {
  readonly complete = false;
  memory: unknown = undefined;
  readonly #next = new Map<number, Position | null>();

  constructor(
    readonly place: Place,
    readonly gap: number,
  ) {}

  get keeper(): Keeper {
    return this;
  }

  step(byte: number, tape: Tape): Position | null {
    let next = this.#next.get(byte);
    if (next === undefined) {
      next = this.#begin(byte, tape);
      this.#next.set(byte, next);
    }
    return next;
  }

  #begin(byte: number, tape: Tape): Position | null {
    const { place, gap } = this;
    const left = gapAfter(gap, byte);
    if (left !== undefined) return new ValuePosition(place, left);
    if (gap > 0) return null;
    const { track, spacing } = place;
    switch (byte) {
      case 123: {
        const opened = track.open(types.object);
        if (!opened?.objectViable()) return null;
        return new ObjectPosition(new ObjectFrame(place, opened, undefined, false), "open", spacing.elsewhere);
      }
      case 91: {
        const opened = track.open(types.array);
        return opened?.arrayViable()
          ? new ArrayPosition(new ArrayFrame(place, opened), "open", spacing.elsewhere)
          : null;
      }
      case quote: {
        const machine = track.open(types.string)?.stringMachine();
        return machine ? StringPosition.start(place, machine) : null;
      }
      case 110:
        return LiteralPosition.start(place, "null", types.null);
      case 116:
        return LiteralPosition.start(place, "true", types.true);
      case 102:
        return LiteralPosition.start(place, "false", types.false);
      default: {
        if (byte !== 45 && (byte < 48 || byte > 57)) return null;
        const opened = track.open(types.number);
        const start = opened?.numberStart();
        return opened && start ? new NumberPosition(place, opened, start).step(byte, tape) : null;
      }
    }
  }

  finish(): ArrayLike<number> {
    const { place, gap } = this;
    const { solver } = place.track.tracks;
    const [between, colon] = separators(place.spacing);
    return encode(" ".repeat(Math.max(0, gap)) + solver.example(place.track.goal, between, colon));
  }
}

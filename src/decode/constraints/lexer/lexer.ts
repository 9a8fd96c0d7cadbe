/**
 * Automata over bytes, built on demand from languages over characters: UTF-8, and inside JSON strings also escapes. States are
 * shared by all texts of one compiler. Knows nothing of tokens or of what stands around.
 *
 * Each character has one spelling: printable ASCII stands for itself, and what must be escaped is escaped as JSON's writers do
 * it. Characters beyond ASCII may also be written `\uXXXX`.
 */
import type { Regexes } from "../regex/regex.ts";
import { firstTag, type Regex } from "../regex/term.ts";

/** Where inside a character's spelling a state stands. */
type Place = "whole" | "escape" | "utf8" | "hex" | "low-escape" | "low-u" | "low-hex";

/** A state: the rest of a language, and the beginning of a character's spelling. */
export class LexState {
  #few: Map<number, LexState | null> | undefined;
  #table: (LexState | null | undefined)[] | undefined;
  /** Which language the word belongs to if it ends here: 0, or the number of a mark; -1 when it cannot end here. */
  label = -1;
  /** Masks by node of the token trie, kept by lex-mask.ts. */
  masks: Map<number, unknown> | undefined;
  /** What masks remember of texts of this language alone. */
  memory: unknown = undefined;
  /** The state whose steps by bytes beyond ASCII are the same; null when there is none, `none` when no such byte may come. */
  beyond: LexState | "none" | null | undefined;
  /** The only byte that may follow, the end of the word being one of them (-2 for it); -1 when there are several. */
  only: number | undefined;

  #least: number | undefined;

  constructor(
    readonly id: number,
    readonly regex: Regex,
    readonly place: Place,
    readonly value: number,
    readonly left: number,
    readonly lexer: Lexer,
  ) {}

  /** Characters that are still needed at the least. */
  get least(): number {
    this.#least ??= this.lexer.leastFrom(this);
    return this.#least;
  }

  /** The next state by byte, as far as it was asked for before; null where there is none. */
  known(byte: number): LexState | null | undefined {
    return this.#table ? this.#table[byte] : this.#few?.get(byte);
  }

  /** Remembers a next state. Most states see few bytes, so a table is made late. */
  remember(byte: number, next: LexState | null): void {
    if (this.#table) this.#table[byte] = next;
    else {
      this.#few ??= new Map();
      this.#few.set(byte, next);
      if (this.#few.size < 12) return;
      this.#table = new Array(256);
      for (const [known, state] of this.#few) this.#table[known] = state;
      this.#few = undefined;
    }
  }

  /** Whether no character is begun. */
  get whole(): boolean {
    return this.place === "whole";
  }
}

const simpleEscapes: Readonly<Record<number, number>> = { 34: 34, 92: 92, 98: 8, 102: 12, 110: 10, 114: 13, 116: 9 };
const quote = 34;
const backslash = 92;

/** Makes states; `json` for the inside of JSON strings, else plain text. */
export class Lexer {
  readonly #wholes = new Map<Regex, LexState>();
  readonly #states = new Map<string, LexState>();
  #count = 0;

  constructor(
    readonly regexes: Regexes,
    readonly json: boolean,
  ) {}

  /** States made so far: what memory depends on. */
  get size(): number {
    return this.#count;
  }

  /** The state before the first character of a language. */
  start(regex: Regex): LexState {
    return this.#state(regex, "whole", 0, 0);
  }

  #state(regex: Regex, place: Place, value: number, left: number): LexState {
    if (place === "whole") {
      let state = this.#wholes.get(regex);
      if (!state) {
        state = new LexState(this.#count, regex, place, value, left, this);
        if (!regex.transient) {
          this.#count++;
          this.#wholes.set(regex, state);
        }
        state.label = this.#label(regex);
      }
      return state;
    }
    const key = `${regex.id},${place},${value},${left}`;
    let state = this.#states.get(key);
    if (!state) {
      state = new LexState(this.#count, regex, place, value, left, this);
      if (regex.transient) return state;
      const target = this.#onlyTarget(state);
      const { regexes } = this;
      const common = target && regexes.cat(regexes.any, target);
      const alike = common && place === "utf8" ? representative(value, left) : value;
      if (common && (common !== regex || alike !== value)) state = this.#state(common, place, alike, left);
      else this.#count++;
      this.#states.set(key, state);
    }
    return state;
  }

  /**
   * What follows a begun character whichever it becomes; undefined where that depends on it. Such states are the same for
   * all languages that go on alike.
   */
  #onlyTarget(state: LexState): Regex | undefined {
    const { from, to } = this.regexes.derivatives(state.regex);
    let found: Regex | undefined;
    for (const [low, high] of this.#range(state))
      for (let i = firstAt(from, low); i < from.length && from[i]! <= high; i++) {
        if (found && found !== to[i]) return undefined;
        found = to[i]!;
      }
    return found === this.regexes.none ? undefined : found;
  }

  /** Characters that a state needs at the least; `Infinity` when no word goes on from it. */
  leastFrom(state: LexState): number {
    return state.whole ? this.regexes.shortest(state.regex) : 1 + this.#leastBehind(state);
  }

  #label(regex: Regex): number {
    if (regex.nullable) return 0;
    switch (regex.kind) {
      case "tag":
        return regex.set[0]! - firstTag;
      case "cat":
        if (regex.parts[0]!.kind !== "rec") return regex.parts[0]!.nullable ? this.#label(regex.parts[1]!) : -1;
        break;
      case "alt":
        return regex.parts.reduce((most, part) => Math.max(most, this.#label(part)), -1);
      case "set":
      case "words":
        return -1;
      default:
        if (regex.transient && !this.regexes.hasTag(regex)) return -1;
    }
    const { from, to } = this.regexes.derivatives(regex);
    for (let i = from.length - 1; i >= 0; i--) {
      const last = (from[i + 1] ?? firstTag + 100_000) - 1;
      if (last < firstTag) break;
      if (to[i]!.nullable) return Math.max(from[i]!, firstTag) - firstTag;
    }
    return -1;
  }

  /** Code points that a begun character can become. */
  #range({ place, value, left }: LexState): readonly (readonly [number, number])[] {
    switch (place) {
      case "utf8": {
        const shift = 6 * left;
        // the first continuation byte of some leading bytes is limited, so that no code point has two spellings
        const least = value > 0 ? 0 : left === 2 ? 0x800 : left === 3 ? 0x10000 : 0;
        return [[Math.max(value << shift, least), Math.min(((value + 1) << shift) - 1, 0x10ffff)]];
      }
      case "escape":
        return [
          [0, 31],
          [34, 34],
          [92, 92],
          [127, 0x10ffff],
        ];
      case "hex": {
        const shift = 4 * left;
        const ranges: [number, number][] = [[value << shift, ((value + 1) << shift) - 1]];
        const [low, high] = ranges[0]!;
        if (low <= 0xdbff && high >= 0xd800)
          ranges.push([surrogates(Math.max(low, 0xd800), 0xdc00), surrogates(Math.min(high, 0xdbff), 0xdfff)]);
        return ranges;
      }
      case "low-hex": {
        const shift = 4 * left;
        const top = value >>> 16;
        const low = (value & 0xffff) << shift;
        return [[surrogates(top, Math.max(low, 0xdc00)), surrogates(top, Math.min(low + (1 << shift) - 1, 0xdfff))]];
      }
      default:
        return [[surrogates(value, 0xdc00), surrogates(value, 0xdfff)]];
    }
  }

  #leastBehind(state: LexState): number {
    let least = Infinity;
    const { from, to } = this.regexes.derivatives(state.regex);
    for (const [low, high] of this.#range(state))
      for (let i = firstAt(from, low); i < from.length && from[i]! <= high; i++) {
        const start = Math.max(low, from[i]!);
        const end = Math.min(high, (from[i + 1] ?? firstTag) - 1);
        if (start > end) continue;
        // surrogates are no characters
        if (start >= 0xd800 && end <= 0xdfff) continue;
        if (state.place === "hex" && start >= 32 && end < 127) continue;
        least = Math.min(least, this.regexes.shortest(to[i]!));
      }
    return least;
  }

  /** The state behind one byte; null where there is none. The quote that ends a JSON string is not a byte of it. */
  step(state: LexState, byte: number): LexState | null {
    const known = state.known(byte);
    if (known !== undefined) return known;
    if (byte >= 0x80 && state.whole && !state.regex.transient) {
      if (state.beyond === undefined) state.beyond = this.#beyond(state);
      if (state.beyond === "none") return null;
      if (state.beyond && state.beyond !== state) return this.step(state.beyond, byte);
    }
    const next = this.#compute(state, byte);
    if (!next) {
      state.remember(byte, null);
      return null;
    }
    const viable = next.whole ? this.regexes.possible(next.regex) : next.least < Infinity;
    // what is not kept anywhere else is not kept here
    if (!viable || !next.regex.transient) state.remember(byte, viable ? next : null);
    return viable ? next : null;
  }

  /** The state that stands for one from which all characters beyond ASCII lead the same way; null when they do not. */
  #beyond({ regex }: LexState): LexState | "none" | null {
    const { from, to } = this.regexes.derivatives(regex);
    const first = firstAt(from, 0x80);
    const only = to[first]!;
    if ((from[first + 1] ?? firstTag) < firstTag) return null;
    if (only === this.regexes.none) return "none";
    return this.#state(this.regexes.cat(this.regexes.any, only), "whole", 0, 0);
  }

  #char(regex: Regex, code: number): LexState | null {
    if (code >= 0xd800 && code <= 0xdfff) return null;
    const next = this.regexes.derive(regex, code);
    return next === this.regexes.none ? null : this.#state(next, "whole", 0, 0);
  }

  #compute(state: LexState, byte: number): LexState | null {
    const { regex, value, left } = state;
    switch (state.place) {
      case "whole":
        if (byte < 0x80) {
          if (this.json) {
            if (byte === quote || byte < 32) return null;
            if (byte === backslash) return this.#state(regex, "escape", 0, 0);
          }
          return this.#char(regex, byte);
        }
        if (byte < 0xc2 || byte > 0xf4) return null;
        if (byte < 0xe0) return this.#state(regex, "utf8", byte & 31, 1);
        return byte < 0xf0 ? this.#state(regex, "utf8", byte & 15, 2) : this.#state(regex, "utf8", byte & 7, 3);
      case "utf8": {
        if ((byte & 0xc0) !== 0x80) return null;
        const code = (value << 6) | (byte & 63);
        if (left === 1) return this.#char(regex, code);
        if (left === 2 && state.value < 16 && value === 0 && code < 0x20) return null;
        const shift = 6 * (left - 1);
        if (left === 3 && (code << shift < 0x10000 || code << shift > 0x10ffff)) return null;
        if (left === 2 && code >= 0x360 && code < 0x380) return null;
        return this.#state(regex, "utf8", code, left - 1);
      }
      case "escape": {
        const simple = simpleEscapes[byte];
        if (simple !== undefined) return this.#char(regex, simple);
        return byte === 117 ? this.#state(regex, "hex", 0, 4) : null;
      }
      case "hex": {
        const digit = hexDigit(byte);
        if (digit < 0) return null;
        const code = (value << 4) | digit;
        if (left > 1) return this.#state(regex, "hex", code, left - 1);
        if (code >= 0xd800 && code < 0xdc00) return this.#state(regex, "low-escape", code, 0);
        return code >= 32 && code < 127 ? null : this.#char(regex, code);
      }
      case "low-escape":
        return byte === backslash ? this.#state(regex, "low-u", value, 0) : null;
      case "low-u":
        return byte === 117 ? this.#state(regex, "low-hex", (value << 16) >>> 0, 4) : null;
      case "low-hex": {
        const digit = hexDigit(byte);
        if (digit < 0) return null;
        const top = value >>> 16;
        const low = ((value & 0xffff) << 4) | digit;
        if (left > 1) {
          const shift = 4 * (left - 1);
          if (low << shift > 0xdfff || ((low + 1) << shift) - 1 < 0xdc00) return null;
          return this.#state(regex, "low-hex", ((top << 16) | low) >>> 0, left - 1);
        }
        return low >= 0xdc00 && low <= 0xdfff ? this.#char(regex, surrogates(top, low)) : null;
      }
    }
  }

  /** The byte that must follow: -2 for the end of the word, -1 when several may. */
  onlyByte(state: LexState): number {
    if (state.only === undefined) {
      let only = state.label >= 0 ? -2 : -3;
      for (let byte = 0; byte < 256 && only !== -1; byte++) if (this.step(state, byte)) only = only === -3 ? byte : -1;
      state.only = only === -3 ? -1 : only;
    }
    return state.only;
  }
}

/** The beginning of a character in UTF-8 that stands for all with the same further bytes, where all mean the same. */
function representative(value: number, left: number): number {
  if (left === 1) return 2;
  if (left === 3) return value === 0 || value === 4 ? value : 1;
  return value >= 16 ? 0x100 : value === 0 || value === 13 ? value : 1;
}

/** The entry of a sorted list that a value falls behind. */
function firstAt(from: readonly number[], value: number): number {
  let low = 0;
  let high = from.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (from[middle]! <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}

function surrogates(high: number, low: number): number {
  return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const lower = byte | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

/**
 * ECMAScript's pattern syntax, in the Unicode mode that JSON Schema means, as a tree. Escapes of punctuation that strict mode
 * forbids are taken as the character, because real schemas are full of them. Knows nothing of what a pattern matches.
 */
import { fail } from "../../../util/index.ts";
import {
  anyChar,
  type CharSet,
  charSet,
  complementSet,
  digits,
  ignoreCase,
  lineEnds,
  spaces,
  unicodeProperty,
  unionSets,
  wordChars,
} from "./char-set.ts";

/** A pattern. */
export type PatternNode =
  | { readonly type: "set"; readonly set: CharSet }
  | { readonly type: "sequence" | "choice"; readonly items: readonly PatternNode[] }
  | { readonly type: "repeat"; readonly item: PatternNode; readonly min: number; readonly max: number }
  | { readonly type: "look"; readonly behind: boolean; readonly negative: boolean; readonly item: PatternNode }
  | { readonly type: "start" | "end" | "boundary" | "no-boundary" };

const controls: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13 };

/** Reads patterns. */
class PatternParser {
  #at = 0;
  readonly #chars: readonly string[];
  #ignoreCase = false;
  #depth = 0;

  constructor(readonly source: string) {
    this.#chars = [...source];
  }

  #fail(what: string): never {
    fail("unsupported", `pattern ${JSON.stringify(this.source.slice(0, 200))}: ${what}`);
  }

  get #next(): string | undefined {
    return this.#chars[this.#at];
  }

  #take(text: string): boolean {
    for (let i = 0; i < text.length; i++) if (this.#chars[this.#at + i] !== text[i]) return false;
    this.#at += text.length;
    return true;
  }

  parse(): PatternNode {
    const node = this.#choice();
    if (this.#next !== undefined) this.#fail(`a closing parenthesis at ${this.#at} has no opening one`);
    return node;
  }

  #choice(): PatternNode {
    if (++this.#depth > 200) this.#fail("groups are nested more than 200 deep");
    const items = [this.#sequence()];
    while (this.#take("|")) items.push(this.#sequence());
    this.#depth--;
    return items.length === 1 ? items[0]! : { type: "choice", items };
  }

  #sequence(): PatternNode {
    const items: PatternNode[] = [];
    while (this.#next !== undefined && this.#next !== "|" && this.#next !== ")") items.push(this.#term());
    return items.length === 1 ? items[0]! : { type: "sequence", items };
  }

  #term(): PatternNode {
    const atom = this.#atom();
    const bounds = this.#quantifier();
    if (!bounds) return atom;
    this.#take("?");
    if (atom.type === "start" || atom.type === "end" || atom.type === "boundary" || atom.type === "no-boundary")
      this.#fail("an assertion cannot be repeated");
    return { type: "repeat", item: atom, min: bounds[0], max: bounds[1] };
  }

  #quantifier(): [number, number] | undefined {
    if (this.#take("*")) return [0, Infinity];
    if (this.#take("+")) return [1, Infinity];
    if (this.#take("?")) return [0, 1];
    if (this.#next !== "{") return undefined;
    const end = this.#chars.indexOf("}", this.#at);
    const found = end < 0 ? null : /^(\d+)(,(\d*))?$/.exec(this.#chars.slice(this.#at + 1, end).join(""));
    // a brace that counts nothing stands for itself
    if (!found) return undefined;
    this.#at = end + 1;
    const min = Number(found[1]);
    const max = found[2] === undefined ? min : found[3] ? Number(found[3]) : Infinity;
    if (max < min) this.#fail(`{${min},${max}} asks for at most fewer than at least`);
    if (min > 1e9) this.#fail(`a repetition of ${min} is too long`);
    return [min, max];
  }

  #one(set: CharSet): PatternNode {
    return { type: "set", set: this.#ignoreCase ? ignoreCase(set) : set };
  }

  #atom(): PatternNode {
    const char = this.#chars[this.#at++]!;
    switch (char) {
      case "^":
        return { type: "start" };
      case "$":
        return { type: "end" };
      case ".":
        return this.#one(complementSet(lineEnds));
      case "(":
        return this.#group();
      case "[":
        return this.#one(this.#class());
      case "*":
      case "+":
      case "?":
        return this.#fail(`nothing to repeat before ${char} at ${this.#at - 1}`);
      case "\\":
        if (this.#take("b")) return { type: "boundary" };
        if (this.#take("B")) return { type: "no-boundary" };
        return this.#one(this.#escape(false));
      default: {
        const code = char.codePointAt(0)!;
        return this.#one([code, code]);
      }
    }
  }

  #group(): PatternNode {
    const before = this.#ignoreCase;
    let look: { behind: boolean; negative: boolean } | undefined;
    if (this.#take("?")) {
      if (this.#take(":")) look = undefined;
      else if (this.#take("=")) look = { behind: false, negative: false };
      else if (this.#take("!")) look = { behind: false, negative: true };
      else if (this.#take("<=")) look = { behind: true, negative: false };
      else if (this.#take("<!")) look = { behind: true, negative: true };
      else if (this.#take("i:")) this.#ignoreCase = true;
      else if (this.#take("<")) {
        const end = this.#chars.indexOf(">", this.#at);
        if (end < 0) this.#fail("a group's name is not closed");
        this.#at = end + 1;
      } else this.#fail(`the group (?${this.#next ?? ""} is not ECMAScript's`);
    }
    const item = this.#choice();
    if (!this.#take(")")) this.#fail("a parenthesis is not closed");
    this.#ignoreCase = before;
    return look ? { type: "look", ...look, item } : item;
  }

  #hex(length: number): number | undefined {
    const text = this.#chars.slice(this.#at, this.#at + length).join("");
    if (!new RegExp(`^[0-9a-fA-F]{${length}}$`).test(text)) return undefined;
    this.#at += length;
    return Number.parseInt(text, 16);
  }

  #escape(inClass: boolean): CharSet {
    const char = this.#chars[this.#at++];
    if (char === undefined) this.#fail("it ends with a backslash");
    const single = (code: number): CharSet => [code, code];
    switch (char) {
      case "d":
        return digits;
      case "D":
        return complementSet(digits);
      case "w":
        return wordChars;
      case "W":
        return complementSet(wordChars);
      case "s":
        return spaces;
      case "S":
        return complementSet(spaces);
      case "p":
      case "P": {
        const end = this.#chars.indexOf("}", this.#at);
        if (!this.#take("{") || end < 0) this.#fail(`\\${char} needs a property in braces`);
        const name = this.#chars.slice(this.#at, end).join("");
        this.#at = end + 1;
        const set = unicodeProperty(name) ?? this.#fail(`\\${char}{${name}} is no Unicode property`);
        return char === "p" ? set : complementSet(set);
      }
      case "b":
        if (inClass) return single(8);
        break;
      case "c": {
        const letter = this.#next;
        if (letter === undefined || !/[a-zA-Z]/.test(letter)) this.#fail("\\c needs a letter");
        this.#at++;
        return single(letter.charCodeAt(0) & 31);
      }
      case "0":
        if (!/\d/.test(this.#next ?? "")) return single(0);
        break;
      case "x": {
        const code = this.#hex(2);
        return code === undefined ? this.#fail("\\x needs two hexadecimal digits") : single(code);
      }
      case "u": {
        if (this.#take("{")) {
          const end = this.#chars.indexOf("}", this.#at);
          const code = end < 0 ? Number.NaN : Number.parseInt(this.#chars.slice(this.#at, end).join(""), 16);
          if (!(code >= 0 && code <= 0x10ffff)) this.#fail("\\u{…} needs a code point");
          this.#at = end + 1;
          return single(code);
        }
        const high = this.#hex(4);
        if (high === undefined) return this.#fail("\\u needs four hexadecimal digits");
        if (high >= 0xd800 && high < 0xdc00 && this.#chars[this.#at] === "\\" && this.#chars[this.#at + 1] === "u") {
          const back = this.#at;
          this.#at += 2;
          const low = this.#hex(4);
          if (low !== undefined && low >= 0xdc00 && low < 0xe000)
            return single(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
          this.#at = back;
        }
        return single(high);
      }
    }
    const control = controls[char];
    if (control !== undefined) return single(control);
    if (/[1-9]/.test(char) || char === "k")
      this.#fail(`the back-reference \\${char} is not regular: no automaton decides it`);
    if (/[a-zA-Z0-9]/.test(char)) this.#fail(`the escape \\${char} is not ECMAScript's`);
    return single(char.codePointAt(0)!);
  }

  #class(): CharSet {
    const negative = this.#take("^");
    let set: CharSet = [];
    while (!this.#take("]")) {
      if (this.#next === undefined) this.#fail("a character class is not closed");
      const first = this.#member();
      if (this.#next === "-" && this.#chars[this.#at + 1] !== "]" && this.#chars[this.#at + 1] !== undefined) {
        const back = this.#at++;
        const last = this.#member();
        if (first.length === 2 && first[0] === first[1] && last.length === 2 && last[0] === last[1]) {
          if (first[0]! > last[0]!) this.#fail("a range of characters runs backwards");
          set = unionSets(set, charSet([[first[0]!, last[0]!]]));
          continue;
        }
        // beside a class such as \w the hyphen stands for itself
        this.#at = back + 1;
        set = unionSets(unionSets(set, first), [45, 45]);
        continue;
      }
      set = unionSets(set, first);
    }
    if (this.#ignoreCase) set = ignoreCase(set);
    return negative ? complementSet(set) : set;
  }

  #member(): CharSet {
    const char = this.#chars[this.#at++]!;
    if (char === "\\") return this.#escape(true);
    const code = char.codePointAt(0)!;
    return [code, code];
  }
}

/** The tree of a pattern. @throws `unsupported` naming what is not ECMAScript, or not regular. */
export function parsePattern(source: string): PatternNode {
  if (source.length > 100_000)
    fail("unsupported", `a pattern has ${source.length} characters, at most 100,000 are read`);
  return new PatternParser(source).parse();
}

/** Any character at all, as a node. */
export const anyNode: PatternNode = { type: "set", set: anyChar };

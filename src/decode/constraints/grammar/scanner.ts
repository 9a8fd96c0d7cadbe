/**
 * What the notations of grammars share: reading names, literals, classes and repetitions from a text. Knows no grammar's meaning.
 */
import { fail } from "../../../util/index.ts";
import type { Expression } from "./grammar.ts";

const controls: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", f: "\f", v: "\v", b: "\b", "0": "\0" };

/** Reads a grammar's text from left to right. */
export class Scanner {
  at = 0;
  #depth = 0;

  constructor(
    readonly text: string,
    readonly comment: RegExp,
  ) {
    if (text.length > 1 << 20) fail("unsupported", `a grammar of ${text.length} characters is longer than a million`);
  }

  /** Ends with what is wrong at this place. */
  fail(what: string): never {
    const line = this.text.slice(0, this.at).split("\n").length;
    return fail(
      "argument",
      `the grammar's line ${line}: ${what}, at ${JSON.stringify(this.text.slice(this.at, this.at + 30))}`,
    );
  }

  /** Whether the text ends here. */
  get done(): boolean {
    return this.at >= this.text.length;
  }

  /** What stands here, if it matches a sticky pattern. */
  match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found) this.at += found[0].length;
    return found;
  }

  /** Takes a literal if it stands here. */
  take(literal: string): boolean {
    if (!this.text.startsWith(literal, this.at)) return false;
    this.at += literal.length;
    return true;
  }

  /** Passes over white space and comments; with `lines` over line ends too. */
  space(lines: boolean): void {
    for (;;) {
      const before = this.at;
      this.match(lines ? /\s+/y : /[^\S\n]+/y);
      this.match(this.comment);
      if (this.at === before) return;
    }
  }

  /** Calls `read` one level deeper. */
  nested<T>(read: () => T): T {
    if (++this.#depth > 200) this.fail("groups are nested more than 200 deep");
    const out = read();
    this.#depth--;
    return out;
  }

  /** The text of a literal in double quotes of which the opening one was taken. */
  literal(): string {
    let out = "";
    for (;;) {
      const char = this.text[this.at++];
      if (char === undefined || char === "\n") this.fail("a literal is not closed");
      if (char === '"') return out;
      out += char === "\\" ? this.escape() : char;
    }
  }

  /** The character of an escape of which the backslash was taken. */
  escape(): string {
    const hex = this.match(/x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})/y);
    if (hex) return String.fromCodePoint(Number.parseInt((hex[1] ?? hex[2] ?? hex[3])!, 16));
    const char = this.text[this.at++] ?? this.fail("the text ends with a backslash");
    return controls[char] ?? char;
  }

  /** A repetition behind an item, if there is one. */
  repeated(item: Expression): Expression {
    const repeat = (min: number, max: number): Expression => ({ type: "repeat", item, min, max });
    if (this.take("*")) return this.repeated(repeat(0, Infinity));
    if (this.take("+")) return this.repeated(repeat(1, Infinity));
    if (this.take("?")) return this.repeated(repeat(0, 1));
    const counted = this.match(/\{(\d+)(,(\d*))?\}/y) ?? this.match(/~(\d+)(\.\.(\d+))?/y);
    if (!counted) return item;
    const min = Number(counted[1]);
    const max = counted[2] === undefined ? min : counted[3] ? Number(counted[3]) : Infinity;
    if (max < min) this.fail(`at most ${max} is fewer than at least ${min}`);
    return repeat(min, max);
  }
}

/**
 * JSON text to values with exact numbers. Doubles would make 12345678901234567890 and its neighbours one; this does not.
 */
import { fail } from "../../../util/index.ts";
import { parseDecimal } from "./decimal.ts";
import type { Json } from "./formula.ts";

const maxDepth = 2000;

class Reader {
  #at = 0;

  constructor(readonly text: string) {}

  #fail(): never {
    fail("format", `not JSON at character ${this.#at}: ${JSON.stringify(this.text.slice(this.#at, this.#at + 40))}`);
  }

  #space(): void {
    while (" \t\n\r".includes(this.text[this.#at] ?? "x")) this.#at++;
  }

  read(): Json {
    const value = this.#value(0);
    this.#space();
    if (this.#at < this.text.length) this.#fail();
    return value;
  }

  #string(): string {
    const found = /"(?:[^"\\]|\\.)*"/sy;
    found.lastIndex = this.#at;
    const match = found.exec(this.text)?.[0] ?? this.#fail();
    this.#at += match.length;
    return JSON.parse(match) as string;
  }

  #value(depth: number): Json {
    if (depth > maxDepth) fail("unsupported", `JSON is nested more than ${maxDepth} deep`);
    this.#space();
    const char = this.text[this.#at];
    if (char === '"') return this.#string();
    if (char === "{") {
      const out = new Map<string, Json>();
      this.#at++;
      this.#space();
      if (this.text[this.#at] === "}") this.#at++;
      else
        do {
          this.#space();
          const name = this.#string();
          this.#space();
          if (this.text[this.#at++] !== ":") this.#fail();
          out.set(name, this.#value(depth + 1));
        } while (this.#more("}"));
      return out;
    }
    if (char === "[") {
      const out: Json[] = [];
      this.#at++;
      this.#space();
      if (this.text[this.#at] === "]") this.#at++;
      else
        do {
          out.push(this.#value(depth + 1));
        } while (this.#more("]"));
      return out;
    }
    const found = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
    found.lastIndex = this.#at;
    const word = found.exec(this.text)?.[0] ?? this.#fail();
    this.#at += word.length;
    if (word === "null") return null;
    if (word === "true" || word === "false") return word === "true";
    return parseDecimal(word) ?? fail("unsupported", `the number ${word} is out of reach`);
  }

  #more(close: string): boolean {
    this.#space();
    const char = this.text[this.#at++];
    if (char === ",") return true;
    if (char === close) return false;
    this.#at--;
    return this.#fail();
  }
}

/** Reads JSON. @throws `format` when it is not JSON, `unsupported` when it is nested too deep. */
export function readJson(text: string): Json {
  return new Reader(text).read();
}

/** The same for a value that `JSON.parse` made. */
export function fromPlain(value: unknown, depth = 0): Json {
  if (depth > maxDepth) fail("unsupported", `JSON is nested more than ${maxDepth} deep`);
  if (value === null || typeof value === "boolean" || typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "bigint")
    return parseDecimal(String(value)) ?? fail("format", `${value} is not a number of JSON`);
  if (Array.isArray(value)) return value.map((inner) => fromPlain(inner, depth + 1));
  if (typeof value === "object")
    return new Map(
      Object.entries(value)
        .filter(([, inner]) => inner !== undefined)
        .map(([name, inner]) => [name, fromPlain(inner, depth + 1)]),
    );
  return fail("format", `a ${typeof value} is not JSON`);
}

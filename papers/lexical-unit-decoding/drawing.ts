/**
 * What templates of programs share: what a task is, and the choices that they draw from.
 */
import type { Random } from "bletchley/util";

/** A task as a template describes it. */
export interface Task {
  /** What the function does, as a sentence without its end. */
  readonly comment: string;
  readonly name: string;
  readonly parameters: readonly (readonly [name: string, type: string])[];
  readonly returns: string;
  /** Lines of the body. */
  readonly body: readonly string[];
  /** What the function should return. */
  readonly reference: (...values: never[]) => unknown;
  /** Draws values for the parameters. */
  readonly draw: () => readonly unknown[];
}

/** A template: draws a task. */
export type Template = (drawing: Drawing) => Task;

const words = ["apple", "river", "stone", "cloud", "green", "lamp", "sand", "paper", "ice", "moon", "a", "level"];

/** What templates draw from: choices of style, names and constants, and values to check by. */
export class Drawing {
  readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  /** One of some. */
  pick<T>(...options: readonly T[]): T {
    return options[this.random.integer(options.length)]!;
  }

  /** A whole number from `low` to `high`. */
  whole(low: number, high: number): number {
    return low + this.random.integer(high - low + 1);
  }

  /** Name of a list of numbers and of one of them. */
  numbers(): readonly [list: string, one: string] {
    const list = this.pick("prices", "scores", "ages", "points", "values");
    return [list, this.pick(list.slice(0, -1), "value", "x")];
  }

  /** Name of a list of texts and of one of them. */
  texts(): readonly [list: string, one: string] {
    const list = this.pick("words", "names", "lines");
    return [list, this.pick(list.slice(0, -1), "text", "entry")];
  }

  /** A list of numbers to check by, empty now and then. */
  drawNumbers(least = 0): number[] {
    const count = this.random.integer(6) ? this.whole(Math.max(least, 2), 7) : least;
    return Array.from({ length: count }, () => this.whole(-4, 24));
  }

  /** A list of texts to check by. */
  drawTexts(): string[] {
    return Array.from({ length: this.whole(0, 5) }, () => this.pick(...words));
  }

  /** A text of some words to check by. */
  drawText(): string {
    return Array.from({ length: this.whole(1, 4) }, () => this.pick(...words)).join(" ");
  }

  /** Lines that do something with every element of a list. @param inner lines for the element by its name. */
  each(list: string, one: string, inner: (one: string) => readonly string[]): string[] {
    const indent = (lines: readonly string[]) => lines.map((line) => `  ${line}`);
    switch (this.random.integer(4)) {
      case 0: {
        const i = this.pick("i", "j", "index");
        const head = `for (let ${i} = 0; ${i} < ${list}.length; ${i}++) {`;
        return [head, ...indent([`const ${one} = ${list}[${i}];`, ...inner(one)]), "}"];
      }
      case 1:
        return [`${list}.forEach((${one}) => {`, ...indent(inner(one)), "});"];
      default:
        return [`for (const ${one} of ${list}) {`, ...indent(inner(one)), "}"];
    }
  }

  /** Lines that do something under a condition, in one line or in three. */
  when(condition: string, then: string): string[] {
    return this.random.integer(3) ? [`if (${condition}) {`, `  ${then}`, "}"] : [`if (${condition}) ${then}`];
  }
}

/** A name from words, the first one small. */
export function camelCase(...parts: readonly string[]): string {
  return parts.map((part, i) => (i ? part.charAt(0).toUpperCase() + part.slice(1) : part)).join("");
}

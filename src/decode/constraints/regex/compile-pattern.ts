/**
 * Patterns as regular languages, assertions included: a node is compiled together with what follows it, so that a
 * look-ahead is an intersection with the rest. Knows nothing of syntax or of bytes.
 */
import { fail } from "../../../util/index.ts";
import { complementSet, intersectSets, wordChars } from "./char-set.ts";
import { type PatternNode, parsePattern } from "./parse-pattern.ts";
import type { Regexes } from "./regex.ts";
import type { Regex } from "./term.ts";

/** What stands before a place: nothing, a word character, or something else (or unknown, in patterns without `\b`). */
type Before = "start" | "word" | "other";
type Rest = (before: Before) => Regex;

const hasAssertion = (node: PatternNode): boolean => {
  switch (node.type) {
    case "set":
      return false;
    case "sequence":
    case "choice":
      return node.items.some(hasAssertion);
    case "repeat":
      return hasAssertion(node.item);
    default:
      return true;
  }
};

const hasBoundary = (node: PatternNode): boolean =>
  node.type === "boundary" ||
  node.type === "no-boundary" ||
  ("items" in node && node.items.some(hasBoundary)) ||
  ("item" in node && hasBoundary(node.item)) ||
  (node.type === "look" && node.behind);

const canBeEmpty = (node: PatternNode): boolean => {
  switch (node.type) {
    case "set":
      return false;
    case "sequence":
      return node.items.every(canBeEmpty);
    case "choice":
      return node.items.some(canBeEmpty);
    case "repeat":
      return node.min === 0 || canBeEmpty(node.item);
    default:
      return true;
  }
};

const nonWordChars = complementSet(wordChars);
const longestUnrolled = 100;

class PatternCompiler {
  readonly #exact: boolean;

  constructor(
    readonly regexes: Regexes,
    readonly source: string,
    exact: boolean,
  ) {
    this.#exact = exact;
  }

  #fail(what: string): never {
    fail("unsupported", `pattern ${JSON.stringify(this.source.slice(0, 200))}: ${what}`);
  }

  plain(node: PatternNode): Regex {
    const { regexes } = this;
    switch (node.type) {
      case "set":
        return regexes.set(node.set);
      case "sequence":
        return regexes.cat(...this.#joinLetters(node.items));
      case "choice":
        return regexes.alt(node.items.map((item) => this.plain(item)));
      case "repeat":
        return regexes.loop(this.plain(node.item), node.min, node.max);
      default:
        return this.#fail("an assertion stands where none can");
    }
  }

  /** Runs of single letters become words: fewer terms. */
  #joinLetters(items: readonly PatternNode[]): Regex[] {
    const out: Regex[] = [];
    let word = "";
    const flush = () => {
      if (word) out.push(this.regexes.word(word));
      word = "";
    };
    for (const item of items) {
      if (
        item.type === "set" &&
        item.set.length === 2 &&
        item.set[0] === item.set[1] &&
        !(item.set[0]! >= 0xd800 && item.set[0]! <= 0xdfff)
      )
        word += String.fromCodePoint(item.set[0]!);
      else {
        flush();
        out.push(this.plain(item));
      }
    }
    flush();
    return out;
  }

  compile(node: PatternNode, before: Before, rest: Rest): Regex {
    const { regexes } = this;
    if (!this.#exact && !hasAssertion(node)) {
      const own = this.plain(node);
      const after = regexes.cat(own, rest("other"));
      // an anchor behind something empty still stands at the start, where it matches more
      return before === "start" && own.nullable ? regexes.alt([rest("start"), after]) : after;
    }
    switch (node.type) {
      case "set": {
        const word = intersectSets(node.set, wordChars);
        const other = intersectSets(node.set, nonWordChars);
        return regexes.alt([
          word.length ? regexes.cat(regexes.set(word), rest("word")) : regexes.none,
          other.length ? regexes.cat(regexes.set(other), rest("other")) : regexes.none,
        ]);
      }
      case "sequence": {
        const from =
          (i: number): Rest =>
          (at) =>
            i === node.items.length ? rest(at) : this.compile(node.items[i]!, at, from(i + 1));
        return from(0)(before);
      }
      case "choice":
        return regexes.alt(node.items.map((item) => this.compile(item, before, rest)));
      case "repeat":
        return this.#repeat(node, before, rest);
      case "look": {
        if (node.behind) return this.#lookBehind(node, before, rest);
        const inside = this.compile(node.item, before, () => regexes.all);
        return regexes.and([node.negative ? regexes.not(inside) : inside, rest(before)]);
      }
      case "start":
        return before === "start" ? rest(before) : regexes.none;
      case "end":
        return rest(before).nullable ? regexes.empty : regexes.none;
      case "boundary":
      case "no-boundary": {
        const wordNext = regexes.cat(regexes.set(wordChars), regexes.all);
        const differs = (before === "word") === (node.type === "boundary");
        return regexes.and([differs ? regexes.not(wordNext) : wordNext, rest(before)]);
      }
    }
  }

  /** A look-behind for one character, of which only whether it is a word character is known. */
  #lookBehind(node: PatternNode & { type: "look" }, before: Before, rest: Rest): Regex {
    if (node.item.type !== "set") this.#fail("a look-behind for more than one character is not supported");
    const { set } = node.item;
    const within = (outer: readonly number[]) => intersectSets(set, outer).join() === outer.join();
    const apart = (outer: readonly number[]) => !intersectSets(set, outer).length;
    const side = before === "word" ? wordChars : nonWordChars;
    const holds = before === "start" ? false : within(side) ? true : apart(side) ? false : undefined;
    if (holds === undefined) this.#fail("only look-behinds for \\w or \\W are supported");
    return holds !== node.negative ? rest(before) : this.regexes.none;
  }

  #repeat(node: PatternNode & { type: "repeat" }, before: Before, rest: Rest): Regex {
    const { item, min, max } = node;
    const { regexes } = this;
    if (max === Infinity) {
      if (min > longestUnrolled) this.#fail(`an assertion inside a repetition of ${min}`);
      if (canBeEmpty(item)) this.#fail("a repetition of something that may be an assertion alone is not supported");
      const loops = new Map<Before, Regex>();
      const loop: Rest = (at) => {
        let found = loops.get(at);
        if (!found) {
          const end = rest(at);
          found = regexes.recursive(end.nullable, () => regexes.alt([end, this.compile(item, at, loop)]));
          loops.set(at, found);
        }
        return found;
      };
      const times =
        (left: number): Rest =>
        (at) =>
          left === 0 ? loop(at) : this.compile(item, at, times(left - 1));
      return times(min)(before);
    }
    if (max > longestUnrolled) this.#fail(`an assertion inside a repetition of ${max}`);
    const times =
      (done: number): Rest =>
      (at) => {
        const more = done < max ? this.compile(item, at, times(done + 1)) : regexes.none;
        return done >= min ? regexes.alt([rest(at), more]) : more;
      };
    return times(0)(before);
  }
}

/**
 * Texts in which a pattern is found somewhere, as JSON Schema's `pattern` asks; with `whole`, texts that it matches from end
 * to end. @throws `unsupported` naming what is not regular.
 */
export function compilePattern(regexes: Regexes, source: string, whole = false): Regex {
  const tree = parsePattern(source);
  const exact = hasBoundary(tree);
  const compiler = new PatternCompiler(regexes, source, exact);
  if (whole) return compiler.compile(tree, "start", () => regexes.empty);
  const all: Rest = () => regexes.all;
  const parts = [compiler.compile(tree, "start", all)];
  const later = (before: Before, last: Regex) => {
    const found = compiler.compile(tree, before, all);
    if (found !== regexes.none) parts.push(regexes.cat(regexes.all, last, found));
  };
  if (exact) {
    later("word", regexes.set(wordChars));
    later("other", regexes.set(nonWordChars));
  } else {
    const found = compiler.compile(tree, "other", all);
    if (found !== regexes.none)
      parts.push(found === parts[0] ? regexes.cat(regexes.all, found) : regexes.cat(regexes.any, regexes.all, found));
  }
  return regexes.alt(parts);
}

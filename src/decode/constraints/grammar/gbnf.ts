/**
 * GBNF, the grammar notation of llama.cpp. Texts begin with the rule `root`.
 */
import { fail } from "../../../util/index.ts";
import { type CharSet, charSet, complementSet } from "../regex/char-set.ts";
import type { Regexes } from "../regex/regex.ts";
import { buildGrammar, type Expression, type Grammar } from "./grammar.ts";
import { Scanner } from "./scanner.ts";

const name = /[A-Za-z][A-Za-z0-9_-]*/y;

/** Reads a grammar. @throws `argument` naming the line that is wrong. */
export function readGbnf(regexes: Regexes, text: string): Grammar {
  const scan = new Scanner(text, /#[^\n]*/y);
  const definitions = new Map<string, Expression>();

  const characters = (): CharSet => {
    const negative = scan.take("^");
    const ranges: [number, number][] = [];
    const one = (): number => {
      if (scan.take("\\")) return scan.escape().codePointAt(0)!;
      const code = scan.text.codePointAt(scan.at)!;
      scan.at += code > 0xffff ? 2 : 1;
      return code;
    };
    while (!scan.take("]")) {
      if (scan.done) scan.fail("a class of characters is not closed");
      const first = one();
      const ranged = scan.text[scan.at] === "-" && scan.text[scan.at + 1] !== "]" && scan.take("-");
      ranges.push([first, ranged ? one() : first]);
    }
    return negative ? complementSet(charSet(ranges)) : charSet(ranges);
  };

  const item = (lines: boolean): Expression | undefined => {
    scan.space(lines);
    if (scan.take('"')) return { type: "terminal", regex: regexes.word(scan.literal()) };
    if (scan.take("[")) return { type: "terminal", regex: regexes.set(characters()) };
    if (scan.take(".")) return { type: "terminal", regex: regexes.any };
    if (scan.take("(")) {
      const inner = scan.nested(() => choice(true));
      scan.space(true);
      if (!scan.take(")")) scan.fail("a group is not closed");
      return inner;
    }
    const start = scan.at;
    const found = scan.match(name)?.[0];
    if (found === undefined) return undefined;
    const after = scan.at;
    scan.space(true);
    // the next rule begins here
    if (scan.take("::=")) {
      scan.at = start;
      return undefined;
    }
    scan.at = after;
    return { type: "rule", name: found };
  };

  const sequence = (lines: boolean): Expression => {
    const items: Expression[] = [];
    for (let next = item(lines); next; next = item(lines)) items.push(scan.repeated(next));
    return { type: "sequence", items };
  };

  const choice = (lines: boolean): Expression => {
    const items = [sequence(lines)];
    for (scan.space(true); scan.take("|"); scan.space(true)) {
      scan.space(true);
      items.push(sequence(lines));
    }
    return items.length === 1 ? items[0]! : { type: "choice", items };
  };

  for (scan.space(true); !scan.done; scan.space(true)) {
    const rule = scan.match(name)?.[0] ?? scan.fail("a rule's name is missing");
    scan.space(true);
    if (!scan.take("::=")) scan.fail("::= is missing behind a rule's name");
    scan.space(true);
    definitions.set(rule, choice(false));
  }
  if (!definitions.has("root")) fail("argument", "the grammar has no rule root, which texts begin with");
  return buildGrammar(regexes, definitions, "root");
}

/**
 * Grammars in the notation of Lark: rules in small letters, terminals in capitals, `%ignore`, `%import common`. Texts begin with
 * the rule `start`. Every division of a text into terminals counts, as in Lark's dynamic lexer; priorities say nothing about
 * which texts belong to a grammar and are passed over.
 */
import { fail } from "../../../util/index.ts";
import { compilePattern } from "../regex/compile-pattern.ts";
import type { Regexes } from "../regex/regex.ts";
import type { Regex } from "../regex/term.ts";
import { buildGrammar, type Expression, type Grammar } from "./grammar.ts";
import { Scanner } from "./scanner.ts";

const common: Readonly<Record<string, string>> = {
  DIGIT: "\\d",
  HEXDIGIT: "[a-fA-F\\d]",
  INT: "\\d+",
  SIGNED_INT: "[+-]?\\d+",
  DECIMAL: "\\d+\\.\\d*|\\.\\d+",
  FLOAT: "\\d+[eE][+-]?\\d+|(?:\\d+\\.\\d*|\\.\\d+)(?:[eE][+-]?\\d+)?",
  SIGNED_FLOAT: "[+-]?(?:\\d+[eE][+-]?\\d+|(?:\\d+\\.\\d*|\\.\\d+)(?:[eE][+-]?\\d+)?)",
  NUMBER: "\\d+|\\d+[eE][+-]?\\d+|(?:\\d+\\.\\d*|\\.\\d+)(?:[eE][+-]?\\d+)?",
  SIGNED_NUMBER: "[+-]?(?:\\d+|\\d+[eE][+-]?\\d+|(?:\\d+\\.\\d*|\\.\\d+)(?:[eE][+-]?\\d+)?)",
  ESCAPED_STRING: '"(?:[^"\\\\\\n]|\\\\[^\\n])*"',
  LCASE_LETTER: "[a-z]",
  UCASE_LETTER: "[A-Z]",
  LETTER: "[a-zA-Z]",
  WORD: "[a-zA-Z]+",
  CNAME: "[_a-zA-Z][_a-zA-Z\\d]*",
  WS_INLINE: "[ \\t]+",
  WS: "[ \\t\\f\\r\\n]+",
  CR: "\\r",
  LF: "\\n",
  NEWLINE: "(?:\\r?\\n)+",
  SH_COMMENT: "#[^\\n]*",
  CPP_COMMENT: "//[^\\n]*",
  C_COMMENT: "/\\*(?:[^*]|\\*+[^*/])*\\*+/",
};

/** Reads a grammar. @throws `argument` naming the line that is wrong, `unsupported` for directives that are not known. */
export function readLark(regexes: Regexes, text: string): Grammar {
  const scan = new Scanner(text, /\/\/[^\n]*|#[^\n]*/y);
  const rules = new Map<string, Expression>();
  const terminals = new Map<string, Expression>();
  const ignored: Expression[] = [];
  const isTerminal = (name: string) => /^_*[A-Z]/.test(name);

  const pattern = (source: string, flags: string): Regex => {
    const whole = compilePattern(regexes, flags.includes("i") ? `(?i:${source})` : source, true);
    if (/[^i]/.test(flags)) fail("unsupported", `the flags ${flags} of a pattern are not supported`);
    return whole;
  };
  const terminal = (regex: Regex): Expression => ({ type: "terminal", regex });

  const item = (): Expression | undefined => {
    scan.space(false);
    // a line that begins with | goes on with the rule
    if (scan.take('"')) {
      const word = scan.literal();
      if (scan.match(/i(?![A-Za-z0-9_])/y)) return terminal(pattern(word.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), "i"));
      scan.space(false);
      if (!scan.match(/\.\.\s*"/y)) return terminal(regexes.word(word));
      const last = scan.literal();
      return terminal(regexes.set([word.codePointAt(0)!, last.codePointAt(0)!]));
    }
    const slashed = scan.match(/\/((?:[^/\\\n]|\\.)+)\/([a-z]*)/y);
    if (slashed) return terminal(pattern(slashed[1]!, slashed[2]!));
    if (scan.take("(")) return group(")");
    if (scan.take("[")) return { type: "repeat", item: group("]"), min: 0, max: 1 };
    const name = scan.match(/_?[A-Za-z][A-Za-z0-9_]*|_+[A-Za-z0-9_]*/y)?.[0];
    return name === undefined ? undefined : { type: "rule", name };
  };
  const group = (close: string): Expression => {
    const inner = scan.nested(choice);
    scan.space(true);
    if (!scan.take(close)) scan.fail("a group is not closed");
    return inner;
  };
  const sequence = (): Expression => {
    const items: Expression[] = [];
    for (let next = item(); next; next = item()) items.push(scan.repeated(next));
    scan.space(false);
    if (scan.take("->")) {
      scan.space(false);
      scan.match(/\w+/y);
    }
    return { type: "sequence", items };
  };
  const choice = (): Expression => {
    const items = [sequence()];
    for (;;) {
      const before = scan.at;
      scan.space(true);
      if (!scan.take("|")) {
        scan.at = before;
        break;
      }
      items.push(sequence());
    }
    return items.length === 1 ? items[0]! : { type: "choice", items };
  };
  const importCommon = (): void => {
    const found = scan.match(/\s*common\.(\w+)(?:\s*->\s*(\w+))?/y);
    const several = found ? null : scan.match(/\s*common\s*\(([^)]*)\)/y);
    const names = found
      ? [[found[1]!, found[2] ?? found[1]!]]
      : several?.[1]?.split(",").map((name) => [name.trim(), name.trim()]);
    if (!names) scan.fail("only %import common… is known");
    for (const [from, to] of names!) {
      const source = common[from!] ?? scan.fail(`common has no terminal ${from} here`);
      terminals.set(to!, terminal(pattern(source, "")));
    }
  };

  for (scan.space(true); !scan.done; scan.space(true)) {
    if (scan.match(/%ignore\b/y)) ignored.push(choice());
    else if (scan.match(/%import\b/y)) importCommon();
    else if (scan.match(/%\w+/y))
      fail(
        "unsupported",
        `the grammar's directive at ${JSON.stringify(text.slice(scan.at - 10, scan.at + 20))} is not supported`,
      );
    else {
      const name = scan.match(/[?!]{0,2}(_?\w+)(?:\.-?\d+)?/y)?.[1] ?? scan.fail("a rule's name is missing");
      scan.space(false);
      if (!scan.take(":")) scan.fail("a colon is missing behind a rule's name");
      (isTerminal(name) ? terminals : rules).set(name, choice());
    }
  }

  const regexOf = (expression: Expression, trail: readonly string[]): Regex => {
    switch (expression.type) {
      case "terminal":
        return expression.regex;
      case "rule": {
        const { name } = expression;
        if (trail.includes(name)) fail("argument", `the terminal ${name} is defined by itself: only rules may be`);
        const definition = terminals.get(name) ?? fail("argument", `the grammar has no terminal ${name}`);
        return regexOf(definition, [...trail, name]);
      }
      case "repeat":
        return regexes.loop(regexOf(expression.item, trail), expression.min, expression.max);
      case "sequence":
        return regexes.cat(...expression.items.map((item) => regexOf(item, trail)));
      case "choice":
        return regexes.alt(expression.items.map((item) => regexOf(item, trail)));
    }
  };
  const skip = ignored.length
    ? terminal(regexes.loop(regexes.alt(ignored.map((one) => regexOf(one, []))), 0, Infinity))
    : undefined;
  // what is ignored may stand behind every terminal, and before the first
  const spaced = (regex: Regex): Expression =>
    skip ? { type: "sequence", items: [{ type: "rule", name: tokenRule(regex) }, skip] } : terminal(regex);
  const tokens = new Map<Regex, string>();
  const tokenRule = (regex: Regex): string => {
    let name = tokens.get(regex);
    if (name === undefined) {
      name = `(token ${tokens.size})`;
      tokens.set(regex, name);
    }
    return name;
  };
  const resolve = (expression: Expression): Expression => {
    switch (expression.type) {
      case "terminal":
        return spaced(expression.regex);
      case "rule":
        return isTerminal(expression.name) ? spaced(regexOf(expression, [])) : expression;
      case "repeat":
        return { ...expression, item: resolve(expression.item) };
      default:
        return { ...expression, items: expression.items.map(resolve) };
    }
  };
  const definitions = new Map([...rules].map(([name, expression]) => [name, resolve(expression)] as const));
  for (const [regex, name] of tokens) definitions.set(name, terminal(regex));
  if (!definitions.has("start")) fail("argument", "the grammar has no rule start, which texts begin with");
  const first: Expression = { type: "rule", name: "start" };
  definitions.set("(text)", { type: "sequence", items: skip ? [skip, first] : [first] });
  return buildGrammar(regexes, definitions, "(text)");
}

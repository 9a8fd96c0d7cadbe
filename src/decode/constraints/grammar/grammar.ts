/**
 * Context-free grammars over regular terminals, in normal form: what notations are read into, and what the parser runs on.
 * Knows no notation.
 */
import { fail } from "../../../util/index.ts";
import type { Regexes } from "../regex/regex.ts";
import type { Regex } from "../regex/term.ts";

/** A right-hand side as notations write it. */
export type Expression =
  | { readonly type: "terminal"; readonly regex: Regex }
  | { readonly type: "rule"; readonly name: string }
  | { readonly type: "sequence" | "choice"; readonly items: readonly Expression[] }
  | { readonly type: "repeat"; readonly item: Expression; readonly min: number; readonly max: number };

/** A symbol of a production: a terminal, or the number of a rule. */
export type GrammarSymbol = Regex | number;

/** Productions by rule; rule 0 is where texts begin. Every rule produces some text. */
export interface Grammar {
  readonly rules: readonly (readonly (readonly GrammarSymbol[])[])[];
  /** Characters of a shortest text of each rule. */
  readonly shortest: readonly number[];
}

const maxRules = 20_000;

/** Brings named expressions into normal form. @throws `argument` for rules that are missing or that no text satisfies. */
export function buildGrammar(regexes: Regexes, definitions: ReadonlyMap<string, Expression>, start: string): Grammar {
  const numbers = new Map<string, number>();
  const rules: GrammarSymbol[][][] = [];
  const fresh = (): number => {
    if (rules.length >= maxRules) fail("unsupported", `the grammar has more than ${maxRules} rules`);
    return rules.push([]) - 1;
  };
  const pending: [number, Expression][] = [];
  const numberOf = (name: string): number => {
    let number = numbers.get(name);
    if (number === undefined) {
      const definition =
        definitions.get(name) ?? fail("argument", `the grammar uses the rule ${name}, which it does not define`);
      number = fresh();
      numbers.set(name, number);
      pending.push([number, definition]);
    }
    return number;
  };
  const regular = (expression: Expression): Regex | undefined => {
    switch (expression.type) {
      case "terminal":
        return expression.regex;
      case "rule":
        return undefined;
      case "repeat": {
        const inner = regular(expression.item);
        return inner && regexes.loop(inner, expression.min, expression.max);
      }
      default: {
        const parts = expression.items.map(regular);
        if (parts.some((part) => part === undefined)) return undefined;
        return expression.type === "choice" ? regexes.alt(parts as Regex[]) : regexes.cat(...(parts as Regex[]));
      }
    }
  };
  const symbolsOf = (expression: Expression): GrammarSymbol[] => {
    const whole = regular(expression);
    if (whole) return whole === regexes.empty ? [] : [whole];
    switch (expression.type) {
      case "rule":
        return [numberOf(expression.name)];
      case "sequence":
        return expression.items.flatMap(symbolsOf);
      case "choice": {
        const rule = fresh();
        for (const item of expression.items) rules[rule]!.push(symbolsOf(item));
        return [rule];
      }
      case "repeat": {
        const item = symbolsOf(expression.item);
        const { min, max } = expression;
        if (min > 1000 || (max < Infinity && max > 1000))
          fail("unsupported", "a repetition of a rule is longer than 1,000");
        const out: GrammarSymbol[] = [];
        for (let i = 0; i < min; i++) out.push(...item);
        if (max === Infinity) {
          const more = fresh();
          rules[more]!.push([], [more, ...item]);
          return [...out, more];
        }
        let rest: GrammarSymbol[] = [];
        for (let i = min; i < max; i++) {
          const optional = fresh();
          rules[optional]!.push([], [...item, ...rest]);
          rest = [optional];
        }
        return [...out, ...rest];
      }
      default:
        return [];
    }
  };
  numberOf(start);
  for (let next = pending.pop(); next; next = pending.pop()) {
    const [rule, definition] = next;
    const choices = definition.type === "choice" ? definition.items : [definition];
    for (const choice of choices) rules[rule]!.push(symbolsOf(choice));
  }
  const shortest = shortestTexts(regexes, rules);
  if (shortest[0] === Infinity) fail("argument", `no text satisfies the grammar's rule ${start}`);
  const usable = (symbol: GrammarSymbol) =>
    (typeof symbol === "number" ? shortest[symbol]! : regexes.shortest(symbol)) < Infinity;
  return { rules: rules.map((choices) => choices.filter((choice) => choice.every(usable))), shortest };
}

function shortestTexts(regexes: Regexes, rules: readonly (readonly (readonly GrammarSymbol[])[])[]): number[] {
  const shortest = rules.map(() => Infinity);
  for (let changed = true; changed; ) {
    changed = false;
    rules.forEach((choices, rule) => {
      for (const choice of choices) {
        const length = choice.reduce<number>(
          (sum, symbol) => sum + (typeof symbol === "number" ? shortest[symbol]! : regexes.shortest(symbol)),
          0,
        );
        if (length < shortest[rule]!) {
          shortest[rule] = length;
          changed = true;
        }
      }
    });
  }
  return shortest;
}

/**
 * What must hold of a JSON value, as hash-consed Boolean formulas over small atoms. An atom of one type says nothing about
 * values of others. Formulas shrink while a value is written (see derive.ts); they know nothing of text.
 */
import type { Regexes } from "../regex/regex.ts";
import type { Regex } from "../regex/term.ts";
import type { Decimal } from "./decimal.ts";
import { allNumbers, complementNumbers, intersectNumbers, type NumberSet, uniteNumbers } from "./number-set.ts";

/** A JSON value with exact numbers. */
export type Json = null | boolean | string | Decimal | readonly Json[] | ReadonlyMap<string, Json>;

/** The kinds of values, as bits. */
export const types = { null: 1, true: 2, false: 4, number: 8, string: 16, object: 32, array: 64 } as const;
/** All of them. */
export const allTypes = 127;

/** Kinds of formulas. */
export type FormulaKind =
  | "true"
  | "false"
  | "and"
  | "or"
  | "not"
  | "one"
  | "if"
  | "reference"
  | "type"
  | "string"
  | "number"
  | "properties"
  | "required"
  | "minProperties"
  | "maxProperties"
  | "names"
  | "items"
  | "contains"
  | "minItems"
  | "maxItems"
  | "unique";

/** What an object's values must be, by their names. */
export interface PropertyRules {
  readonly named: ReadonlyMap<string, Formula>;
  readonly patterns: readonly (readonly [Regex, Formula])[];
  /** For names that neither list knows. */
  readonly rest: Formula;
}

/** Further content of an atom. */
export interface Payload {
  readonly bits?: number;
  readonly regex?: Regex;
  readonly low?: number;
  readonly high?: number;
  readonly numbers?: NumberSet;
  readonly rules?: PropertyRules;
  readonly names?: readonly string[];
  /** For names that must still come: those that had to come at first, and which of these have come, as bits. */
  readonly base?: Formula;
  readonly come?: Uint32Array;
  /** Values that were there already. */
  readonly seen?: readonly Json[];
  target?: Formula;
}

/** A formula. Made by {@link Formulas} alone; equal ones are mostly the same object. */
export class Formula {
  /** Projections to each type, by bit number. */
  readonly projected: (Formula | undefined)[] = [];
  /** Bytes of a shortest value; `Infinity` when nothing satisfies it. */
  cost: number | undefined;
  /** Place in the recursion that computes `cost`, while it runs. */
  costDepth = -1;
  /** Whether `if` is inside. */
  readonly open: boolean;
  /** Whether it is an atom, or a conjunction of atoms. */
  readonly simple: boolean;

  constructor(
    readonly id: number,
    readonly kind: FormulaKind,
    readonly parts: readonly Formula[] = [],
    readonly data: Payload = {},
  ) {
    this.open = kind === "if" || (kind !== "items" && kind !== "contains" && parts.some((part) => part.open));
    this.simple =
      kind === "and"
        ? parts.every((part) => part.simple)
        : !["or", "not", "one", "if", "false", "reference"].includes(kind);
  }
}

/** A language of strings: a regular one, and bounds on the length. */
export interface StringLanguage {
  readonly regex: Regex;
  readonly low: number;
  readonly high: number;
}

const byId = (a: Formula, b: Formula) => a.id - b.id;

/** Makes formulas, and keeps one of each. */
export class Formulas {
  readonly #known = new Map<string, Formula>();
  #next = 0;
  /** Holds of everything. */
  readonly yes: Formula;
  /** Holds of nothing. */
  readonly no: Formula;
  readonly #regexNames = new Map<Regex, Formula>();

  constructor(readonly regexes: Regexes) {
    this.yes = new Formula(this.#next++, "true");
    this.no = new Formula(this.#next++, "false");
  }

  /** Formulas made so far: what memory depends on. */
  get size(): number {
    return this.#next;
  }

  #make(key: string, kind: FormulaKind, parts: readonly Formula[], data?: Payload): Formula {
    this.regexes.patience.spend();
    let found = this.#known.get(key);
    if (!found) {
      found = new Formula(this.#next++, kind, parts, data);
      this.#known.set(key, found);
    }
    return found;
  }

  /** An atom that nothing equals. */
  #fresh(kind: FormulaKind, parts: readonly Formula[], data: Payload): Formula {
    return new Formula(this.#next++, kind, parts, data);
  }

  /** All of them. */
  and(parts: Iterable<Formula>): Formula {
    const found = new Set<Formula>();
    let bits = allTypes;
    const add = (part: Formula): boolean => {
      if (part === this.no) return false;
      if (part.kind === "and") return part.parts.every(add);
      if (part.kind === "type") bits &= part.data.bits!;
      else if (part !== this.yes) found.add(part);
      return bits !== 0;
    };
    for (const part of parts) if (!add(part)) return this.no;
    for (const part of found) if (part.kind === "not" && found.has(part.parts[0]!)) return this.no;
    if (bits !== allTypes) found.add(this.type(bits));
    if (!found.size) return this.yes;
    const list = [...found].sort(byId);
    if (list.length === 1) return list[0]!;
    return this.#make(`&${list.map(({ id }) => id).join()}`, "and", list);
  }

  /** At least one of them. */
  or(parts: Iterable<Formula>): Formula {
    const found = new Set<Formula>();
    let bits = 0;
    const add = (part: Formula): boolean => {
      if (part === this.yes) return true;
      if (part.kind === "or") return part.parts.some(add);
      if (part.kind === "type") bits |= part.data.bits!;
      else if (part !== this.no) found.add(part);
      return bits === allTypes;
    };
    for (const part of parts) if (add(part)) return this.yes;
    for (const part of found) if (part.kind === "not" && found.has(part.parts[0]!)) return this.yes;
    if (bits) found.add(this.type(bits));
    if (!found.size) return this.no;
    const list = [...found].sort(byId);
    if (list.length === 1) return list[0]!;
    return this.#make(`|${list.map(({ id }) => id).join()}`, "or", list);
  }

  /** The opposite. */
  not(part: Formula): Formula {
    if (part === this.yes) return this.no;
    if (part === this.no) return this.yes;
    if (part.kind === "not") return part.parts[0]!;
    if (part.kind === "type") return this.type(allTypes & ~part.data.bits!);
    return this.#make(`!${part.id}`, "not", [part]);
  }

  /** Exactly one of them. */
  one(parts: readonly Formula[]): Formula {
    const left: Formula[] = [];
    const twice = new Set<Formula>();
    let certain = 0;
    for (const part of parts) {
      if (part === this.yes) certain++;
      else if (part !== this.no) {
        if (left.includes(part)) twice.add(part);
        else left.push(part);
      }
    }
    if (certain > 1) return this.no;
    const excluded = [...twice].map((part) => this.not(part));
    const rest = left.filter((part) => !twice.has(part));
    if (certain) return this.and([...excluded, ...rest.map((part) => this.not(part))]);
    if (rest.length === 0) return this.no;
    const inner =
      rest.length === 1
        ? rest[0]!
        : this.#make(
            `1${rest
              .map(({ id }) => id)
              .sort((a, b) => a - b)
              .join()}`,
            "one",
            rest.sort(byId),
          );
    return this.and([...excluded, inner]);
  }

  /** `then` if a child value satisfies a formula, else `otherwise`. */
  if(child: Formula, then: Formula, otherwise: Formula): Formula {
    if (child === this.yes || then === otherwise) return then;
    if (child === this.no) return otherwise;
    return this.#make(`?${child.id},${then.id},${otherwise.id}`, "if", [child, then, otherwise]);
  }

  /**
   * A formula that is defined later, by setting `data.target`: always to the same formula where two have the same key.
   */
  reference(key?: string): Formula {
    return key === undefined ? this.#fresh("reference", [], {}) : this.#make(`@${key}`, "reference", [], {});
  }

  /** The type is among these bits. */
  type(bits: number): Formula {
    if (bits === 0) return this.no;
    if (bits === allTypes) return this.yes;
    return this.#make(`t${bits}`, "type", [], { bits });
  }

  /** Strings of a language. */
  string(regex: Regex, low = 0, high = Infinity): Formula {
    if (regex === this.regexes.all && low === 0 && high === Infinity) return this.yes;
    return this.#make(`s${regex.id},${low},${high}`, "string", [], { regex, low, high });
  }

  /** Numbers of a set. */
  number(numbers: NumberSet): Formula {
    if (numbers === allNumbers) return this.yes;
    const key = JSON.stringify(numbers, (_, value) => (typeof value === "bigint" ? `${value}` : value));
    return this.#make(`n${key}`, "number", [], { numbers });
  }

  /** Values of an object's properties. */
  properties(rules: PropertyRules): Formula {
    const { named, patterns, rest } = rules;
    if (
      rest === this.yes &&
      [...named.values()].every((f) => f === this.yes) &&
      patterns.every(([, f]) => f === this.yes)
    )
      return this.yes;
    const key = `p${[...named].map(([name, f]) => `${JSON.stringify(name)}${f.id}`).join()};${patterns.map(([r, f]) => `${r.id}:${f.id}`).join()};${rest.id}`;
    return this.#make(key, "properties", [], { rules });
  }

  /** Names that must still come. */
  required(names: readonly string[]): Formula {
    if (!names.length) return this.yes;
    const sorted = [...new Set(names)].sort();
    return this.#make(`r${JSON.stringify(sorted)}`, "required", [], { names: sorted });
  }

  /** What is left of required names when one of them has come. */
  requiredWithout(required: Formula, name: string): Formula {
    const { names, come } = required.data;
    if (!names!.includes(name)) return required;
    if (names!.length === 1) return this.yes;
    const base = required.data.base ?? required;
    const bits = come?.slice() ?? new Uint32Array((base.data.names!.length + 31) >>> 5);
    const place = base.data.names!.indexOf(name);
    bits[place >>> 5]! |= 1 << (place & 31);
    // long lists are told apart by what has come of them, not by their names
    return this.#make(`R${base.id},${bits.join()}`, "required", [], {
      names: names!.filter((other) => other !== name),
      base,
      come: bits,
    });
  }

  /** The language of names. */
  names(regex: Regex): Formula {
    if (regex === this.regexes.all) return this.yes;
    let found = this.#regexNames.get(regex);
    if (!found) {
      found = this.#fresh("names", [], { regex });
      this.#regexNames.set(regex, found);
    }
    return found;
  }

  /** A count that is still needed, or still allowed. */
  count(kind: "minProperties" | "maxProperties" | "minItems" | "maxItems", n: number): Formula {
    if (kind === "minProperties" || kind === "minItems" ? n <= 0 : n === Infinity) return this.yes;
    if (n < 0) return this.no;
    return this.#make(`${kind}${n}`, kind, [], { low: n });
  }

  /** An array's items: the next ones, and all others. */
  items(prefix: readonly Formula[], rest: Formula): Formula {
    let length = prefix.length;
    while (length && prefix[length - 1] === rest) length--;
    if (length === 0 && rest === this.yes) return this.yes;
    const list = [...prefix.slice(0, length), rest];
    return this.#make(`i${list.map(({ id }) => id).join()}`, "items", list);
  }

  /** How many further items must, and may, satisfy a formula. */
  contains(item: Formula, low: number, high: number): Formula {
    const least = Math.max(0, low);
    if (high < 0 || least > high) return this.no;
    if (least === 0 && high === Infinity) return this.yes;
    return this.#make(`c${item.id},${least},${high}`, "contains", [item], { low: least, high });
  }

  /** No item equals another, nor one of those seen. */
  unique(seen: readonly Json[]): Formula {
    return this.#make(`u${seen.map(canonical).sort().join()}`, "unique", [], { seen });
  }

  /** Whether the value equals one of these. */
  oneOf(values: readonly Json[]): Formula {
    const strings: string[] = [];
    const numbers: Decimal[] = [];
    let bits = 0;
    const parts: Formula[] = [];
    for (const value of values) {
      if (value === null) bits |= types.null;
      else if (typeof value === "boolean") bits |= value ? types.true : types.false;
      else if (typeof value === "string") strings.push(value);
      else if (value instanceof Map) parts.push(this.#object(value));
      else if (Array.isArray(value)) parts.push(this.#array(value));
      else numbers.push(value as Decimal);
    }
    if (bits) parts.push(this.type(bits));
    if (strings.length) parts.push(this.and([this.type(types.string), this.string(this.regexes.words(strings))]));
    if (numbers.length)
      parts.push(this.and([this.type(types.number), this.number(numbers.map((n) => ({ low: n, high: n })))]));
    return this.or(parts);
  }

  #object(value: ReadonlyMap<string, Json>): Formula {
    const named = new Map([...value].map(([name, inner]) => [name, this.oneOf([inner])] as const));
    return this.and([
      this.type(types.object),
      this.properties({ named, patterns: [], rest: this.no }),
      this.required([...value.keys()]),
    ]);
  }

  #array(value: readonly Json[]): Formula {
    return this.and([
      this.type(types.array),
      this.items(
        value.map((inner) => this.oneOf([inner])),
        this.no,
      ),
      this.count("minItems", value.length),
    ]);
  }
}

/** A text that is equal for equal values. */
export function canonical(value: Json): string {
  if (value === null || typeof value === "boolean" || typeof value === "string") return JSON.stringify(value);
  if (value instanceof Map)
    return `{${[...value]
      .map(([name, inner]) => `${JSON.stringify(name)}:${canonical(inner as Json)}`)
      .sort()
      .join()}}`;
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  const { units, exponent } = value as Decimal;
  return `${units}e${exponent}`;
}

/** The strings that a formula over string atoms allows. */
export function stringLanguage(regexes: Regexes, formula: Formula): StringLanguage {
  const pure = (part: Formula): Regex => {
    const { regex, low, high } = stringLanguage(regexes, part);
    return regexes.and([regex, regexes.loop(regexes.any, low, high)]);
  };
  switch (formula.kind) {
    case "true":
      return { regex: regexes.all, low: 0, high: Infinity };
    case "string":
      return { regex: formula.data.regex!, low: formula.data.low!, high: formula.data.high! };
    case "and": {
      const parts = formula.parts.map((part) => stringLanguage(regexes, part));
      return {
        regex: regexes.and(parts.map(({ regex }) => regex)),
        low: Math.max(...parts.map(({ low }) => low)),
        high: Math.min(...parts.map(({ high }) => high)),
      };
    }
    case "or":
      return { regex: regexes.alt(formula.parts.map(pure)), low: 0, high: Infinity };
    case "not":
      return { regex: regexes.not(pure(formula.parts[0]!)), low: 0, high: Infinity };
    case "one": {
      const parts = formula.parts.map(pure);
      const regex = regexes.alt(
        parts.map((part, i) => regexes.and(parts.map((other, j) => (i === j ? part : regexes.not(other))))),
      );
      return { regex, low: 0, high: Infinity };
    }
    default:
      return { regex: regexes.none, low: 0, high: Infinity };
  }
}

const numberSets = new WeakMap<Formula, NumberSet>();

/** The numbers that a formula over number atoms allows. */
export function numberSet(formula: Formula): NumberSet {
  let found = numberSets.get(formula);
  if (!found) {
    found = combineNumbers(formula);
    numberSets.set(formula, found);
  }
  return found;
}

function combineNumbers(formula: Formula): NumberSet {
  switch (formula.kind) {
    case "true":
      return allNumbers;
    case "number":
      return formula.data.numbers!;
    case "and":
      return formula.parts.map(numberSet).reduce(intersectNumbers);
    case "or":
      return formula.parts.map(numberSet).reduce(uniteNumbers);
    case "not":
      return complementNumbers(numberSet(formula.parts[0]!));
    case "one": {
      const parts = formula.parts.map(numberSet);
      return parts
        .map((part, i) =>
          parts.reduce((left, other, j) => (i === j ? left : intersectNumbers(left, complementNumbers(other))), part),
        )
        .reduce(uniteNumbers);
    }
    default:
      return [];
  }
}

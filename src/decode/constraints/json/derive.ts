/**
 * How formulas change while a value is written: its type becomes known, a property comes, an item comes, it ends. What a
 * child value decides later stands as `if` in the formula until then. Knows nothing of text or of what can still be satisfied.
 */
import { fail } from "../../../util/index.ts";
import { type Formula, type Formulas, type Json, types } from "./formula.ts";

const stringKinds = new Set(["string"]);
const numberKinds = new Set(["number"]);
const objectKinds = new Set(["properties", "required", "minProperties", "maxProperties", "names"]);
const arrayKinds = new Set(["items", "contains", "minItems", "maxItems", "unique"]);

/** Rebuilds a formula with other atoms. */
export function mapAtoms(formulas: Formulas, formula: Formula, change: (atom: Formula) => Formula): Formula {
  const memo = new Map<Formula, Formula>();
  const visit = (at: Formula): Formula => {
    let out = memo.get(at);
    if (out) return out;
    switch (at.kind) {
      case "true":
      case "false":
        return at;
      case "and":
        out = formulas.and(lazily(at.parts, visit));
        break;
      case "or":
        out = formulas.or(lazily(at.parts, visit));
        break;
      case "not":
        out = formulas.not(visit(at.parts[0]!));
        break;
      case "one":
        out = formulas.one(at.parts.map(visit));
        break;
      default:
        out = change(at);
    }
    memo.set(at, out);
    return out;
  };
  return visit(formula);
}

function* lazily(parts: readonly Formula[], visit: (part: Formula) => Formula): Iterable<Formula> {
  for (const part of parts) yield visit(part);
}

/** Kinds of atoms that speak about each type, by the number of its bit. */
const kindsOf = [
  new Set<string>(),
  new Set<string>(),
  new Set<string>(),
  numberKinds,
  stringKinds,
  objectKinds,
  arrayKinds,
];

/** What is left of a formula when a value's type is known; `bit` is one of `types`. */
export function project(formulas: Formulas, formula: Formula, bit: number): Formula {
  const slot = 31 - Math.clz32(bit);
  const known = formula.projected[slot];
  if (known) return known;
  if (formula.kind === "reference") {
    if (formula.costDepth === -2)
      fail("unsupported", "$ref leads back to itself without a value in between: no value can be judged by it");
    formula.costDepth = -2;
    const target = project(formulas, formula.data.target!, bit);
    formula.costDepth = -1;
    formula.projected[slot] = target;
    return target;
  }
  const kinds = kindsOf[slot]!;
  const out = mapAtoms(formulas, formula, (atom) => {
    if (atom.kind === "type") return atom.data.bits! & bit ? formulas.yes : formulas.no;
    if (atom.kind === "reference") return project(formulas, atom, bit);
    return kinds.has(atom.kind) ? atom : formulas.yes;
  });
  formula.projected[slot] = out;
  return out;
}

/** Whether a formula holds when the object or array ends here. */
export function holdsAtEnd(formula: Formula): boolean {
  switch (formula.kind) {
    case "and":
      return formula.parts.every(holdsAtEnd);
    case "or":
      return formula.parts.some(holdsAtEnd);
    case "not":
      return !holdsAtEnd(formula.parts[0]!);
    case "one":
      return formula.parts.filter(holdsAtEnd).length === 1;
    case "required":
    case "minProperties":
    case "minItems":
    case "false":
      return false;
    case "contains":
      return formula.data.low === 0;
    default:
      return true;
  }
}

/** What rules ask of the value of a property. */
export function ruleFor(formulas: Formulas, rules: NonNullable<Formula["data"]["rules"]>, name: string): Formula {
  const own = rules.named.get(name);
  if (!rules.patterns.length) return own ?? rules.rest;
  const parts = own ? [own] : [];
  for (const [regex, formula] of rules.patterns) if (formulas.regexes.matches(regex, name)) parts.push(formula);
  return parts.length ? formulas.and(parts) : rules.rest;
}

/** The formula behind one more property of an object. */
export function stepProperty(formulas: Formulas, formula: Formula, name: string): Formula {
  return mapAtoms(formulas, formula, (atom) => {
    switch (atom.kind) {
      case "properties":
        return formulas.if(ruleFor(formulas, atom.data.rules!, name), atom, formulas.no);
      case "required":
        return formulas.requiredWithout(atom, name);
      case "minProperties":
      case "maxProperties":
        return formulas.count(atom.kind, atom.data.low! - 1);
      case "names":
        return formulas.regexes.matches(atom.data.regex!, name) ? atom : formulas.no;
      default:
        return atom;
    }
  });
}

/** The formula behind one more item of an array; `unique` atoms still lack its value. */
export function stepItem(formulas: Formulas, formula: Formula): Formula {
  return mapAtoms(formulas, formula, (atom) => {
    switch (atom.kind) {
      case "items": {
        const rest = atom.parts.at(-1)!;
        const after = atom.parts.length > 1 ? formulas.items(atom.parts.slice(1, -1), rest) : atom;
        return formulas.if(atom.parts[0]!, after, formulas.no);
      }
      case "contains": {
        const { low, high } = atom.data as { low: number; high: number };
        return formulas.if(atom.parts[0]!, formulas.contains(atom.parts[0]!, low - 1, high - 1), atom);
      }
      case "minItems":
      case "maxItems":
        return formulas.count(atom.kind, atom.data.low! - 1);
      case "unique":
        return formulas.if(formulas.not(formulas.oneOf(atom.data.seen!)), atom, formulas.no);
      default:
        return atom;
    }
  });
}

/** Tells `unique` atoms what the last item was. */
export function addSeen(formulas: Formulas, formula: Formula, value: Json): Formula {
  return mapAtoms(formulas, formula, (atom) =>
    atom.kind === "unique" ? formulas.unique([...atom.data.seen!, value]) : atom,
  );
}

/** Whether an atom of some kind is inside (children of `if` do not count). */
export function hasAtom(formula: Formula, kind: string): boolean {
  if (formula.kind === kind) return true;
  if (["and", "or", "not", "one"].includes(formula.kind)) return formula.parts.some((part) => hasAtom(part, kind));
  if (formula.kind === "if") return formula.parts.slice(1).some((part) => hasAtom(part, kind));
  return false;
}

/** The formula when a child is known to satisfy another one, or not to. */
export function assign(formulas: Formulas, formula: Formula, child: Formula, value: boolean): Formula {
  if (!formula.open) return formula;
  return mapAtoms(formulas, formula, (atom) => {
    if (atom.kind !== "if") return atom;
    const [condition, then, otherwise] = atom.parts as [Formula, Formula, Formula];
    return condition === child ? (value ? then : otherwise) : atom;
  });
}

/** Formulas that a child value must be judged by, in order. */
export function childrenOf(formula: Formula, found = new Set<Formula>()): Set<Formula> {
  if (!formula.open) return found;
  if (formula.kind === "if") found.add(formula.parts[0]!);
  else for (const part of formula.parts) childrenOf(part, found);
  return found;
}

/** Bits of all types, with the bit of each. */
export const typeBits: readonly number[] = Object.values(types);

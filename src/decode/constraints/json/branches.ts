/**
 * How a formula might become true: the conjunctions that its choices leave, those that ask for the least first. Knows formulas, and
 * nothing of the searches that these suggestions shorten.
 */
import type { Formula, Formulas, PropertyRules } from "./formula.ts";

const maxBranches = 160;

/** Whether a conjunction asks for a property that it forbids. */
function contradicts({ kind, parts, data }: Formula, no: Formula): boolean {
  const atoms = kind === "and" ? parts : [];
  const forbids = ({ named, patterns, rest }: PropertyRules, name: string) =>
    (named.get(name) ?? (patterns.length ? undefined : rest)) === no;
  const wanted = atoms.filter((atom) => atom.kind === "required").flatMap((atom) => atom.data.names!);
  if (data.names || !wanted.length) return false;
  return atoms.some((atom) => atom.kind === "properties" && wanted.some((name) => forbids(atom.data.rules!, name)));
}

/** Conjunctions that suggest how a formula might become true; `complete` unless some were left out for their number. */
export interface Branches {
  readonly list: readonly Formula[];
  readonly complete: boolean;
}

/** Names that a conjunction asks for. */
const weightOf = (one: Formula): number =>
  (one.kind === "and" ? one.parts : [one]).reduce((sum, { data }) => sum + (data.names?.length ?? 0), 0);

/** Those that ask for the least come first, those that contradict themselves are left out. */
function limited(formulas: Formulas, branches: readonly Formula[], complete: boolean): Branches {
  const possible = [...new Set(branches)].filter((one) => one !== formulas.no && !contradicts(one, formulas.no));
  if (possible.length < 2) return { list: possible, complete };
  const sorted = possible.map((one) => [weightOf(one), one] as const).sort((a, b) => a[0] - b[0]);
  return {
    list: sorted.slice(0, maxBranches).map(([, one]) => one),
    complete: complete && sorted.length <= maxBranches,
  };
}

/** The branch that asks for the least of each choice on its own: quick, and often right. */
export function easiestBranch(formulas: Formulas, formula: Formula): Formula {
  switch (formula.kind) {
    case "not":
      return formulas.yes;
    case "or":
    case "one": {
      const parts = formula.parts
        .map((part) => easiestBranch(formulas, part))
        .filter((part) => part !== formulas.no && !contradicts(part, formulas.no));
      return parts.length ? parts.reduce((a, b) => (weightOf(b) < weightOf(a) ? b : a)) : formulas.no;
    }
    case "and":
      return formulas.and(formula.parts.map((part) => easiestBranch(formulas, part)));
    default:
      return formula;
  }
}

/** One branch of each choice, and nothing of what is denied. */
export function branchesOf(formulas: Formulas, formula: Formula): Branches {
  switch (formula.kind) {
    case "not":
      return { list: [formulas.yes], complete: true };
    case "or":
    case "one": {
      const parts = formula.parts.map((part) => branchesOf(formulas, part));
      return limited(
        formulas,
        parts.flatMap(({ list }) => list),
        parts.every(({ complete }) => complete),
      );
    }
    case "and": {
      let all: Branches = { list: [formulas.yes], complete: true };
      // what all branches have in common comes first, so that contradictions show early
      const parts = formula.parts.map((part) => branchesOf(formulas, part));
      for (const { list, complete } of parts.sort((a, b) => a.list.length - b.list.length))
        all = limited(
          formulas,
          all.list.flatMap((one) => list.map((two) => formulas.and([one, two]))),
          all.complete && complete,
        );
      return all;
    }
    default:
      return { list: [formula], complete: true };
  }
}

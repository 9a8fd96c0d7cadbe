/**
 * The ways in which a child value can decide the formulas that wait for it. Constants are told apart all at once: thirty
 * branches with a constant each are thirty-one ways, not two to the thirtieth. Knows nothing of text.
 */
import { assign, childrenOf, mapAtoms } from "./derive.ts";
import { canonical, type Formula, type Formulas, type Json, types } from "./formula.ts";

/** One way: what the child must satisfy besides, and what the waiting formula becomes. */
export interface Way {
  readonly child: Formula;
  readonly after: Formula;
}

const finite = new WeakMap<Formula, readonly Json[] | null>();

/** All values of a formula, if it is a plain list of scalars; else null. */
export function finiteValues(formula: Formula): readonly Json[] | null {
  let found = finite.get(formula);
  if (found === undefined) {
    found = listValues(formula);
    finite.set(formula, found);
  }
  return found;
}

function listValues(formula: Formula): readonly Json[] | null {
  if (formula.kind === "or") {
    const lists = formula.parts.map(finiteValues);
    return lists.every((list) => list !== null) ? lists.flat() : null;
  }
  if (formula.kind === "type") {
    const bits = formula.data.bits!;
    if (bits & ~(types.null | types.true | types.false)) return null;
    return [
      ...(bits & types.null ? [null] : []),
      ...(bits & types.true ? [true] : []),
      ...(bits & types.false ? [false] : []),
    ];
  }
  if (formula.kind !== "and" || formula.parts.length !== 2) return null;
  const type = formula.parts.find(({ kind }) => kind === "type");
  const string = formula.parts.find(({ kind }) => kind === "string");
  if (type?.data.bits === types.string && string) {
    const { regex, low, high } = string.data;
    if (low !== 0 || high !== Infinity) return null;
    if (regex!.kind === "empty") return [""];
    if (regex!.kind !== "words") return null;
    return regex!.words.slice(regex!.min, regex!.max).map((word) => word.slice(regex!.depth));
  }
  const number = formula.parts.find(({ kind }) => kind === "number");
  if (type?.data.bits === types.number && number) {
    const points = number.data.numbers!.map((part) =>
      part.low && part.low === part.high && Object.keys(part).length === 2 ? part.low : null,
    );
    return points.every((point) => point !== null) ? points : null;
  }
  return null;
}

/** More alternatives than this are not written out. */
const maxAlternatives = 64;

/**
 * A waiting formula without negations as alternatives, of which any one is enough: what the child must satisfy, and what is left
 * if it does. Null where more than one alternative must be looked at together.
 */
export function alternativesOf(formulas: Formulas, pending: Formula): readonly Way[] | null {
  if (!pending.open) return [{ child: formulas.yes, after: pending }];
  switch (pending.kind) {
    case "not":
    case "one":
      return null;
    case "if":
      return pending.parts[2] === formulas.no ? [{ child: pending.parts[0]!, after: pending.parts[1]! }] : null;
    case "or": {
      const all: Way[] = [];
      for (const part of pending.parts) {
        const ways = alternativesOf(formulas, part);
        if (!ways) return null;
        all.push(...ways);
      }
      return all.length > maxAlternatives ? null : all;
    }
    case "and": {
      let all: readonly Way[] = [{ child: formulas.yes, after: formulas.yes }];
      for (const part of pending.parts) {
        const ways = alternativesOf(formulas, part);
        if (!ways || all.length * ways.length > maxAlternatives) return null;
        all = all.flatMap((one) =>
          ways.map((two) => ({
            child: formulas.and([one.child, two.child]),
            after: formulas.and([one.after, two.after]),
          })),
        );
      }
      return all;
    }
    default:
      return [{ child: formulas.yes, after: pending }];
  }
}

/** The ways to go on with a waiting formula; none when it waits for nothing. */
export function* waysOf(formulas: Formulas, pending: Formula): Generator<Way> {
  const children = [...childrenOf(pending)];
  if (!children.length) return;
  const listed = children.filter((child) => finiteValues(child) !== null);
  if (listed.length < 2) {
    const child = children[0]!;
    yield { child, after: assign(formulas, pending, child, true) };
    yield { child: formulas.not(child), after: assign(formulas, pending, child, false) };
    return;
  }
  const holders = new Map<string, { value: Json; of: number[] }>();
  listed.forEach((child, i) => {
    for (const value of finiteValues(child)!) {
      const key = canonical(value);
      const known = holders.get(key);
      if (known) known.of.push(i);
      else holders.set(key, { value, of: [i] });
    }
  });
  const cells = new Map<string, { values: Json[]; of: readonly number[] }>();
  for (const { value, of } of holders.values()) {
    const key = of.join();
    const cell = cells.get(key);
    if (cell) cell.values.push(value);
    else cells.set(key, { values: [value], of });
  }
  const settle = (of: readonly number[]): Formula => {
    const truth = new Map(listed.map((child, i) => [child, of.includes(i)] as const));
    return mapAtoms(formulas, pending, (atom) => {
      if (atom.kind !== "if") return atom;
      const held = truth.get(atom.parts[0]!);
      return held === undefined ? atom : held ? atom.parts[1]! : atom.parts[2]!;
    });
  };
  for (const { values, of } of cells.values()) yield { child: formulas.oneOf(values), after: settle(of) };
  const all = formulas.oneOf([...holders.values()].map(({ value }) => value));
  yield { child: formulas.not(all), after: settle([]) };
}

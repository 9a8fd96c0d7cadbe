/**
 * What is known of a value while it is written: the formula that it must satisfy for the whole text to come out right, and
 * those whose truth its parent wants to know when it ends. Shared by all texts of one schema; knows nothing of bytes.
 */

import type { Lexer, LexState } from "../lexer/lexer.ts";
import type { Patience } from "../patience.ts";
import type { Regex } from "../regex/term.ts";
import { addSeen, assign, childrenOf, hasAtom, holdsAtEnd, project, stepItem, stepProperty } from "./derive.ts";
import { canonical, Formula, type Formulas, type Json, numberSet, stringLanguage, types } from "./formula.ts";
import { containsNumber, intersectNumbers, type NumberSet, plainIntegers } from "./number-set.ts";
import { NumberText } from "./number-text.ts";
import { readJson } from "./read-json.ts";
import { Seen } from "./seen.ts";
import type { NameClass, Solver } from "./solver.ts";
import { alternativesOf, finiteValues, waysOf } from "./split.ts";

/** Truth of the watched formulas, in their order. */
export type Truth = readonly boolean[];

const nothingWatched: Truth = [];

/** A string that is about to be written. */
export interface StringMachine {
  readonly start: LexState;
  readonly low: number;
  readonly high: number;
  /** What each label of the automaton says about the watched formulas. */
  readonly truths: readonly Truth[];
}

/** The names that may come next in an object. */
export interface KeyMachine {
  readonly start: LexState | null;
  /** Names that rules mention and that may come in an object, in their order; some may be there already. */
  readonly declared: readonly string[];
  /** Kinds of names that no rule mentions, by label minus 2. */
  readonly others: readonly Step[];
}

/** Declared names that may come, and the kinds of the others. */
interface NamePlan {
  readonly names: readonly string[];
  readonly others: readonly NameClass[];
}

/** A property or an item that may come. */
export interface Step {
  /** What its value must be. */
  readonly child: Track;
  /** What is left of the parent when the value has ended. */
  after(truth: Truth, value?: () => Json): Track;
}

/** Label of names that rules mention: which one it is, the name itself tells. */
export const declaredLabel = 1;

/** Combinations of truths of a child that are looked at; the others count as impossible. */
const maxDecisions = 2000;
/** Formulas that are weighed for one property or item. */
const maxStepWork = 20_000;
/** When texts have led to more places than this, no further ones are kept. */
const maxPlaces = 300_000;

/** Makes tracks, and keeps one of each. */
export class Tracks {
  readonly #known = new Map<string, Track>();
  readonly #firstSeen = new Map<string, Seen>();
  readonly #namePlans = new Map<Formula, NamePlan>();
  /** Places in texts that were made so far. */
  places = 0;

  constructor(
    readonly solver: Solver,
    readonly lexer: Lexer,
    /** Whether values that can only be whole numbers are spelled without point and exponent. */
    readonly plainIntegers = false,
  ) {}

  /** Whether places are still kept for texts that come by again. */
  get keeps(): boolean {
    return this.places < maxPlaces;
  }

  /** Names that may come where a conjunction of rules says all: what is required besides does not change them. */
  namePlan(rules: Formula): NamePlan {
    let plan = this.#namePlans.get(rules);
    if (!plan) {
      const { solver, formulas } = this;
      const names = solver.declaredNames(rules).filter((name) => {
        solver.allow(maxStepWork);
        const step = stepProperty(formulas, rules, name);
        return step !== formulas.no && solver.cost(formulas.and(childrenOf(step))) < Infinity;
      });
      plan = { names, others: solver.otherNames(rules) };
      this.#namePlans.set(rules, plan);
    }
    return plan;
  }

  /** Names with one more. */
  seenWith(name: string, before: Seen | undefined): Seen {
    const known = before ? before.next : this.#firstSeen;
    let seen = known.get(name);
    if (!seen) {
      seen = new Seen(name, before);
      if (this.keeps) known.set(name, seen);
    }
    return seen;
  }

  /** The patience with the call that is being answered. */
  get patience(): Patience {
    return this.formulas.regexes.patience;
  }

  /** Formulas that the tracks are made of. */
  get formulas(): Formulas {
    return this.solver.formulas;
  }

  /** The track of a value that must satisfy `goal`, and of which the truth of others is wanted. */
  track(goal: Formula, watched: readonly Formula[] = []): Track {
    const key = `${goal.id};${watched.map(({ id }) => id).join()}`;
    let track = this.#known.get(key);
    if (!track) {
      track = new Track(this, goal, watched);
      this.#known.set(key, track);
    }
    return track;
  }
}

/** See the top of the file. */
export class Track {
  readonly #opened: (Track | undefined)[] = [];
  readonly #properties = new Map<string, Step | null>();
  #item: Step | null | undefined;
  #string: StringMachine | null | undefined;
  #number: NumberText | null | undefined;
  readonly #machines = new Map<Seen | undefined, KeyMachine>();
  #anyway: boolean | undefined;
  #keys: { names: readonly string[]; others: readonly { regex: Regex; step: Step }[] } | undefined;
  /**
   * The rules of an object that is a conjunction and counts nothing, without what has come of the required names: which names may
   * come depends on them alone, and every such name leaves an object that can be ended. Undefined for other objects.
   */
  get #rules(): Formula | undefined {
    if (this.#foundRules === undefined) {
      const { goal, watched, tracks } = this;
      const counts = hasAtom(goal, "minProperties") || hasAtom(goal, "maxProperties");
      const atoms = goal.kind === "and" ? goal.parts : [goal];
      this.#foundRules =
        goal.simple && !watched.length && !counts
          ? tracks.formulas.and(atoms.map((part) => part.data.base ?? part))
          : null;
    }
    return this.#foundRules ?? undefined;
  }
  #foundRules: Formula | null | undefined;
  /** Whether items must differ, so that their values must be read. */
  readonly readsItems: boolean;

  constructor(
    readonly tracks: Tracks,
    readonly goal: Formula,
    readonly watched: readonly Formula[],
  ) {
    this.readsItems = hasAtom(goal, "unique") || watched.some((formula) => hasAtom(formula, "unique"));
  }

  /** The track when the value's type is known; null when no such value is possible. */
  open(bit: number): Track | null {
    const slot = 31 - Math.clz32(bit);
    let track = this.#opened[slot];
    if (!track) {
      const { formulas } = this.tracks;
      track = this.tracks.track(
        project(formulas, this.goal, bit),
        this.watched.map((formula) => project(formulas, formula, bit)),
      );
      this.#opened[slot] = track;
    }
    return track.goal === this.tracks.formulas.no ? null : track;
  }

  /** Truth of the watched formulas when an object, an array or a constant ends. */
  truthAtEnd(): Truth {
    return this.watched.length ? this.watched.map(holdsAtEnd) : nothingWatched;
  }

  /** Whether an object or array may end here. */
  get mayEnd(): boolean {
    return holdsAtEnd(this.goal);
  }

  /** Whether this object can be ended from here. */
  objectViable(seen?: Seen): boolean {
    return this.goal !== this.tracks.formulas.no && this.tracks.solver.objectPlan(this.goal, seen) !== null;
  }

  /** Whether this array can be ended from here. */
  arrayViable(): boolean {
    return this.goal !== this.tracks.formulas.no && this.tracks.solver.arrayPlan(this.goal) !== null;
  }

  /** The automaton of a string, on a track opened for strings; null when none is possible. */
  stringMachine(): StringMachine | null {
    if (this.#string === undefined) this.#string = this.#makeString();
    return this.#string;
  }

  #makeString(): StringMachine | null {
    const { lexer, formulas, solver } = this.tracks;
    const { regexes } = formulas;
    const language = stringLanguage(regexes, this.goal);
    if (solver.stringCost(language) === Infinity) return null;
    let { regex, low, high } = language;
    if (regex !== regexes.all && low > 0) {
      if (low > regexes.shortest(regex)) regex = regexes.and([regex, regexes.loop(regexes.any, low, Infinity)]);
      low = 0;
    }
    if (regex !== regexes.all && regexes.longest(regex) <= high) high = Infinity;
    const open = this.watched.filter(({ kind }) => kind !== "true" && kind !== "false");
    if (!open.length) {
      const truth = this.watched.map(({ kind }) => kind === "true");
      return { start: lexer.start(regex), low, high, truths: [truth] };
    }
    const whole = regexes.and([regex, regexes.loop(regexes.any, low, high)]);
    let cells: { regex: Regex; truth: boolean[] }[] = [{ regex: whole, truth: [] }];
    for (const formula of this.watched) {
      const own = stringLanguage(regexes, formula);
      const inside = regexes.and([own.regex, regexes.loop(regexes.any, own.low, own.high)]);
      cells = cells.flatMap(({ regex, truth }) => [
        { regex: regexes.and([regex, inside]), truth: [...truth, true] },
        { regex: regexes.and([regex, regexes.not(inside)]), truth: [...truth, false] },
      ]);
      cells = cells.filter((cell) => regexes.shortest(cell.regex) < Infinity);
    }
    if (cells.length === 1)
      return { start: lexer.start(cells[0]!.regex), low: 0, high: Infinity, truths: [cells[0]!.truth] };
    const marked = regexes.alt(cells.map((cell, i) => regexes.cat(cell.regex, regexes.tag(i))));
    return { start: lexer.start(marked), low: 0, high: Infinity, truths: cells.map(({ truth }) => truth) };
  }

  /** The state of a number before its first character, on a track opened for numbers; null when none is possible. */
  numberStart(): NumberText | null {
    if (this.#number === undefined) {
      const set = this.tracks.plainIntegers ? spelledPlainly(numberSet(this.goal)) : numberSet(this.goal);
      this.#number =
        this.tracks.solver.cost(this.tracks.formulas.and([this.tracks.formulas.type(types.number), this.goal])) <
        Infinity
          ? NumberText.start(set)
          : null;
    }
    return this.#number;
  }

  /** Truth of the watched formulas for a number. */
  numberTruth(number: NumberText): Truth {
    if (!this.watched.length) return nothingWatched;
    return this.watched.map((formula) => containsNumber(numberSet(formula), number.value, number.plain));
  }

  /** What a property would mean, on a track opened for objects; null when it may not come. */
  property(name: string, seen?: Seen): Step | null {
    const dependent = this.tracks.solver.dependsOnSeen(this.goal);
    let step = dependent ? undefined : this.#properties.get(name);
    if (step !== undefined) return step;
    const { formulas, solver } = this.tracks;
    const goal = stepProperty(formulas, this.goal, name);
    const watched = this.watched.map((formula) => stepProperty(formulas, formula, name));
    const after = dependent ? this.tracks.seenWith(name, seen) : undefined;
    const viable = this.#rules ? () => true : (formula: Formula) => solver.objectPlan(formula, after) !== null;
    step = this.#step(goal, watched, viable);
    if (!dependent) this.#properties.set(name, step);
    return step;
  }

  /** What one more item would mean, on a track opened for arrays; null when none may come. */
  item(): Step | null {
    if (this.#item === undefined) {
      const { formulas, solver } = this.tracks;
      const goal = stepItem(formulas, this.goal);
      const watched = this.watched.map((formula) => stepItem(formulas, formula));
      this.#item = this.#step(goal, watched, (formula) => solver.arrayPlan(formula) !== null);
    }
    return this.#item;
  }

  #step(goal: Formula, watched: readonly Formula[], viable: (formula: Formula) => boolean): Step | null {
    const { formulas, solver } = this.tracks;
    if (goal === formulas.no) return null;
    solver.allow(maxStepWork);
    const children = childrenOf(goal);
    const conditions = goal.kind === "and" ? goal.parts : [goal];
    if (
      this.goal.simple &&
      !watched.length &&
      conditions.every((part) => part.kind !== "if" || part.parts[2] === formulas.no)
    ) {
      const childGoal = formulas.and(children);
      if (solver.cost(childGoal) === Infinity) return null;
      let after = goal;
      for (const child of children) after = assign(formulas, after, child, true);
      if (after === formulas.no || !viable(after)) return null;
      return new SimpleStep(this.tracks, this.tracks.track(childGoal), this.tracks.track(after));
    }
    let left = maxDecisions;
    const decide = (pending: Formula, soFar: Formula): Formula => {
      if (left-- <= 0) {
        if (left === -1) solver.givenUp++;
        return formulas.no;
      }
      if (!pending.open) return pending !== formulas.no && viable(pending) ? formulas.yes : formulas.no;
      // ways that leave the same to the child are one
      const byRest = new Map<Formula, Formula[]>();
      for (const { child, after } of waysOf(formulas, pending)) {
        if (after === formulas.no) continue;
        const narrowed = formulas.and([soFar, child]);
        if (solver.cost(narrowed) === Infinity) continue;
        const rest = decide(after, narrowed);
        if (rest === formulas.no) continue;
        const list = byRest.get(rest);
        if (list) list.push(child);
        else byRest.set(rest, [child]);
      }
      return formulas.or([...byRest].map(([rest, list]) => formulas.and([rest, anyOf(formulas, list)])));
    };
    const alternatives = alternativesOf(formulas, goal);
    const childGoal = alternatives
      ? anyOf(
          formulas,
          alternatives.filter(({ after }) => after !== formulas.no && viable(after)).map(({ child }) => child),
        )
      : decide(goal, formulas.yes);
    if (solver.cost(childGoal) === Infinity) return null;
    for (const formula of watched) childrenOf(formula, children);
    return new WatchingStep(this.tracks, this.tracks.track(childGoal, [...children]), goal, watched, [...children]);
  }

  /** Whether a further item may come whatever the last one is, on a track that reads them. */
  get goesOnAnyway(): boolean {
    if (this.#anyway === undefined) {
      const { formulas, solver } = this.tracks;
      let goal = this.item()?.child.goal ?? formulas.no;
      let left = manyValues;
      for (; left > 0 && solver.cost(goal) < Infinity; left--)
        goal = formulas.and([goal, formulas.not(formulas.oneOf([readJson(solver.example(goal))]))]);
      this.#anyway = left === 0;
    }
    return this.#anyway;
  }

  /** The automaton of names that may come next. */
  keys(seen?: Seen): KeyMachine {
    let machine = this.#machines.get(seen);
    if (!machine) {
      machine = this.#makeKeys(seen);
      if (this.tracks.keeps) this.#machines.set(seen, machine);
    }
    return machine;
  }

  #makeKeys(seen?: Seen): KeyMachine {
    const { formulas, solver, lexer } = this.tracks;
    const { regexes } = formulas;
    const dependent = solver.dependsOnSeen(this.goal);
    let plan = dependent ? undefined : this.#keys;
    if (!plan && this.#rules) {
      const { names, others } = this.tracks.namePlan(this.#rules);
      const steps = others.map(({ regex, example }) => ({ regex, step: this.property(example, seen) }));
      this.#keys = {
        names,
        others: steps.filter((other): other is { regex: Regex; step: Step } => other.step !== null),
      };
      plan = this.#keys;
    }
    if (!plan) {
      const declared = new Set(solver.declaredNames(this.goal));
      for (const formula of this.watched) for (const name of solver.declaredNames(formula)) declared.add(name);
      const names = [...declared].filter(
        (name) => (!dependent || !seen?.has(name)) && this.property(name, seen) !== null,
      );
      const others: { regex: Regex; step: Step }[] = [];
      // only its names are read, so nothing may be simplified away
      const all = this.watched.length ? new Formula(-1, "one", [this.goal, ...this.watched]) : this.goal;
      for (const { regex, example } of solver.otherNames(all)) {
        const used = dependent && seen ? [...seen.names] : [];
        const fresh = used.length ? regexes.example(regexes.and([regex, regexes.not(regexes.words(used))])) : example;
        const step = fresh === undefined ? null : this.property(fresh, seen);
        if (step) others.push({ regex, step });
      }
      plan = { names, others };
      if (!dependent) this.#keys = plan;
    }
    const free = seen ? plan.names.filter((name) => !seen.has(name)) : plan.names;
    const parts = [regexes.cat(regexes.words(free), regexes.tag(declaredLabel))];
    plan.others.forEach(({ regex }, i) => {
      // names with a rule of their own are not among these anyway
      const used = seen ? [...seen.names].filter((name) => regexes.matches(regex, name)) : [];
      const left = used.length ? regexes.and([regex, regexes.not(regexes.words(used))]) : regex;
      if (regexes.shortest(left) < Infinity) parts.push(regexes.cat(left, regexes.tag(declaredLabel + 1 + i)));
    });
    const language = regexes.alt(parts);
    return {
      start: language === regexes.none ? null : lexer.start(language),
      declared: plan.names,
      others: plan.others.map(({ step }) => step),
    };
  }
}

/** So many different values are as good as endlessly many. */
const manyValues = 4;

/** A disjunction in which constants are one list. */
function anyOf(formulas: Formulas, list: readonly Formula[]): Formula {
  const values = list.flatMap((formula) => finiteValues(formula) ?? []);
  return formulas.or([formulas.oneOf(values), ...list.filter((formula) => finiteValues(formula) === null)]);
}

/** A step whose value must satisfy one formula, and then all is known. */
class SimpleStep implements Step {
  constructor(
    readonly tracks: Tracks,
    readonly child: Track,
    readonly next: Track,
  ) {}

  after(_: Truth, value?: () => Json): Track {
    return this.next.readsItems && value
      ? this.tracks.track(addSeen(this.tracks.formulas, this.next.goal, value()), this.next.watched)
      : this.next;
  }
}

/** A step behind which the parent depends on what is true of the value. */
class WatchingStep implements Step {
  readonly #known = new Map<string, Track>();

  constructor(
    readonly tracks: Tracks,
    readonly child: Track,
    readonly goal: Formula,
    readonly watched: readonly Formula[],
    readonly children: readonly Formula[],
  ) {}

  after(truth: Truth, value?: () => Json): Track {
    const { formulas } = this.tracks;
    const json = value?.();
    const key = truth.join() + (json === undefined ? "" : canonical(json));
    let track = this.#known.get(key);
    if (!track) {
      const settle = (formula: Formula): Formula => {
        let out = formula;
        this.children.forEach((child, i) => {
          out = assign(formulas, out, child, truth[i]!);
        });
        return json === undefined ? out : addSeen(formulas, out, json);
      };
      track = this.tracks.track(settle(this.goal), this.watched.map(settle));
      this.#known.set(key, track);
    }
    return track;
  }
}

/** A set of whole numbers without those spellings that have a point or an exponent; any other set as it is. */
function spelledPlainly(set: NumberSet): NumberSet {
  if (!set.every(({ step }) => step && step.exponent >= 0)) return set;
  const plain = intersectNumbers(set, plainIntegers);
  return plain.length ? plain : set;
}

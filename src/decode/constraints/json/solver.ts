/**
 * What can still be satisfied, and how most cheaply: the cost of a shortest value of a formula, and plans that end an object or
 * array that was begun. Knows formulas, not text; searches are bounded and say so when they give up.
 */
import { fail } from "../../../util/index.ts";
import type { Regex } from "../regex/term.ts";
import { branchesOf, easiestBranch } from "./branches.ts";
import { decimalText } from "./decimal.ts";
import { addSeen, hasAtom, holdsAtEnd, project, ruleFor, stepItem, stepProperty } from "./derive.ts";
import {
  canonical,
  type Formula,
  type Formulas,
  numberSet,
  type StringLanguage,
  stringLanguage,
  types,
} from "./formula.ts";
import { someNumber, spell } from "./number-set.ts";
import { readJson } from "./read-json.ts";
import type { Seen } from "./seen.ts";
import { alternativesOf, finiteValues, waysOf } from "./split.ts";

/** What ends an object or array: children to write, each a value of its formula. */
export interface Plan {
  /** Bytes, roughly. */
  readonly cost: number;
  readonly steps: readonly PlannedChild[];
}

/** A child of a plan; `name` for properties. */
export interface PlannedChild {
  readonly name?: string;
  readonly goal: Formula;
  readonly times: number;
}

/** Names that no rule mentions, of one kind: all of them are treated alike. */
export interface NameClass {
  readonly regex: Regex;
  readonly example: string;
}

const maxStates = 1500;
const maxGuesses = 40;

const noNames: ReadonlySet<string> = new Set();

/** Answers questions about formulas, and remembers the answers. */
export class Solver {
  readonly #plans = new Map<Formula, Plan | null>();
  /** Sets of names behind which a formula cannot be satisfied any more. */
  readonly #failures = new Map<Formula, Set<string>>();
  readonly #classes = new Map<Formula, readonly NameClass[]>();
  readonly #declared = new Map<Formula, readonly string[]>();
  readonly #hopelessness = new Map<Formula, boolean>();
  /** Searches that were given up: what they asked counts as impossible. */
  givenUp = 0;
  #work = Infinity;
  #depth = 0;
  /** Least depth whose unfinished cost was used; results that depend on it are not final. */
  #taint = Infinity;

  constructor(readonly formulas: Formulas) {}

  /** Bounds the work until the next call: what needs more counts as impossible. */
  allow(work: number): void {
    this.#work = work;
    this.#taint = Infinity;
  }

  /** Bytes of a shortest value of a formula; `Infinity` when nothing satisfies it. */
  cost(formula: Formula): number {
    if (formula.cost !== undefined) return formula.cost;
    if (formula === this.formulas.no) return Infinity;
    if (formula.costDepth >= 0) {
      this.#taint = Math.min(this.#taint, formula.costDepth);
      return Infinity;
    }
    if (this.#work-- <= 0) {
      this.givenUp++;
      this.#taint = -1;
      return Infinity;
    }
    const depth = this.#depth++;
    if (depth > 400) fail("unsupported", "values of this schema are nested more than 400 deep at the least");
    const outer = this.#taint;
    this.#taint = Infinity;
    formula.costDepth = depth;
    try {
      const cost = this.#compute(formula);
      if (this.#taint >= depth || cost < Infinity) formula.cost = cost;
      return cost;
    } finally {
      formula.costDepth = -1;
      this.#taint = Math.min(outer, this.#taint >= depth ? Infinity : this.#taint);
      this.#depth--;
    }
  }

  #compute(formula: Formula): number {
    const { yes, no } = this.formulas;
    let best = Infinity;
    const consider = (bit: number, least: number, cost: (projected: Formula) => number) => {
      if (best <= least) return;
      const projected = project(this.formulas, formula, bit);
      if (projected === no) return;
      best = Math.min(best, projected === yes ? least : cost(projected));
    };
    consider(types.number, 1, (f) => this.#numberCost(f));
    consider(types.string, 2, (f) => this.stringCost(stringLanguage(this.formulas.regexes, f)));
    consider(types.array, 2, (f) => this.arrayPlan(f)?.cost ?? Infinity);
    consider(types.object, 2, (f) => this.objectPlan(f)?.cost ?? Infinity);
    consider(types.null, 4, () => 4);
    consider(types.true, 4, () => 4);
    consider(types.false, 5, () => 5);
    return best;
  }

  #numberCost(formula: Formula): number {
    const found = someNumber(numberSet(formula));
    return found ? spell(found.value, found.part, decimalText).length : Infinity;
  }

  /** Bytes of a shortest string of a language. */
  stringCost({ regex, low, high }: StringLanguage): number {
    const { regexes } = this.formulas;
    if (low > high) return Infinity;
    if (regex === regexes.all) return low + 2;
    const shortest = regexes.shortest(regex);
    if (shortest >= low) return shortest <= high ? shortest + 2 : Infinity;
    return regexes.shortest(regexes.and([regex, regexes.loop(regexes.any, low, high)])) + 2;
  }

  /** Whether a shortest answer depends on which names an object has already. */
  dependsOnSeen(formula: Formula): boolean {
    return !formula.simple || hasAtom(formula, "minProperties");
  }

  /** Names that rules or requirements mention. */
  declaredNames(formula: Formula): readonly string[] {
    let found = this.#declared.get(formula);
    if (!found) {
      const names = new Set<string>();
      const visit = (at: Formula): void => {
        if (at.kind === "properties") for (const name of at.data.rules!.named.keys()) names.add(name);
        else if (at.kind === "required") for (const name of at.data.names!) names.add(name);
        else if (at.kind !== "names") at.parts.forEach(visit);
      };
      visit(formula);
      found = [...names];
      this.#declared.set(formula, found);
    }
    return found;
  }

  /** The kinds of names beside the declared ones. */
  otherNames(formula: Formula): readonly NameClass[] {
    let found = this.#classes.get(formula);
    if (!found) {
      const { regexes } = this.formulas;
      const declared = this.declaredNames(formula);
      const splitters = new Set<Regex>();
      const visit = (at: Formula): void => {
        if (at.kind === "properties") for (const [regex] of at.data.rules!.patterns) splitters.add(regex);
        else if (at.kind === "names") splitters.add(at.data.regex!);
        else if (at.kind !== "required") at.parts.forEach(visit);
      };
      visit(formula);
      let classes = [declared.length ? regexes.not(regexes.words(declared)) : regexes.all];
      for (const splitter of splitters) {
        classes = classes.flatMap((regex) => [
          regexes.and([regex, splitter]),
          regexes.and([regex, regexes.not(splitter)]),
        ]);
        classes = classes.filter((regex) => regexes.shortest(regex) < Infinity);
        if (classes.length > 64)
          fail("unsupported", "patternProperties and propertyNames split names into more than 64 kinds");
      }
      found = classes.map((regex) => ({ regex, example: regexes.example(regex)! }));
      this.#classes.set(formula, found);
    }
    return found;
  }

  /** The cheapest way to end an object of which nothing, or some names, are written; null when there is none. */
  objectPlan(formula: Formula, seen?: Seen): Plan | null {
    if (holdsAtEnd(formula)) return { cost: 2, steps: [] };
    const names = seen?.names ?? noNames;
    // a plan that needs no name twice stays one, whatever else was written
    const known = this.#plans.get(formula);
    if (known?.steps.every(({ name }) => !names.has(name!))) return known;
    const dependent = seen !== undefined && this.dependsOnSeen(formula);
    const key = dependent
      ? this.declaredNames(formula)
          .filter((name) => names.has(name))
          .join("\0")
      : "";
    const counted = dependent && hasAtom(formula, "minProperties");
    const failures = this.#failures.get(formula);
    if (!counted && failures?.has(key)) return null;
    const outer = this.#taint;
    this.#taint = Infinity;
    const plan = formula.simple ? this.#simpleObject(formula, names) : this.#searchObject(formula, names);
    if (plan) this.#plans.set(formula, plan);
    else if (this.#taint === Infinity && !counted) {
      if (failures) failures.add(key);
      else this.#failures.set(formula, new Set([key]));
    }
    this.#taint = Math.min(outer, this.#taint);
    return plan;
  }

  #simpleObject(formula: Formula, seen: ReadonlySet<string>): Plan | null {
    const atoms = formula.kind === "and" ? formula.parts : [formula];
    const required = new Set<string>();
    let least = 0;
    let most = Infinity;
    for (const { kind, data } of atoms) {
      if (kind === "required") for (const name of data.names!) required.add(name);
      if (kind === "minProperties") least = Math.max(least, data.low!);
      if (kind === "maxProperties") most = Math.min(most, data.low!);
    }
    if (required.size > most || least > most) return null;
    const goalOf = (name: string): Formula => {
      const parts: Formula[] = [];
      for (const { kind, data } of atoms) {
        if (kind === "properties") parts.push(ruleFor(this.formulas, data.rules!, name));
        if (kind === "names" && !this.formulas.regexes.matches(data.regex!, name)) return this.formulas.no;
      }
      return this.formulas.and(parts);
    };
    let cost = 2;
    const steps: PlannedChild[] = [];
    const add = (name: string): boolean => {
      const goal = goalOf(name);
      const child = this.cost(goal);
      if (child === Infinity) return false;
      cost += name.length + 6 + child;
      steps.push({ name, goal, times: 1 });
      return true;
    };
    for (const name of required) if (!add(name)) return null;
    if (steps.length < least) {
      for (const name of this.declaredNames(formula)) {
        if (steps.length >= least) break;
        if (!required.has(name) && !seen.has(name)) add(name);
      }
      if (steps.length < least) this.#addOthers(formula, seen, add, () => steps.length >= least);
      if (steps.length < least) return null;
    }
    return { cost, steps };
  }

  /** Adds names that nothing mentions until enough of them are there. */
  #addOthers(formula: Formula, seen: ReadonlySet<string>, add: (name: string) => boolean, enough: () => boolean): void {
    const { regexes } = this.formulas;
    for (const { regex } of this.otherNames(formula)) {
      const used = [...seen];
      for (let i = 0; !enough(); i++) {
        if (i > 2000) fail("unsupported", "minProperties asks for more than 2,000 further properties");
        const name = regexes.example(used.length ? regexes.and([regex, regexes.not(regexes.words(used))]) : regex);
        if (name === undefined || !add(name)) break;
        used.push(name);
      }
      if (enough()) return;
    }
  }

  /** Children that lead to different formulas, each with what the child must satisfy. */
  *cells(pending: Formula, goal: Formula = this.formulas.yes): Generator<{ goal: Formula; after: Formula }> {
    if (pending === this.formulas.no) return;
    if (!pending.open) {
      if (this.cost(goal) < Infinity) yield { goal, after: pending };
      return;
    }
    const alternatives = alternativesOf(this.formulas, pending);
    if (alternatives) {
      for (const { child, after } of alternatives) {
        const narrowed = this.formulas.and([goal, child]);
        if (after !== this.formulas.no && this.cost(narrowed) < Infinity) yield { goal: narrowed, after };
      }
      return;
    }
    this.#work -= 10;
    if (this.#work <= 0) return;
    for (const { child, after } of waysOf(this.formulas, pending)) {
      if (after === this.formulas.no) continue;
      const narrowed = this.formulas.and([goal, child]);
      if (this.cost(narrowed) < Infinity) yield* this.cells(after, narrowed);
    }
  }

  #searchObject(formula: Formula, seen: ReadonlySet<string>): Plan | null {
    const { regexes } = this.formulas;
    let copies = 1;
    let denials = 0;
    let counts = false;
    const helpful = new Set<string>();
    // a further name makes requirements true and rules false: only what is asked for, or whose rule is denied, helps
    const count = (at: Formula, denied: boolean): void => {
      if (at.kind === "minProperties" && !denied) copies = Math.max(copies, at.data.low!);
      // more than are allowed break a limit
      if (at.kind === "maxProperties" && denied) copies = Math.max(copies, at.data.low! + 1);
      if (at.kind === "minProperties" || at.kind === "maxProperties") counts = true;
      if (at.kind === "required") for (const name of at.data.names!) helpful.add(name);
      if (at.kind === "properties" && denied) {
        denials++;
        for (const name of at.data.rules!.named.keys()) helpful.add(name);
        if (at.data.rules!.rest !== this.formulas.yes || at.data.rules!.patterns.length) counts = true;
      }
      if (at.kind === "names" && denied) counts = true;
      if (["and", "or"].includes(at.kind)) for (const part of at.parts) count(part, denied);
      if (at.kind === "not") count(at.parts[0]!, !denied);
      if (at.kind === "one")
        for (const part of at.parts) {
          count(part, denied);
          count(part, !denied);
        }
    };
    count(formula, false);
    const names = this.declaredNames(formula).filter((name) => !seen.has(name) && (counts || helpful.has(name)));
    // each denied rule may want a property of its own
    copies = Math.max(copies, Math.min(denials, 3));
    for (const { regex } of counts ? this.otherNames(formula) : []) {
      const used = [...seen];
      for (let i = 0; i < Math.min(copies, 50); i++) {
        const name = regexes.example(used.length ? regexes.and([regex, regexes.not(regexes.words(used))]) : regex);
        if (name === undefined) break;
        names.push(name);
        used.push(name);
      }
    }
    const guessed = this.#guessObject(formula, seen, names);
    if (guessed) return guessed;
    if (this.#hopeless(formula)) return null;
    return this.#searchNames(formula, names);
  }

  #searchNames(formula: Formula, names: readonly string[], budget = maxStates): Plan | null {
    const expand = (at: Formula, i: number) => {
      const name = names[i]!;
      return { pending: stepProperty(this.formulas, at, name), name, skip: true };
    };
    return this.#search(formula, names.length, expand, budget);
  }

  /** Whether no branch of an object's formula can become true, even without what is denied. */
  #hopeless(formula: Formula): boolean {
    let known = this.#hopelessness.get(formula);
    if (known === undefined) {
      const branches = branchesOf(this.formulas, formula);
      known =
        branches.complete &&
        branches.list.every(
          (branch) =>
            branch === this.formulas.no ||
            (branch.simple && !holdsAtEnd(branch) && this.#simpleObject(branch, noNames) === null),
        );
      if (this.#taint === Infinity) this.#hopelessness.set(formula, known);
    }
    return known;
  }

  /** A plan that some branch of the formula suggests, if the whole formula agrees; quick where a search would be long. */
  #guessObject(formula: Formula, seen: ReadonlySet<string>, names: readonly string[]): Plan | null {
    const certain = this.formulas.and(
      (formula.kind === "and" ? formula.parts : [formula]).filter(({ simple }) => simple),
    );
    const least = holdsAtEnd(certain) ? { cost: 2, steps: [] } : this.#simpleObject(certain, seen);
    const first = least && this.#follow(formula, least, 0, [], [], { left: 60 });
    if (first) return first;
    const easiest = easiestBranch(this.formulas, formula);
    const plan = easiest.simple && this.#simpleObject(easiest, seen);
    const second = plan && this.#follow(formula, plan, 0, [], [], { left: 60 });
    if (second) return second;
    const third = least && this.#follow(formula, least, 0, [], names, { left: 60 });
    if (third) return third;
    for (const branch of branchesOf(this.formulas, formula).list.slice(0, maxGuesses)) {
      if (!branch.simple || branch === certain) continue;
      const plan = holdsAtEnd(branch) ? { cost: 2, steps: [] } : this.#simpleObject(branch, seen);
      const found = plan && this.#follow(formula, plan, 0, [], names, { left: 60 });
      if (found) return found;
    }
    return null;
  }

  #follow(
    formula: Formula,
    plan: Plan,
    i: number,
    done: readonly PlannedChild[],
    names: readonly string[],
    budget: { left: number },
  ): Plan | null {
    if (i === plan.steps.length) {
      const cost = done.reduce((sum, { name, goal }) => sum + name!.length + 6 + this.cost(goal), 2);
      if (holdsAtEnd(formula)) return { cost, steps: done };
      if (!names.length) return null;
      // a few more properties may still make it true
      const written = new Set(done.map(({ name }) => name!));
      const more = names.filter((name) => !written.has(name));
      const rest = this.#searchNames(formula, more, 100);
      return rest && { cost: cost + rest.cost, steps: [...done, ...rest.steps] };
    }
    const { name, goal } = plan.steps[i]!;
    for (const cell of this.cells(stepProperty(this.formulas, formula, name!), goal)) {
      if (budget.left-- <= 0) return null;
      const found = this.#follow(
        cell.after,
        plan,
        i + 1,
        [...done, { name, goal: cell.goal, times: 1 }],
        names,
        budget,
      );
      if (found) return found;
    }
    return null;
  }

  /** The cheapest way to end an array of which some items are written; null when there is none. */
  arrayPlan(formula: Formula): Plan | null {
    if (holdsAtEnd(formula)) return { cost: 2, steps: [] };
    const known = this.#plans.get(formula);
    if (known !== undefined) return known;
    const outer = this.#taint;
    this.#taint = Infinity;
    const special = !formula.simple || hasAtom(formula, "contains") || hasAtom(formula, "unique");
    const listed = special ? this.#listedItems(formula) : undefined;
    const plan =
      listed !== undefined
        ? listed
        : special
          ? this.#search(formula, Infinity, (at) => ({ pending: stepItem(this.formulas, at), skip: false }))
          : this.#simpleArray(formula);
    if (plan || this.#taint === Infinity) this.#plans.set(formula, plan);
    this.#taint = Math.min(outer, this.#taint);
    return plan;
  }

  /** A plan where items must differ and are all of one list of scalars: any of those left will do. Undefined for other arrays. */
  #listedItems(formula: Formula): Plan | null | undefined {
    const atoms = formula.kind === "and" ? formula.parts : [formula];
    const items: Formula[] = [];
    const seen = new Set<string>();
    let [least, most] = [0, Infinity];
    for (const { kind, parts, data } of atoms) {
      if (kind === "minItems") least = Math.max(least, data.low!);
      else if (kind === "maxItems") most = Math.min(most, data.low!);
      else if (kind === "unique") for (const value of data.seen!) seen.add(canonical(value));
      else if (kind === "items" && parts.length === 1) items.push(parts[0]!);
      else return undefined;
    }
    const values = finiteValues(this.formulas.and(items));
    if (!values) return undefined;
    const left = new Map(values.map((value) => [canonical(value), value] as const));
    for (const key of seen) left.delete(key);
    if (left.size < least || least > most) return null;
    const cheapest = [...left].sort(([a], [b]) => a.length - b.length).slice(0, least);
    const steps = cheapest.map(([, value]) => ({ goal: this.formulas.oneOf([value]), times: 1 }));
    return { cost: steps.reduce((sum, { goal }) => sum + this.cost(goal) + 2, 2), steps };
  }

  #simpleArray(formula: Formula): Plan | null {
    const atoms = formula.kind === "and" ? formula.parts : [formula];
    let least = 0;
    let most = Infinity;
    for (const { kind, data } of atoms) {
      if (kind === "minItems") least = Math.max(least, data.low!);
      if (kind === "maxItems") most = Math.min(most, data.low!);
    }
    if (least > most) return null;
    const lists = atoms.filter(({ kind }) => kind === "items");
    const longest = Math.max(0, ...lists.map(({ parts }) => parts.length - 1));
    const steps: PlannedChild[] = [];
    let cost = 2;
    for (let i = 0; i < least; i++) {
      const goal = this.formulas.and(lists.map(({ parts }) => parts[Math.min(i, parts.length - 1)]!));
      const times = i >= longest ? least - i : 1;
      const child = this.cost(goal);
      if (child === Infinity) return null;
      cost += times * (child + 2);
      steps.push({ goal, times });
      if (times > 1) break;
    }
    return { cost, steps };
  }

  /** Uniform-cost search over formulas; `expand` tells what child number `i` would change. */
  #search(
    start: Formula,
    length: number,
    expand: (at: Formula, i: number) => { pending: Formula; name?: string; skip: boolean },
    budget = maxStates,
  ): Plan | null {
    interface State {
      readonly formula: Formula;
      readonly at: number;
      readonly cost: number;
      readonly from?: State;
      readonly child?: PlannedChild;
    }
    const queue: State[] = [{ formula: start, at: 0, cost: 2 }];
    const done = new Set<string>();
    let popped = 0;
    while (queue.length) {
      let least = 0;
      for (let i = 1; i < queue.length; i++) if (queue[i]!.cost < queue[least]!.cost) least = i;
      const state = queue[least]!;
      queue[least] = queue.at(-1)!;
      queue.length--;
      const key = `${state.formula.id},${length === Infinity ? 0 : state.at}`;
      if (done.has(key)) continue;
      done.add(key);
      if (holdsAtEnd(state.formula)) {
        const steps: PlannedChild[] = [];
        for (let at: State | undefined = state; at; at = at.from) if (at.child) steps.unshift(at.child);
        return { cost: state.cost, steps };
      }
      if (++popped > budget) {
        if (budget === maxStates) this.givenUp++;
        return null;
      }
      if (state.at >= length) continue;
      const { pending, name, skip } = expand(state.formula, state.at);
      if (skip) queue.push({ ...state, at: state.at + 1 });
      for (const { goal, after } of this.cells(pending)) {
        const formula = hasAtom(after, "unique") ? addSeen(this.formulas, after, readJson(this.example(goal))) : after;
        const cost = state.cost + this.cost(goal) + (name === undefined ? 2 : name.length + 6);
        if (length < Infinity && !holdsAtEnd(formula) && this.#hopeless(formula)) continue;
        queue.push({ formula, at: state.at + 1, cost, from: state, child: { name, goal, times: 1 } });
      }
    }
    return null;
  }

  /** A short value of a formula as JSON text. @throws `internal` when nothing satisfies it. */
  example(formula: Formula, comma = ", ", colon = ": "): string {
    const { yes, no, regexes } = this.formulas;
    let best: string | undefined;
    const target = this.cost(formula);
    if (target === Infinity) fail("internal", "an example was asked of a formula that nothing satisfies");
    const consider = (bit: number, make: (projected: Formula) => { cost: number; text: () => string | undefined }) => {
      if (best !== undefined) return;
      const projected = project(this.formulas, formula, bit);
      if (projected === no) return;
      const { cost, text } = make(projected);
      if (cost <= target) best = text();
    };
    consider(types.number, (f) => {
      const found = someNumber(numberSet(f));
      const text = found ? spell(found.value, found.part, decimalText) : undefined;
      return { cost: text?.length ?? Infinity, text: () => text };
    });
    consider(types.string, (f) => {
      const language = stringLanguage(regexes, f);
      return { cost: this.stringCost(language), text: () => JSON.stringify(this.word(language)) };
    });
    const list = (plan: Plan | null, open: string, close: string) => ({
      cost: plan?.cost ?? Infinity,
      text: () => plan && open + this.children(plan, comma, colon) + close,
    });
    consider(
      types.array,
      (f) =>
        list(f === yes ? { cost: 2, steps: [] } : this.arrayPlan(f), "[", "]") as {
          cost: number;
          text: () => string | undefined;
        },
    );
    consider(
      types.object,
      (f) =>
        list(f === yes ? { cost: 2, steps: [] } : this.objectPlan(f), "{", "}") as {
          cost: number;
          text: () => string | undefined;
        },
    );
    for (const word of ["null", "true", "false"] as const)
      consider(types[word], () => ({ cost: word.length, text: () => word }));
    return best ?? fail("internal", "the cheapest value of a formula is not among its types");
  }

  /** Children of a plan as text, with commas between. */
  children(plan: Plan, comma: string, colon: string): string {
    const texts: string[] = [];
    for (const { name, goal, times } of plan.steps) {
      const value = this.example(goal, comma, colon);
      const text = name === undefined ? value : JSON.stringify(name) + colon + value;
      for (let i = 0; i < times; i++) texts.push(text);
    }
    return texts.join(comma);
  }

  /** A shortest word of a language. */
  word({ regex, low, high }: StringLanguage): string {
    const { regexes } = this.formulas;
    if (regex === regexes.all) return "a".repeat(low);
    const bounded = regexes.shortest(regex) >= low ? regex : regexes.and([regex, regexes.loop(regexes.any, low, high)]);
    return regexes.example(bounded) ?? fail("internal", "an example was asked of an empty language");
  }
}

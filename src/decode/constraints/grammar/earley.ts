/**
 * Places in a text of a context-free grammar: Earley's algorithm over characters, with regular terminals that are read by their
 * derivatives. Every way to divide a text into terminals counts. Knows no notation and no tokens.
 */
import { fail } from "../../../util/index.ts";
import type { Keeper, Position } from "../position.ts";
import type { Regexes } from "../regex/regex.ts";
import { firstTag, type Regex } from "../regex/term.ts";
import type { Grammar, GrammarSymbol } from "./grammar.ts";

/** A production of which the first `dot` symbols are read, begun where `origin` is; `rest` is left of a begun terminal. */
interface Item {
  readonly rule: number;
  readonly symbols: readonly GrammarSymbol[];
  readonly dot: number;
  readonly origin: EarleySet;
  readonly rest: Regex | undefined;
}

/** More items than this in one place are refused: the grammar is too ambiguous. */
const maxItems = 20_000;

/** All ways to read a text up to one place between characters. */
class EarleySet {
  readonly items: Item[] = [];
  /** Items that wait for a rule, by its number. */
  readonly waiting = new Map<number, Item[]>();
  readonly #known = new Map<EarleySet, Set<string>>();
  readonly #ended = new Set<number>();
  /** Whether the text may end here. */
  complete = false;
  /** Whether this is the place before the first character. */
  isStart = false;

  constructor(
    readonly grammar: Grammar,
    readonly regexes: Regexes,
  ) {}

  predict(rule: number): void {
    for (const symbols of this.grammar.rules[rule]!) this.add({ rule, symbols, dot: 0, origin: this, rest: undefined });
  }

  add(item: Item): void {
    let known = this.#known.get(item.origin);
    if (!known) {
      known = new Set();
      this.#known.set(item.origin, known);
    }
    const key = `${item.rule},${item.dot},${item.rest?.id ?? ""},${this.#choice(item)}`;
    if (known.has(key)) return;
    known.add(key);
    if (this.items.length > maxItems) fail("unsupported", `the grammar has more than ${maxItems} readings of one text`);
    const symbol = item.symbols[item.dot];
    if (symbol === undefined) {
      this.#end(item);
      return;
    }
    if (typeof symbol !== "number") {
      const rest = item.rest ?? symbol;
      this.items.push({ ...item, rest });
      if (rest.nullable) this.add({ ...item, dot: item.dot + 1, rest: undefined });
      return;
    }
    const list = this.waiting.get(symbol);
    if (list) list.push(item);
    else {
      this.waiting.set(symbol, [item]);
      this.predict(symbol);
    }
    // a rule that ended here with nothing read has told only those who waited then
    if (this.#ended.has(symbol)) this.add({ ...item, dot: item.dot + 1 });
  }

  #choice({ rule, symbols }: Item): number {
    return this.grammar.rules[rule]!.indexOf(symbols);
  }

  #end({ rule, origin }: Item): void {
    if (origin === this) this.#ended.add(rule);
    for (const waiting of [...(origin.waiting.get(rule) ?? [])]) this.add({ ...waiting, dot: waiting.dot + 1 });
    if (rule === 0 && origin.isStart) this.complete = true;
  }

  /** The set behind one more character; undefined when no reading goes on. */
  after(code: number): EarleySet | undefined {
    const next = new EarleySet(this.grammar, this.regexes);
    for (const item of this.items) {
      const rest = this.regexes.derive(item.rest!, code);
      if (this.regexes.shortest(rest) < Infinity) next.add({ ...item, rest });
    }
    return next.items.length || next.complete ? next : undefined;
  }

  /** Whether some character of a range may follow. */
  allows(from: number, to: number): boolean {
    return this.items.some(({ rest }) => {
      const table = this.regexes.derivatives(rest!);
      return table.to.some((next, i) => {
        const last = (table.from[i + 1] ?? firstTag) - 1;
        return table.from[i]! <= to && last >= from && this.regexes.shortest(next) < Infinity;
      });
    });
  }
}

/** A place in a text of a grammar, perhaps inside a character. */
export class GrammarPosition implements Position {
  memory: unknown = undefined;
  readonly #next = new Map<number, GrammarPosition | null>();

  private constructor(
    readonly set: EarleySet,
    readonly value: number,
    readonly left: number,
  ) {}

  /** Before the first character. */
  static start(grammar: Grammar, regexes: Regexes): GrammarPosition {
    const set = new EarleySet(grammar, regexes);
    set.isStart = true;
    set.predict(0);
    return new GrammarPosition(set, 0, 0);
  }

  get complete(): boolean {
    return this.left === 0 && this.set.complete;
  }

  get keeper(): Keeper {
    return this;
  }

  step(byte: number): Position | null {
    let next = this.#next.get(byte);
    if (next === undefined) {
      next = this.#compute(byte);
      this.#next.set(byte, next);
    }
    return next;
  }

  #compute(byte: number): GrammarPosition | null {
    const { set, value, left } = this;
    if (left === 0) {
      if (byte < 0x80) return this.#char(byte);
      if (byte < 0xc2 || byte > 0xf4) return null;
      return byte < 0xe0 ? this.#part(byte & 31, 1) : byte < 0xf0 ? this.#part(byte & 15, 2) : this.#part(byte & 7, 3);
    }
    if ((byte & 0xc0) !== 0x80) return null;
    const code = (value << 6) | (byte & 63);
    return left === 1 ? this.#char(code) : this.#part(code, left - 1, set);
  }

  #char(code: number): GrammarPosition | null {
    if (code >= 0xd800 && code <= 0xdfff) return null;
    const next = this.set.after(code);
    return next ? new GrammarPosition(next, 0, 0) : null;
  }

  #part(value: number, left: number, set = this.set): GrammarPosition | null {
    const shift = 6 * left;
    // a code point has one spelling: longer ones than needed are none
    const least = [0, 0x80, 0x800, 0x10000][this.left || left]!;
    const from = Math.max(value << shift, least);
    const to = Math.min(((value + 1) << shift) - 1, 0x10ffff);
    const only = from >= 0xd800 && to <= 0xdfff;
    return from <= to && !only && set.allows(from, to) ? new GrammarPosition(set, value, left) : null;
  }

  finish(): ArrayLike<number> {
    if (this.left > 0) {
      for (let byte = 0x80; byte < 0xc0; byte++) if (this.step(byte)) return [byte];
      return [];
    }
    const memo = new Map<Item, number>();
    let best: { item: Item; cost: number } | undefined;
    for (const item of this.set.items) {
      const cost = this.#cost(item, memo);
      if (!best || cost < best.cost) best = { item, cost };
    }
    if (!best) return [];
    const { regexes } = this.set;
    const rest = regexes.and([best.item.rest!, regexes.loop(regexes.any, 1, Infinity)]);
    return new TextEncoder().encode(regexes.example(rest) ?? "");
  }

  /** Characters that end the text from an item on, at the least. */
  #cost(item: Item, memo: Map<Item, number>): number {
    const known = memo.get(item);
    if (known !== undefined) return known;
    memo.set(item, Infinity);
    const { grammar, regexes } = this.set;
    let own = item.rest ? Math.max(1, regexes.shortest(item.rest)) : 0;
    for (let i = item.dot + 1; i < item.symbols.length; i++) {
      const symbol = item.symbols[i]!;
      own += typeof symbol === "number" ? grammar.shortest[symbol]! : regexes.shortest(symbol);
    }
    let above = item.rule === 0 && item.origin.isStart ? 0 : Infinity;
    for (const waiting of item.origin.waiting.get(item.rule) ?? []) above = Math.min(above, this.#cost(waiting, memo));
    const cost = own + above;
    memo.set(item, cost);
    return cost;
  }
}

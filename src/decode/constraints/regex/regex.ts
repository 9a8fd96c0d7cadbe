/**
 * Regular languages over code points as hash-consed terms: union, intersection, complement, counted repetition, sets of
 * words. Equal terms are one object, so that derivatives of a term become the states of a small automaton.
 */

import { fail } from "../../../util/index.ts";
import { Patience } from "../patience.ts";
import { anyChar, type CharSet, intersectSets, unionSets } from "./char-set.ts";
import { mapDerivatives, mergeDerivatives, preferred } from "./derivatives.ts";
import { type Derivatives, firstTag, Regex, type WordJudge } from "./term.ts";

const byId = (a: Regex, b: Regex) => a.id - b.id;

/** Code-unit order would put surrogates before U+E000; words are compared as code points. */
function compareWords(a: string, b: string): number {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) {
    if (a.charCodeAt(i) !== b.charCodeAt(i))
      return a.codePointAt(i)! - b.codePointAt(i)! || a.charCodeAt(i) - b.charCodeAt(i);
  }
  return a.length - b.length;
}

/** Makes terms, and keeps one of each. */
export class Regexes {
  #terms = new Map<string, Regex>();
  #wordLists = new Map<readonly string[], number>();
  #next = 0;
  #transient = 0;
  readonly #judges = new Map<WordJudge, Regex>();
  /** The patience with the call that is being answered. */
  readonly patience: Patience;
  /** No word at all. */
  readonly none: Regex;
  /** The empty word alone. */
  readonly empty: Regex;
  /** Any one character. */
  readonly any: Regex;
  /** Every word. */
  readonly all: Regex;

  /** @param patience ends calls that would not end; shared with whatever else answers them. */
  constructor(patience = new Patience()) {
    this.patience = patience;
    this.none = new Regex(this.#next++, "none", false);
    this.empty = new Regex(this.#next++, "empty", true);
    this.any = this.set(anyChar);
    this.all = this.loop(this.any, 0, Infinity);
  }

  /** Terms that are kept: what memory depends on. */
  get size(): number {
    return this.#next - this.#transient;
  }

  #make(key: string, build: (id: number) => Regex): Regex {
    this.patience.spend();
    let term = this.#terms.get(key);
    if (!term) {
      term = build(this.#next++);
      if (term.transient) this.#transient++;
      else this.#terms.set(key, term);
    }
    return term;
  }

  /** One character of a set. */
  set(set: CharSet): Regex {
    if (!set.length) return this.none;
    return this.#make(`s${set.join()}`, (id) => new Regex(id, "set", false, [], set));
  }

  /** The mark number `t`, as one character. */
  tag(t: number): Regex {
    return this.#make(`t${t}`, (id) => new Regex(id, "tag", false, [], [firstTag + t, firstTag + t]));
  }

  /** A literal word. */
  word(text: string): Regex {
    return this.words([text]);
  }

  /** A finite set of words. */
  words(texts: readonly string[]): Regex {
    const sorted = [...new Set(texts)].sort(compareWords);
    return this.#words(sorted, 0, sorted.length, 0);
  }

  #words(list: readonly string[], from: number, to: number, depth: number): Regex {
    if (from >= to) return this.none;
    if (to - from === 1) {
      const rest = list[from]!.slice(depth);
      if (!rest) return this.empty;
      return this.#make(`w${rest}`, (id) => new Regex(id, "words", false, [], [], 0, 1, [rest], 0));
    }
    // few words are known by what is left of them, so that lists with common ends have common terms
    if (to - from <= fewWords && (depth > 0 || to - from < list.length)) {
      const rests = list.slice(from, to).map((word) => word.slice(depth));
      return this.#words(rests, 0, rests.length, 0);
    }
    let number = this.#wordLists.get(list);
    if (number === undefined) {
      const key = `l${JSON.stringify(list)}`;
      const known = this.#terms.get(key);
      if (known && depth === 0 && from === 0 && to === list.length) return known;
      number = this.#wordLists.size;
      this.#wordLists.set(list, number);
      if (depth === 0 && from === 0 && to === list.length)
        return this.#make(key, (id) => new Regex(id, "words", list[0] === "", [], [], 0, to, list, 0));
    }
    return this.#make(
      `W${number},${from},${to},${depth}`,
      (id) => new Regex(id, "words", list[from]!.length === depth, [], [], from, to, list, depth),
    );
  }

  /** Words of a `words` term. */
  wordsOf(term: Regex): string[] {
    return term.words.slice(term.min, term.max).map((word) => word.slice(term.depth));
  }

  /** One after the other. */
  cat(...parts: readonly Regex[]): Regex {
    let out = this.empty;
    for (let i = parts.length - 1; i >= 0; i--) out = this.#cat(parts[i]!, out);
    return out;
  }

  #cat(a: Regex, b: Regex): Regex {
    if (a === this.none || b === this.none) return this.none;
    if (a === this.empty) return b;
    if (b === this.empty) return a;
    if (a.kind === "cat") return this.#cat(a.parts[0]!, this.#cat(a.parts[1]!, b));
    const head = b.kind === "cat" ? b.parts[0]! : b;
    if (a.kind === "loop" && head.kind === "loop" && a.parts[0] === head.parts[0]) {
      const joined = this.loop(a.parts[0]!, a.min + head.min, a.max + head.max);
      return b.kind === "cat" ? this.#cat(joined, b.parts[1]!) : joined;
    }
    return this.#make(`c${a.id},${b.id}`, (id) => new Regex(id, "cat", a.nullable && b.nullable, [a, b]));
  }

  /** Any of them. */
  alt(parts: Iterable<Regex>): Regex {
    const found = new Set<Regex>();
    const words: string[] = [];
    let chars: CharSet = [];
    const add = (part: Regex): void => {
      if (part.kind === "alt") part.parts.forEach(add);
      else if (part.kind === "set") chars = unionSets(chars, part.set);
      else if (part.kind === "words") {
        if (part.max - part.min > 1) found.add(part);
        else for (const word of this.wordsOf(part)) words.push(word);
      } else if (part !== this.none) found.add(part);
    };
    for (const part of parts) add(part);
    if (chars.length) found.add(this.set(chars));
    if (found.has(this.all) && ![...found].some((part) => this.hasTag(part))) return this.all;
    if (words.length) {
      const single = new Set(words);
      const more = [...found].filter((part) => part.kind === "words");
      if (single.size > 1 && more.length === 1 && more[0]!.max - more[0]!.min < 1000) {
        found.delete(more[0]!);
        for (const word of this.wordsOf(more[0]!)) single.add(word);
      }
      found.add(this.words([...single]));
    }
    if (found.size > 1 && found.has(this.empty) && [...found].some((part) => part !== this.empty && part.nullable))
      found.delete(this.empty);
    if (!found.size) return this.none;
    const list = [...found].sort(byId);
    if (list.length === 1) return list[0]!;
    return this.#make(
      `a${list.map(({ id }) => id).join()}`,
      (id) =>
        new Regex(
          id,
          "alt",
          list.some((part) => part.nullable),
          list,
        ),
    );
  }

  /** Whether a mark is inside. */
  hasTag(part: Regex): boolean {
    return part.kind === "tag" || part.parts.some((inner) => this.hasTag(inner));
  }

  /** All of them at once. */
  and(parts: Iterable<Regex>): Regex {
    const found = new Set<Regex>();
    let chars: CharSet | undefined;
    let words: Regex | undefined;
    let low = 0;
    let high = Infinity;
    const add = (part: Regex): boolean => {
      if (part === this.none) return false;
      if (part.kind === "and") return part.parts.every(add);
      if (part.kind === "set") chars = chars ? intersectSets(chars, part.set) : part.set;
      else if (part.kind === "loop" && part.parts[0] === this.any) {
        low = Math.max(low, part.min);
        high = Math.min(high, part.max);
      } else if (part.kind === "words" && !words) words = part;
      else found.add(part);
      return true;
    };
    for (const part of parts) if (!add(part)) return this.none;
    if (chars) {
      if (!chars.length || low > 1 || high < 1) return this.none;
      found.add(this.set(chars));
      low = 0;
      high = Infinity;
    }
    if (low > high) return this.none;
    if (low > 0 || high < Infinity) found.add(this.loop(this.any, low, high));
    if (words) {
      if (!found.size) return words;
      return this.words(this.wordsOf(words).filter((word) => [...found].every((part) => this.matches(part, word))));
    }
    if (!found.size) return this.all;
    if (found.has(this.empty)) return [...found].every((part) => part.nullable) ? this.empty : this.none;
    for (const part of found) if (part.kind === "not" && found.has(part.parts[0]!)) return this.none;
    // judged words have no states that a search could run through, so only the length of what they stand in is limited besides
    const others = [...found].filter((part) => !(part.kind === "loop" && part.parts[0] === this.any));
    if (others.length > 1)
      for (const part of others)
        if (part.transient && part.kind !== "not") {
          const rest = part.kind === "alt" ? part.parts.filter((inner) => !inner.transient) : [];
          return this.and([this.alt(rest), ...[...found].filter((other) => other !== part)]);
        }
    for (const part of found)
      if (
        part.kind === "alt" &&
        part.parts.length <= 4 &&
        part.parts.some((inner) => inner.kind === "loop" && inner.parts[0] === this.any)
      ) {
        const others = [...found].filter((other) => other !== part);
        return this.alt(part.parts.map((inner) => this.and([inner, ...others])));
      }
    const list = [...found].sort(byId);
    if (list.length === 1) return list[0]!;
    return this.#make(
      `i${list.map(({ id }) => id).join()}`,
      (id) =>
        new Regex(
          id,
          "and",
          list.every((part) => part.nullable),
          list,
        ),
    );
  }

  /** Every word that is not one of these. */
  not(part: Regex): Regex {
    if (part === this.none) return this.all;
    if (part === this.all) return this.none;
    if (part.kind === "not") return part.parts[0]!;
    const isLength = (term: Regex) => term.kind === "loop" && term.parts[0] === this.any;
    if (isLength(part)) {
      const below = part.min > 0 ? this.loop(this.any, 0, part.min - 1) : this.none;
      const above = part.max < Infinity ? this.loop(this.any, part.max + 1, Infinity) : this.none;
      return this.alt([below, above]);
    }
    if (part.kind === "and" && part.parts.some(isLength)) return this.alt(part.parts.map((inner) => this.not(inner)));
    return this.#make(`n${part.id}`, (id) => new Regex(id, "not", !part.nullable, [part]));
  }

  /** Between `min` and `max` times. */
  loop(part: Regex, min: number, max: number): Regex {
    if (max <= 0 || part === this.empty) return this.empty;
    if (part === this.none) return min > 0 ? this.none : this.empty;
    if (min === 1 && max === 1) return part;
    if (part.kind === "loop" && part.min === 0 && part.max === Infinity) return part;
    const least = part.nullable ? 0 : min;
    return this.#make(
      `r${part.id},${least},${max}`,
      (id) => new Regex(id, "loop", least === 0, [part], [], least, max),
    );
  }

  /** A language defined through itself; `unfold` is called on demand and must read a character before it comes back. */
  recursive(nullable: boolean, unfold: (self: Regex) => Regex): Regex {
    const self: Regex = new Regex(this.#next++, "rec", nullable, [], [], 0, 0, [], 0, () => unfold(self));
    return self;
  }

  /** Words of a judge. */
  judged(judge: WordJudge): Regex {
    let term = this.#judges.get(judge);
    if (!term) {
      term = this.#judged(judge, "");
      this.#judges.set(judge, term);
    }
    return term;
  }

  #judged(judge: WordJudge, begun: string): Regex {
    if (begun.length > judge.longest) return this.none;
    if (begun) this.#transient++;
    return new Regex(this.#next++, "judged", judge.accepts(begun), [], [], 0, 0, [begun], 0, undefined, judge);
  }

  /** Whether any word belongs to it, as quickly as that can be told. */
  possible(term: Regex): boolean {
    if (term.shortest === undefined && term.transient) {
      if (term.kind === "judged") return term.judge!.possible(term.words[0]!);
      if (term.kind === "cat") return this.possible(term.parts[0]!) && this.possible(term.parts[1]!);
      if (term.kind === "and" && term.parts.length === 2) {
        const [word, bound] = (term.parts[0]!.transient ? term.parts : [term.parts[1], term.parts[0]]) as [
          Regex,
          Regex,
        ];
        const [head, rest] = word.kind === "cat" ? (word.parts as [Regex, Regex]) : [word, this.empty];
        if (head.kind === "judged" && bound.parts[0] === this.any && bound.min === 0)
          if (bound.max >= head.judge!.longest + this.shortest(rest)) return this.possible(word);
      }
    }
    return this.shortest(term) < Infinity;
  }

  /** What may follow each character. */
  derivatives(term: Regex): Derivatives {
    term.table ??= this.#derive(term);
    return term.table;
  }

  /** What may follow one character. */
  derive(term: Regex, code: number): Regex {
    if (term.transient) return this.#deriveOne(term, code);
    const { from, to } = this.derivatives(term);
    let low = 0;
    let high = from.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (from[middle]! <= code) low = middle;
      else high = middle - 1;
    }
    return to[low]!;
  }

  /** One derivative of a term whose others are not worth making. */
  #deriveOne(term: Regex, code: number): Regex {
    switch (term.kind) {
      case "judged": {
        const { alphabet } = term.judge!;
        for (let i = 0; i < alphabet.length; i += 2)
          if (code >= alphabet[i]! && code <= alphabet[i + 1]!)
            return this.#judged(term.judge!, term.words[0]! + String.fromCodePoint(code));
        return this.none;
      }
      case "cat": {
        const [a, b] = term.parts as [Regex, Regex];
        const first = this.#cat(this.derive(a, code), b);
        return a.nullable ? this.alt([first, this.derive(b, code)]) : first;
      }
      case "and":
        return this.and(term.parts.map((part) => this.derive(part, code)));
      case "not":
        return code >= firstTag ? this.none : this.not(this.derive(term.parts[0]!, code));
      default:
        return this.alt(term.parts.map((part) => this.derive(part, code)));
    }
  }

  /** Whether a word belongs to it. */
  matches(term: Regex, text: string): boolean {
    let at = term;
    for (const char of text) {
      at = this.derive(at, char.codePointAt(0)!);
      if (at === this.none) return false;
    }
    return at.nullable;
  }

  #derive(term: Regex): Derivatives {
    switch (term.kind) {
      case "none":
      case "empty":
        return { from: [0], to: [this.none] };
      case "set":
      case "tag": {
        const from = [0];
        const to = [this.none];
        for (let i = 0; i < term.set.length; i += 2) {
          if (term.set[i] === from.at(-1)) to[to.length - 1] = this.empty;
          else {
            from.push(term.set[i]!);
            to.push(this.empty);
          }
          from.push(term.set[i + 1]! + 1);
          to.push(this.none);
        }
        return { from, to };
      }
      case "cat": {
        const [a, b] = term.parts as [Regex, Regex];
        const first = mapDerivatives(this.derivatives(a), (next) => this.#cat(next, b));
        return a.nullable ? mergeDerivatives([first, this.derivatives(b)], (parts) => this.alt(parts)) : first;
      }
      case "alt":
        return mergeDerivatives(
          term.parts.map((part) => this.derivatives(part)),
          (parts) => this.alt(parts),
        );
      case "and":
        return mergeDerivatives(
          term.parts.map((part) => this.derivatives(part)),
          (parts) => this.and(parts),
        );
      case "not": {
        const inner = mapDerivatives(this.derivatives(term.parts[0]!), (next) => this.not(next));
        // marks are no characters: a complement does not contain them
        const kept = inner.from.filter((code) => code < firstTag);
        return { from: [...kept, firstTag], to: [...inner.to.slice(0, kept.length), this.none] };
      }
      case "loop": {
        const [a] = term.parts as [Regex];
        const rest = this.loop(a, Math.max(0, term.min - 1), term.max - 1);
        return mapDerivatives(this.derivatives(a), (next) => this.#cat(next, rest));
      }
      case "words":
        return this.#deriveWords(term);
      case "rec":
        return this.derivatives(term.unfold!());
      case "judged": {
        const from = [0];
        const to = [this.none];
        for (let i = 0; i < term.judge!.alphabet.length; i += 2)
          for (let code = term.judge!.alphabet[i]!; code <= term.judge!.alphabet[i + 1]!; code++) {
            if (from.at(-1) === code) to.pop();
            else from.push(code);
            to.push(this.#judged(term.judge!, term.words[0]! + String.fromCodePoint(code)), this.none);
            from.push(code + 1);
          }
        return { from, to };
      }
    }
  }

  #deriveWords({ words, min, max, depth }: Regex): Derivatives {
    const from = [0];
    const to = [this.none];
    let i = min;
    while (i < max && words[i]!.length === depth) i++;
    while (i < max) {
      const code = words[i]!.codePointAt(depth)!;
      let end = i + 1;
      while (end < max && words[end]!.codePointAt(depth) === code) end++;
      const next = this.#words(words, i, end, depth + (code > 0xffff ? 2 : 1));
      if (from.at(-1) === code) to[to.length - 1] = next;
      else {
        from.push(code);
        to.push(next);
      }
      from.push(code + 1);
      to.push(this.none);
      i = end;
    }
    return { from, to };
  }

  /** Length of the shortest word in characters; `Infinity` when there is none. @throws `unsupported` when too hard to tell. */
  shortest(term: Regex): number {
    term.shortest ??=
      term.plain || term.kind === "cat" || term.kind === "alt" || term.kind === "loop"
        ? this.#plainShortest(term)
        : this.#searchShortest(term);
    return term.shortest;
  }

  #plainShortest(term: Regex): number {
    switch (term.kind) {
      case "none":
        return Infinity;
      case "empty":
        return 0;
      case "set":
        return 1;
      case "tag":
        return 0;
      case "cat":
        return this.shortest(term.parts[0]!) + this.shortest(term.parts[1]!);
      case "alt":
        return Math.min(...term.parts.map((part) => this.shortest(part)));
      case "loop":
        return term.min === 0 ? 0 : term.min * this.shortest(term.parts[0]!);
      case "judged":
        return term.judge!.ending(term.words[0]!)?.length ?? Infinity;
      default: {
        let least = Infinity;
        for (let i = term.min; i < term.max; i++) least = Math.min(least, [...term.words[i]!.slice(term.depth)].length);
        return least;
      }
    }
  }

  #searchShortest(term: Regex): number {
    if (term.nullable) return 0;
    const bounded = this.#boundedShortest(term);
    if (bounded !== undefined) return bounded;
    const seen = new Set([term]);
    let level = [term];
    let best = Infinity;
    for (let length = 0; level.length && length < best; length++) {
      const next: Regex[] = [];
      for (const state of level) {
        if (state.nullable) {
          best = Math.min(best, length);
          continue;
        }
        if (state.shortest !== undefined || state.plain || (state.transient && state.kind === "cat")) {
          best = Math.min(best, length + this.shortest(state));
          continue;
        }
        const { from, to } = this.derivatives(state);
        to.forEach((target, i) => {
          if (target === this.none || seen.has(target)) return;
          seen.add(target);
          // a mark is not a character of the word
          if (from[i]! >= firstTag) best = Math.min(best, length + (target.nullable ? 0 : Infinity));
          else next.push(target);
        });
      }
      if (seen.size > maxSearch)
        fail("unsupported", `a pattern needs more than ${maxSearch} states to tell whether anything matches it`);
      level = next;
    }
    if (best === Infinity) for (const state of seen) state.shortest = Infinity;
    return best;
  }

  /**
   * Shortest word of a language whose length is bounded, without counting up to the bound: a state that some character leads
   * back to itself makes words of every further length. Undefined when the term is not of this form.
   */
  #boundedShortest(term: Regex): number | undefined {
    const bound =
      term.kind === "and" ? term.parts.find((part) => part.kind === "loop" && part.parts[0] === this.any) : undefined;
    if (!bound) return undefined;
    const rest = this.and(term.parts.filter((part) => part !== bound));
    const least = this.shortest(rest);
    if (least >= bound.min) return least <= bound.max ? least : Infinity;
    let level = [rest];
    const seen = new Set(level);
    for (let depth = 0; level.length && seen.size < 2000 && depth <= bound.min; depth++) {
      const next: Regex[] = [];
      for (const state of level) {
        const { from, to } = this.derivatives(state);
        if (
          depth + this.shortest(state) <= bound.min &&
          to.some((target, i) => target === state && from[i]! < firstTag)
        )
          return bound.min;
        to.forEach((target, i) => {
          if (target === this.none || seen.has(target) || from[i]! >= firstTag) return;
          seen.add(target);
          next.push(target);
        });
      }
      level = next;
    }
    return undefined;
  }

  /** Length of the longest word, as far as it follows from the parts; else `Infinity`. */
  longest(term: Regex): number {
    switch (term.kind) {
      case "none":
      case "empty":
      case "tag":
        return 0;
      case "set":
        return 1;
      case "cat":
        return this.longest(term.parts[0]!) + this.longest(term.parts[1]!);
      case "alt":
        return Math.max(...term.parts.map((part) => this.longest(part)));
      case "and":
        return Math.min(...term.parts.map((part) => this.longest(part)));
      case "loop":
        return term.max === Infinity ? Infinity : term.max * this.longest(term.parts[0]!);
      case "judged":
        return term.judge!.longest - term.words[0]!.length;
      case "words":
        return this.wordsOf(term).reduce((most, word) => Math.max(most, [...word].length), 0);
      default:
        return Infinity;
    }
  }

  /** A shortest word, of plain letters where there is a choice; undefined when there is none. */
  example(term: Regex): string | undefined {
    let left = this.shortest(term);
    if (left === Infinity) return undefined;
    let out = "";
    for (let at = term; left > 0; left--) {
      const { from, to } = this.derivatives(at);
      let chosen: number | undefined;
      let rank = -1;
      to.forEach((target, i) => {
        if (from[i]! >= firstTag || this.shortest(target) > left - 1) return;
        const last = (from[i + 1] ?? firstTag) - 1;
        const [code, value] = preferred(from[i]!, last);
        if (value > rank) {
          rank = value;
          chosen = code;
        }
      });
      if (chosen === undefined) fail("internal", "a shortest word is longer than its length");
      out += String.fromCodePoint(chosen);
      at = this.derive(at, chosen);
    }
    return out;
  }
}

const maxSearch = 50_000;
const fewWords = 24;

/**
 * Suffix-automaton drafting (after SAM-Decoding, Hu et al. 2024): the automaton of everything said so far finds, in constant time a token,
 * the longest suffix of the text that occurred before, however long it is. It also keeps an automaton of earlier answers.
 */
import { chain, emptyDraft } from "../draft-tree.ts";
import type { Drafter } from "../drafter.ts";

/** The longest suffix of a text that an automaton holds. */
export interface Match {
  readonly state: number;
  readonly length: number;
}

const noMatch: Match = { state: 0, length: 0 };

/** The suffix automaton of a growing list of tokens. */
export class SuffixAutomaton {
  readonly tokens: number[] = [];
  readonly #next: Map<number, number>[] = [new Map()];
  readonly #link: number[] = [-1];
  readonly #length: number[] = [0];
  /** For each state a position in `tokens` right after an occurrence of its strings. */
  readonly #end: number[] = [0];
  #last = 0;

  /** Number of states. */
  get size(): number {
    return this.#length.length;
  }

  /** Appends a token. */
  push(token: number): void {
    this.tokens.push(token);
    const state = this.#add(this.#length[this.#last]! + 1, this.tokens.length);
    let p = this.#last;
    for (; p >= 0 && !this.#next[p]!.has(token); p = this.#link[p]!) this.#next[p]!.set(token, state);
    if (p < 0) this.#link[state] = 0;
    else {
      const q = this.#next[p]!.get(token)!;
      if (this.#length[q] === this.#length[p]! + 1) this.#link[state] = q;
      else {
        const copy = this.#add(this.#length[p]! + 1, this.#end[q]!);
        this.#next[copy] = new Map(this.#next[q]!);
        this.#link[copy] = this.#link[q]!;
        for (; p >= 0 && this.#next[p]!.get(token) === q; p = this.#link[p]!) this.#next[p]!.set(token, copy);
        this.#link[q] = copy;
        this.#link[state] = copy;
      }
    }
    this.#last = state;
  }

  #add(length: number, end: number): number {
    this.#next.push(new Map());
    this.#link.push(0);
    this.#length.push(length);
    this.#end.push(end);
    return this.#length.length - 1;
  }

  /** Follows a token from a match: what of the reader's longest matching suffix, one token longer now, still occurs here. */
  follow({ state, length }: Match, token: number): Match {
    let s = state;
    let l = length;
    while (s > 0 && !this.#next[s]!.has(token)) {
      s = this.#link[s]!;
      l = this.#length[s]!;
    }
    const to = this.#next[s]!.get(token);
    return to === undefined ? noMatch : { state: to, length: l + 1 };
  }

  /** The same match after the automaton grew: states split, and a match belongs to the one whose strings have its length. */
  renew({ state, length }: Match): Match {
    let s = state;
    while (s > 0 && this.#length[this.#link[s]!]! >= length) s = this.#link[s]!;
    return { state: s, length };
  }

  /** A position right after an occurrence of a match. */
  endOf({ state }: Match): number {
    return this.#end[state]!;
  }

  /** Notes that a match occurs before a position, too: later ones then find the latest occurrence. */
  moveEnd({ state }: Match, end: number): void {
    if (state > 0) this.#end[state] = end;
  }
}

/** Options of {@link SuffixDrafter}. */
export interface SuffixDrafterOptions {
  /** Most tokens that are proposed; 16 by default. */
  readonly tokens?: number;
  /** Tokens of finished texts that are remembered; 65,536 by default, 0 for none. */
  readonly memory?: number;
}

/** Confidence in a continuation by the length of its match. */
const confidence = (length: number) => 1 - 1 / (1 + 0.5 * length);

/** Drafts what followed the longest suffix of the text that occurred before: in this text, or in earlier ones. */
export class SuffixDrafter implements Drafter {
  readonly name = "suffix-automaton";
  readonly kind = "deterministic";
  readonly #count: number;
  readonly #memory: number;
  /** Automata of finished texts; the older one is dropped when the newer is half full. */
  #past: SuffixAutomaton[] = [];

  constructor({ tokens = 16, memory = 65_536 }: SuffixDrafterOptions = {}) {
    this.#count = tokens;
    this.#memory = memory;
  }

  /** Forgets earlier texts. */
  clear(): void {
    this.#past = [];
  }

  open() {
    const own = new SuffixAutomaton();
    const past = [...this.#past];
    let ownMatch = noMatch;
    let pastMatches = past.map(() => noMatch);
    let text: readonly number[] = [];
    const read = (tokens: readonly number[]) => {
      for (let i = own.tokens.length; i < tokens.length; i++) {
        const token = tokens[i]!;
        pastMatches = pastMatches.map((match, k) => past[k]!.follow(match, token));
        own.moveEnd(ownMatch, i);
        // looked up before the token enters, so that the text does not match itself
        const match = own.follow(ownMatch, token);
        own.push(token);
        ownMatch = own.renew(match);
      }
      text = tokens;
    };
    return {
      propose: ({ tokens, maxDepth, maxNodes }: { tokens: readonly number[]; maxDepth: number; maxNodes: number }) => {
        read(tokens);
        let best: { from: SuffixAutomaton; match: Match } | undefined;
        for (const candidate of [
          { from: own, match: ownMatch },
          ...past.map((from, k) => ({ from, match: pastMatches[k]! })),
        ])
          if (candidate.match.length > (best?.match.length ?? 0)) best = candidate;
        if (!best) return emptyDraft;
        const start = best.from.endOf(best.match);
        const found = best.from.tokens.slice(start, start + Math.min(this.#count, maxDepth, maxNodes));
        const { length } = best.match;
        return chain(
          found,
          found.map((_, i) => confidence(length + i)),
        );
      },
      close: () => {
        if (this.#memory) this.#remember(text);
      },
    };
  }

  #remember(text: readonly number[]): void {
    const newest = this.#past[this.#past.length - 1];
    if (newest && newest.tokens.length + text.length <= this.#memory / 2) for (const token of text) newest.push(token);
    else {
      const fresh = new SuffixAutomaton();
      for (const token of text.slice(-this.#memory / 2)) fresh.push(token);
      this.#past = [...this.#past.slice(-1), fresh];
    }
  }
}

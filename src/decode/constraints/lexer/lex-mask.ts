/**
 * Which tokens an automaton allows from one of its states: those that stay inside the word, and those that leave it, sorted by
 * what they have behind the closing quote. Kept with the state, and so shared by all schemas that reach it.
 */
import type { Vocabulary } from "../vocabulary.ts";
import type { Lexer, LexState } from "./lexer.ts";

/** Tokens that end the word alike: the same label before the quote, the same bytes behind it. */
export interface Leaving {
  readonly label: number;
  /** Node of the vocabulary's suffixes. */
  readonly suffix: number;
  readonly tokens: readonly number[];
  /** Characters that each token adds to the word. */
  readonly chars: readonly number[];
}

/** Tokens by what they do to a word. */
export interface LexMask {
  /** A mask that this one is built upon, and the tokens of it that do not count. */
  readonly base?: LexMask;
  readonly removed: readonly number[];
  /** Tokens that stay inside, those with the smallest `needs` first. */
  readonly inside: Int32Array;
  /** Characters that each of them takes up at the least, with those that must follow. */
  readonly needs: Uint16Array;
  /** The same tokens as a mask, where there are many. */
  readonly bits: Uint32Array | undefined;
  /** By label, then by suffix. */
  readonly leaving: ReadonlyMap<number, ReadonlyMap<number, Leaving>>;
}

const quote = 34;
/** More tokens than this are kept as a mask too. */
const fewTokens = 256;

/**
 * The mask of a state for the tokens below a node of the trie; `counted` when characters are limited, so that `needs` must
 * be right.
 */
export function lexMask(
  vocabulary: Vocabulary,
  lexer: Lexer,
  state: LexState,
  node: number,
  counted: boolean,
): LexMask {
  const key = counted ? node : -1 - node;
  state.masks ??= new Map();
  let found = state.masks.get(key) as LexMask | undefined;
  if (!found) {
    const base = counted ? undefined : baseOf(lexer, state);
    found = base
      ? new Build(vocabulary, lexer, counted).differing(state, base, node)
      : counted || !state.masks.has(node)
        ? new Build(vocabulary, lexer, counted).whole(state, node)
        : (state.masks.get(node) as LexMask);
    state.masks.set(key, found);
  }
  return found;
}

/**
 * The state that most characters lead to, if it leads to itself: "anything but these words" differs from "anything" along
 * those words alone, and so does its mask.
 */
function baseOf(lexer: Lexer, state: LexState): LexState | undefined {
  if (!state.whole) return undefined;
  const { regexes } = lexer;
  const next = regexes.derive(state.regex, rareCharacter);
  if (next === regexes.none || next === state.regex || regexes.derive(next, rareCharacter) !== next) return undefined;
  return lexer.start(next);
}

/** A character that no schema mentions. */
const rareCharacter = 0x10fff0;

/** One mask while it is built. */
class Build {
  #count = 0;
  readonly leaving = new Map<number, Map<number, Leaving>>();
  readonly removed: number[] = [];

  constructor(
    readonly vocabulary: Vocabulary,
    readonly lexer: Lexer,
    readonly counted: boolean,
  ) {}

  /** Every token below a node. */
  whole(state: LexState, node: number): LexMask {
    this.#walk(node, state, 0);
    return this.#finish();
  }

  /** What differs from the mask of another state. */
  differing(state: LexState, from: LexState, node: number): LexMask {
    const base = lexMask(this.vocabulary, this.lexer, from, node, false);
    this.#differ(node, state, from, 0);
    return this.#finish(base);
  }

  #leave(node: number, label: number, suffix: number, chars: number): void {
    const { size, token, bytes } = this.vocabulary.trie;
    for (let id = token[node]!; id >= 0; id = this.vocabulary.sameBytes[id]!) {
      let bySuffix = this.leaving.get(label);
      if (!bySuffix) {
        bySuffix = new Map();
        this.leaving.set(label, bySuffix);
      }
      let group = bySuffix.get(suffix);
      if (!group) {
        group = { label, suffix, tokens: [], chars: [] };
        bySuffix.set(suffix, group);
      }
      (group.tokens as number[]).push(id);
      (group.chars as number[]).push(chars);
    }
    const end = node + size[node]!;
    for (let child = node + 1; child < end; child += size[child]!)
      this.#leave(child, label, this.vocabulary.suffixChild(suffix, bytes[child]!), chars);
  }

  #remove(node: number): void {
    const { size, token } = this.vocabulary.trie;
    for (let at = node; at < node + size[node]!; at++)
      for (let id = token[at]!; id >= 0; id = this.vocabulary.sameBytes[id]!) this.removed.push(id);
  }

  #walk(node: number, state: LexState, chars: number): void {
    const { size, token, bytes } = this.vocabulary.trie;
    const { lexer } = this;
    const end = node + size[node]!;
    for (let child = node + 1; child < end; child += size[child]!) {
      const byte = bytes[child]!;
      if (byte === quote && lexer.json && state.whole) {
        if (state.label >= 0) this.#leave(child, state.label, 0, chars);
        continue;
      }
      const next = lexer.step(state, byte);
      if (!next) continue;
      const now = next.whole ? chars + 1 : chars;
      this.#add(token[child]!, this.counted ? now + next.least : 0);
      if (size[child]! > 1) this.#walk(child, next, now);
    }
  }

  #add(token: number, need: number): void {
    const { inside, needs } = this.vocabulary.scratch;
    for (let id = token; id >= 0; id = this.vocabulary.sameBytes[id]!) {
      inside[this.#count] = id;
      needs[this.#count++] = Math.min(need, 65_535);
    }
  }

  #differ(node: number, state: LexState, from: LexState, chars: number): void {
    const { size, token, bytes } = this.vocabulary.trie;
    const { lexer } = this;
    const end = node + size[node]!;
    for (let child = node + 1; child < end; child += size[child]!) {
      const byte = bytes[child]!;
      if (byte === quote && lexer.json && state.whole) {
        if (state.label === from.label) continue;
        if (from.label >= 0) this.#remove(child);
        if (state.label >= 0) this.#leave(child, state.label, 0, chars);
        continue;
      }
      const next = lexer.step(state, byte);
      const other = lexer.step(from, byte);
      if (next === other) continue;
      if (!next) this.#remove(child);
      else {
        const now = next.whole ? chars + 1 : chars;
        if (!other) {
          this.#add(token[child]!, 0);
          this.#walk(child, next, now);
        } else if (size[child]! > 1) this.#differ(child, next, other, now);
      }
    }
  }

  #finish(base?: LexMask): LexMask {
    const { leaving, removed, vocabulary } = this;
    const inside = vocabulary.scratch.inside.subarray(0, this.#count);
    const needs = vocabulary.scratch.needs.subarray(0, this.#count);
    let bits: Uint32Array | undefined;
    if (inside.length > fewTokens) {
      bits = new Uint32Array(vocabulary.words);
      for (const id of inside) bits[id >>> 5]! |= 1 << (id & 31);
    }
    if (!this.counted)
      return { base, removed, inside: bits ? noTokens : inside.slice(), needs: noNeeds, bits, leaving };
    return { base, removed, ...sortByNeed(inside, needs), bits, leaving };
  }
}

const noTokens = new Int32Array(0);
const noNeeds = new Uint16Array(0);

/** Tokens in increasing order of their needs. */
function sortByNeed(inside: Int32Array, needs: Uint16Array): { inside: Int32Array; needs: Uint16Array } {
  let most = 0;
  for (const need of needs) most = Math.max(most, need);
  const starts = new Int32Array(most + 2);
  for (const need of needs) starts[need + 1]!++;
  for (let i = 1; i < starts.length; i++) starts[i]! += starts[i - 1]!;
  const out = { inside: new Int32Array(inside.length), needs: new Uint16Array(inside.length) };
  for (let i = 0; i < inside.length; i++) {
    const to = starts[needs[i]!]!++;
    out.inside[to] = inside[i]!;
    out.needs[to] = needs[i]!;
  }
  return out;
}

/** Adds the tokens that stay inside a word of which at most `atMost` characters may come. */
export function addInside({ inside, needs, bits }: LexMask, atMost: number, mask: Uint32Array): void {
  const { length } = inside;
  if (atMost === Infinity || length === 0 || needs[length - 1]! <= atMost) {
    if (bits) for (let i = 0; i < bits.length; i++) mask[i]! |= bits[i]!;
    else for (const id of inside) mask[id >>> 5]! |= 1 << (id & 31);
    return;
  }
  let end = length;
  for (let low = 0; low < end; ) {
    const middle = (low + end) >> 1;
    if (needs[middle]! <= atMost) low = middle + 1;
    else end = middle;
  }
  if (!bits || end * 2 < length) {
    for (let i = 0; i < end; i++) {
      const id = inside[i]!;
      mask[id >>> 5]! |= 1 << (id & 31);
    }
    return;
  }
  // tokens of one word stand nowhere else in the mask, so they can be taken out again
  for (let i = 0; i < bits.length; i++) mask[i]! |= bits[i]!;
  for (let i = end; i < length; i++) {
    const id = inside[i]!;
    mask[id >>> 5]! &= ~(1 << (id & 31));
  }
}

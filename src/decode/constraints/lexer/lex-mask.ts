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

/** The mask of a state for the tokens below a node of the trie. */
export function lexMask(vocabulary: Vocabulary, lexer: Lexer, state: LexState, node: number): LexMask {
  let found = state.masks.get(node) as LexMask | undefined;
  if (!found) {
    found = build(vocabulary, lexer, state, node);
    state.masks.set(node, found);
  }
  return found;
}

function build(vocabulary: Vocabulary, lexer: Lexer, from: LexState, root: number): LexMask {
  const { bytes, size, token } = vocabulary.trie;
  const { sameBytes } = vocabulary;
  const inside: number[] = [];
  const needs: number[] = [];
  const leaving = new Map<number, Map<number, Leaving>>();

  const leave = (node: number, label: number, suffix: number, chars: number): void => {
    for (let id = token[node]!; id >= 0; id = sameBytes[id]!) {
      let bySuffix = leaving.get(label);
      if (!bySuffix) {
        bySuffix = new Map();
        leaving.set(label, bySuffix);
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
      leave(child, label, vocabulary.suffixChild(suffix, bytes[child]!), chars);
  };

  const walk = (node: number, state: LexState, chars: number): void => {
    const end = node + size[node]!;
    for (let child = node + 1; child < end; child += size[child]!) {
      const byte = bytes[child]!;
      if (byte === quote && lexer.json && state.whole) {
        if (state.label >= 0) leave(child, state.label, 0, chars);
        continue;
      }
      let next = state.next[byte];
      if (next === undefined) next = lexer.step(state, byte);
      if (!next) continue;
      const now = next.whole ? chars + 1 : chars;
      for (let id = token[child]!; id >= 0; id = sameBytes[id]!) {
        inside.push(id);
        needs.push(Math.min(65_535, now + next.least));
      }
      if (size[child]! > 1) walk(child, next, now);
    }
  };
  walk(root, from, 0);
  return finish(vocabulary, inside, needs, leaving);
}

function finish(vocabulary: Vocabulary, inside: number[], needs: number[], leaving: LexMask["leaving"]): LexMask {
  const order = countingOrder(needs);
  const tokens = new Int32Array(inside.length);
  const sorted = new Uint16Array(inside.length);
  order.forEach((from, to) => {
    tokens[to] = inside[from]!;
    sorted[to] = needs[from]!;
  });
  let bits: Uint32Array | undefined;
  if (tokens.length > fewTokens) {
    bits = new Uint32Array(vocabulary.words);
    for (const id of tokens) bits[id >>> 5]! |= 1 << (id & 31);
  }
  return { inside: tokens, needs: sorted, bits, leaving };
}

/** Places of numbers in increasing order. */
function countingOrder(values: readonly number[]): Int32Array {
  let most = 0;
  for (const value of values) most = Math.max(most, value);
  const starts = new Int32Array(most + 2);
  for (const value of values) starts[value + 1]!++;
  for (let i = 1; i < starts.length; i++) starts[i]! += starts[i - 1]!;
  const order = new Int32Array(values.length);
  values.forEach((value, i) => {
    order[starts[value]!++] = i;
  });
  return order;
}

/** Adds the tokens that stay inside a word of which at most `atMost` characters may come. */
export function addInside({ inside, needs, bits }: LexMask, atMost: number, mask: Uint32Array): void {
  const { length } = inside;
  const all = length === 0 || needs[length - 1]! <= atMost;
  let end = length;
  if (!all) {
    let low = 0;
    while (low < end) {
      const middle = (low + end) >> 1;
      if (needs[middle]! <= atMost) low = middle + 1;
      else end = middle;
    }
  }
  if (!bits || end * 2 < length) {
    for (let i = 0; i < end; i++) {
      const id = inside[i]!;
      mask[id >>> 5]! |= 1 << (id & 31);
    }
    return;
  }
  // what the loop below takes out was in the mask before only if it came from elsewhere, which a word never shares
  for (let i = 0; i < bits.length; i++) mask[i]! |= bits[i]!;
  for (let i = end; i < length; i++) {
    const id = inside[i]!;
    mask[id >>> 5]! &= ~(1 << (id & 31));
  }
}

/**
 * Token masks of positions: one walk over the token trie, in which the insides of words cost nothing because their automaton's
 * states know their tokens. Knows positions and vocabularies, and no grammar.
 */
import type { TokenMask } from "./constraint.ts";
import { addInside, type LexMask, lexMask } from "./lexer/lex-mask.ts";
import { inexact, type Lexical, type Position, Tape } from "./position.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** Suffixes behind a quote that a position allows, and those that it cannot judge without the text before. */
interface Suffixes {
  readonly allowed: readonly number[];
  readonly unknown: readonly number[];
}

/** How many masks are kept. */
const keptMasks = 64;

/** Builds masks for one vocabulary. */
export class MaskBuilder {
  readonly #suffixes = new WeakMap<Position, Suffixes>();
  readonly #masks = new Map<Position, Uint32Array>();

  constructor(readonly vocabulary: Vocabulary) {}

  /** Overwrites a mask with the tokens that may follow a position; the tape holds the text before it. */
  fill(position: Position, mask: TokenMask, tape: Tape): void {
    const kept = position.lasting ? this.#masks.get(position) : undefined;
    if (kept) {
      mask.set(kept);
      return;
    }
    mask.fill(0);
    this.#walk(position, 0, mask, tape, tape.length);
    if (position.complete) for (const id of this.vocabulary.endTokens) mask[id >>> 5]! |= 1 << (id & 31);
    if (!position.lasting) return;
    if (this.#masks.size >= keptMasks) this.#masks.delete(this.#masks.keys().next().value!);
    this.#masks.set(position, mask.slice());
  }

  #walk(position: Position, node: number, mask: Uint32Array, tape: Tape, start: number): void {
    const { lexical } = position;
    if (lexical) {
      this.#addWord(position, lexical, node, mask, tape, start);
      return;
    }
    const { trie, sameBytes } = this.vocabulary;
    const { bytes, size, token } = trie;
    const end = node + size[node]!;
    for (let child = node + 1; child < end; child += size[child]!) {
      const byte = bytes[child]!;
      tape.put(byte);
      const next = position.step(byte, tape);
      if (!next) continue;
      for (let id = token[child]!; id >= 0; id = sameBytes[id]!) mask[id >>> 5]! |= 1 << (id & 31);
      if (size[child]! > 1) {
        tape.length++;
        this.#walk(next, child, mask, tape, start);
        tape.length--;
      }
    }
  }

  #addWord(position: Position, word: Lexical, node: number, mask: Uint32Array, tape: Tape, start: number): void {
    const depth = tape.length - start;
    const counted = word.atMost < Infinity || word.atLeast > 0;
    this.#addLexMask(
      position,
      word,
      lexMask(this.vocabulary, word.lexer, word.state, node, counted),
      depth,
      mask,
      tape,
    );
  }

  #addLexMask(position: Position, word: Lexical, found: LexMask, depth: number, mask: Uint32Array, tape: Tape): void {
    const { atMost, atLeast } = word;
    if (found.base) {
      this.#addLexMask(position, word, found.base, depth, mask, tape);
      for (const id of found.removed) mask[id >>> 5]! &= ~(1 << (id & 31));
    }
    addInside(found, atMost, mask);
    for (const [label, groups] of found.leaving) {
      const next = label === word.exactLabel ? inexact : word.close(label);
      if (!next) continue;
      if (next === inexact) {
        for (const { tokens } of groups.values()) this.#tryEach(position, tokens, depth, mask, tape);
        continue;
      }
      const { allowed, unknown } = this.#suffixesOf(next);
      for (const suffix of allowed) {
        const group = groups.get(suffix);
        if (!group) continue;
        const { tokens, chars } = group;
        for (let i = 0; i < tokens.length; i++) {
          if (chars[i]! > atMost || chars[i]! < atLeast) continue;
          const id = tokens[i]!;
          mask[id >>> 5]! |= 1 << (id & 31);
        }
      }
      for (const suffix of unknown) {
        const group = groups.get(suffix);
        if (group) this.#tryEach(position, group.tokens, depth, mask, tape);
      }
    }
  }

  /** Judges tokens one by one, of which the first `depth` bytes are written already. */
  #tryEach(position: Position, tokens: readonly number[], depth: number, mask: Uint32Array, tape: Tape): void {
    for (const id of tokens)
      if (this.run(position, this.vocabulary.bytesOf(id)!, depth, tape)) mask[id >>> 5]! |= 1 << (id & 31);
  }

  /** The position behind bytes from place `from` on; null when they may not come. The tape is left as it was. */
  run(position: Position, bytes: Uint8Array, from: number, tape: Tape): Position | null {
    const before = tape.length;
    let at: Position | null = position;
    for (let i = from; i < bytes.length && at; i++) {
      tape.put(bytes[i]!);
      at = at.step(bytes[i]!, tape);
      tape.length++;
    }
    tape.length = before;
    return at;
  }

  #suffixesOf(position: Position): Suffixes {
    let found = this.#suffixes.get(position);
    if (!found) {
      const allowed = [0];
      const unknown: number[] = [];
      const { bytes, size } = this.vocabulary.suffixes;
      const tape = new Tape(false);
      const walk = (at: Position, node: number): void => {
        const end = node + size[node]!;
        for (let child = node + 1; child < end; child += size[child]!) {
          tape.put(bytes[child]!);
          const next = at.step(bytes[child]!, tape);
          if (!next) continue;
          if (next === inexact) {
            for (let below = child; below < child + size[child]!; below++) unknown.push(below);
            continue;
          }
          allowed.push(child);
          if (size[child]! > 1) {
            tape.length++;
            walk(next, child);
            tape.length--;
          }
        }
      };
      walk(position, 0);
      found = { allowed, unknown };
      this.#suffixes.set(position, found);
    }
    return found;
  }
}

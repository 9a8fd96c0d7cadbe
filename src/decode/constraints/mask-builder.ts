/**
 * Token masks of positions: one walk over the token trie, in which the insides of words cost nothing because their automaton's
 * states know their tokens; places that come back keep their mask. Knows positions and vocabularies, and no grammar.
 */
import type { TokenMask } from "./constraint.ts";
import { addInside, type LexMask, lexMask } from "./lexer/lex-mask.ts";
import { Patience } from "./patience.ts";
import { inexact, type Keeper, type Lexical, type Position, Tape } from "./position.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** Suffixes behind a quote that a position allows, and those that it cannot judge without the text before. */
interface Suffixes {
  readonly allowed: readonly number[];
  readonly unknown: readonly number[];
}

/** A mask as its differences from a shared one, or from the empty one. */
interface KeptMask {
  readonly base: Uint32Array | undefined;
  readonly at: Uint32Array;
  readonly words: Uint32Array;
  readonly hash: number;
  /** Places that have it. */
  users: number;
}

function sameMask(a: KeptMask, b: KeptMask): boolean {
  if (a.base !== b.base || a.at.length !== b.at.length) return false;
  for (let i = 0; i < a.at.length; i++) if (a.at[i] !== b.at[i] || a.words[i] !== b.words[i]) return false;
  return true;
}

/** What a builder keeps with a place. Places that all texts share, such as the end, serve builders of several vocabularies. */
class PlaceMemory {
  mask: KeptMask | undefined;
  suffixes: Suffixes | undefined;

  constructor(readonly owner: MaskBuilder) {}
}

/** Bytes of masks that are kept; the oldest give way. */
const maxKeptBytes = 1 << 26;

/** Builds masks for one vocabulary. */
export class MaskBuilder {
  /** Places with a mask, oldest first from `#oldest` on. */
  #keepers: Keeper[] = [];
  #oldest = 0;
  #keptBytes = 0;
  /** Kept masks by a hash of what they are: many places have the same. */
  readonly #known = new Map<number, KeptMask>();
  /** The shared mask that most of the current one comes from. */
  #base: Uint32Array | undefined;

  /**
   * @param patience the patience with the call that masks are built for.
   * @param walks builds every mask by a walk over the whole trie, and keeps none.
   */
  constructor(
    readonly vocabulary: Vocabulary,
    readonly patience = new Patience(),
    readonly walks = false,
  ) {}

  #memoryOf(keeper: Keeper): PlaceMemory {
    let memory = keeper.memory as PlaceMemory | undefined;
    if (memory?.owner !== this) {
      memory = new PlaceMemory(this);
      keeper.memory = memory;
    }
    return memory;
  }

  /** Overwrites a mask with the tokens that may follow a position; the tape holds the text before it. */
  fill(position: Position, mask: TokenMask, tape: Tape): void {
    const { keeper } = position;
    const kept = keeper && this.#memoryOf(keeper).mask;
    if (kept) {
      const { base, at, words } = kept;
      if (base) mask.set(base);
      else mask.fill(0);
      for (let i = 0; i < at.length; i++) mask[at[i]!] = words[i]!;
      return;
    }
    mask.fill(0);
    this.#base = undefined;
    this.#walk(position, 0, mask, tape, tape.length);
    if (position.complete) for (const id of this.vocabulary.endTokens) mask[id >>> 5]! |= 1 << (id & 31);
    if (keeper && !this.walks) this.#keep(keeper, mask);
  }

  #keep(keeper: Keeper, mask: TokenMask): void {
    const base = this.#base;
    let count = 0;
    for (let i = 0; i < mask.length; i++) if (mask[i] !== (base ? base[i] : 0)) count++;
    const at = new Uint32Array(count);
    const words = new Uint32Array(count);
    let hash = count;
    for (let i = 0, to = 0; to < count; i++)
      if (mask[i] !== (base ? base[i] : 0)) {
        at[to] = i;
        words[to++] = mask[i]!;
        hash = Math.imul(hash ^ i, 0x01000193) ^ Math.imul(mask[i]!, 0x9e3779b1);
      }
    let kept: KeptMask = { base, at, words, hash, users: 0 };
    const known = this.#known.get(hash);
    if (known && sameMask(known, kept)) kept = known;
    else {
      if (!known) this.#known.set(hash, kept);
      this.#keptBytes += 8 * count;
    }
    kept.users++;
    this.#memoryOf(keeper).mask = kept;
    this.#keepers.push(keeper);
    this.#keptBytes += overhead;
    while (this.#keptBytes > maxKeptBytes && this.#oldest < this.#keepers.length) this.#dropOldest();
    if (this.#oldest > 4096 && this.#oldest * 2 > this.#keepers.length) {
      this.#keepers = this.#keepers.slice(this.#oldest);
      this.#oldest = 0;
    }
  }

  #dropOldest(): void {
    const memory = this.#memoryOf(this.#keepers[this.#oldest++]!);
    const { mask } = memory;
    memory.mask = undefined;
    this.#keptBytes -= overhead;
    if (!mask || --mask.users > 0) return;
    this.#keptBytes -= 8 * mask.at.length;
    if (this.#known.get(mask.hash) === mask) this.#known.delete(mask.hash);
  }

  /** Forgets all masks, so that the places they belong to can be freed. */
  forget(): void {
    for (let i = this.#oldest; i < this.#keepers.length; i++) this.#memoryOf(this.#keepers[i]!).mask = undefined;
    this.#keepers = [];
    this.#oldest = 0;
    this.#keptBytes = 0;
    this.#known.clear();
  }

  #walk(position: Position, node: number, mask: Uint32Array, tape: Tape, start: number): void {
    const { lexical } = position;
    this.patience.spend();
    if (lexical && !this.walks) {
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
    const found = lexMask(this.vocabulary, word.lexer, word.state, node, counted);
    if (node === 0) this.#base = found.base?.bits ?? found.bits;
    this.#addLexMask(position, word, found, depth, mask, tape);
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
      this.patience.spend();
      tape.put(bytes[i]!);
      at = at.step(bytes[i]!, tape);
      tape.length++;
    }
    tape.length = before;
    return at;
  }

  #suffixesOf(position: Position): Suffixes {
    const { keeper } = position;
    if (!keeper) return this.#findSuffixes(position);
    const memory = this.#memoryOf(keeper);
    memory.suffixes ??= this.#findSuffixes(position);
    return memory.suffixes;
  }

  #findSuffixes(position: Position): Suffixes {
    const allowed = [0];
    const unknown: number[] = [];
    const { bytes, size } = this.vocabulary.suffixes;
    const tape = new Tape(false);
    const walk = (at: Position, node: number): void => {
      this.patience.spend();
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
    return { allowed, unknown };
  }
}

/** Bytes of a kept mask beside its words, roughly. */
const overhead = 200;

/**
 * A {@link Constraint} over any kind of positions: tokens taken and taken back, masks, forced tokens, ends. Knows nothing of
 * what the positions mean.
 */
import { fail } from "../../util/index.ts";
import type { Constraint, TokenMask } from "./constraint.ts";
import type { MaskBuilder } from "./mask-builder.ts";
import type { Patience } from "./patience.ts";
import { finished, type Position, Tape } from "./position.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** Longest text that is forced at once, and that is suggested, in bytes. */
const maxForced = 4096;
const maxSuggested = 64;
/** Tokens that might join the end of forced ones with what is open, of which so many are tried. */
const mostSpanning = 16;
/** Longest completion, in bytes. */
const maxCompletion = 1 << 20;

/** See the top of the file. */
export class TokenConstraint implements Constraint {
  /** Positions behind each token, the first before any. */
  readonly #positions: Position[];
  /** Bytes of the text behind each token. */
  readonly #lengths: number[];
  readonly #tape: Tape;
  #ended = false;

  constructor(
    readonly builder: MaskBuilder,
    start: Position,
  ) {
    this.#positions = [start];
    this.#lengths = [0];
    this.#tape = new Tape();
  }

  /** The tokens that masks are made of. */
  get vocabulary(): Vocabulary {
    return this.builder.vocabulary;
  }

  /** The patience with the call that is being answered. */
  get patience(): Patience {
    return this.builder.patience;
  }

  /** Number of token ids. */
  get vocabSize(): number {
    return this.vocabulary.size;
  }

  /** Tokens accepted since the start. */
  get length(): number {
    return this.#positions.length - 1;
  }

  get #position(): Position {
    return this.#positions[this.#positions.length - 1]!;
  }

  /** Overwrites a mask with the tokens allowed next. */
  mask(mask: TokenMask): void {
    if (mask.length !== this.vocabulary.words)
      fail(
        "argument",
        `a mask of ${mask.length} words does not fit ${this.vocabSize} tokens: make it ${this.vocabulary.words}`,
      );
    this.patience.begin();
    if (this.#ended) mask.fill(0);
    else this.builder.fill(this.#position, mask, this.#tape);
  }

  #after(token: number): Position | null {
    this.patience.begin();
    if (this.#ended) return null;
    if (this.vocabulary.endTokens.includes(token)) return this.#position.complete ? finished : null;
    const bytes = this.vocabulary.bytesOf(token);
    return bytes ? this.builder.run(this.#position, bytes, 0, this.#tape) : null;
  }

  /** Whether this one token is allowed next. */
  allows(token: number): boolean {
    return this.#after(token) !== null;
  }

  /** Takes a token. */
  advance(token: number): boolean {
    const next = this.#after(token);
    if (!next) return false;
    const tape = this.#tape;
    if (this.vocabulary.endTokens.includes(token)) this.#ended = true;
    else
      for (const byte of this.vocabulary.bytesOf(token)!) {
        tape.put(byte);
        tape.length++;
      }
    this.#positions.push(next);
    this.#lengths.push(tape.length);
    return true;
  }

  /** Takes back the last `count` tokens. */
  rollback(count: number): void {
    if (!(count >= 0 && count <= this.length && Number.isInteger(count)))
      fail("argument", `cannot take back ${count} of ${this.length} tokens`);
    if (count === 0) return;
    this.#ended = false;
    this.#positions.length -= count;
    this.#lengths.length -= count;
    this.#tape.length = this.#lengths[this.#lengths.length - 1]!;
  }

  /** Whether the text may end here. */
  isComplete(): boolean {
    return !this.#ended && this.#position.complete;
  }

  /** Tokens that must come next, in the tokenizer's own spelling. */
  forced(): readonly number[] {
    return this.#ahead(maxForced, () => undefined);
  }

  /** Tokens that are likely to come next, in the tokenizer's own spelling: what is forced, and the next name that a schema declares. */
  suggested(): readonly number[] {
    return this.#ahead(maxSuggested, (at) => at.suggest?.(this.#tape));
  }

  /** Tokens of a way ahead: bytes that are suggested, and those without an alternative. */
  #ahead(most: number, suggest: (at: Position) => ArrayLike<number> | undefined): readonly number[] {
    this.patience.begin();
    if (this.#ended) return [];
    const tape = this.#tape;
    const start = tape.length;
    const bytes: number[] = [];
    let at = this.#position;
    while (!at.complete && bytes.length < most) {
      this.patience.spend();
      let next: ArrayLike<number> = suggest(at) ?? [];
      if (!next.length) {
        const byte = this.#onlyByte(at);
        if (byte < 0) break;
        next = [byte];
      }
      for (let i = 0; i < next.length; i++) {
        tape.put(next[i]!);
        at = at.step(next[i]!, tape) ?? fail("internal", "a way ahead is forbidden by the constraint that knows it");
        tape.length++;
        bytes.push(next[i]!);
      }
    }
    const tokens = bytes.length ? this.#cutAhead(Uint8Array.from(bytes), at) : [];
    tape.length = start;
    return tokens;
  }

  #onlyByte(position: Position): number {
    const word = position.lexical;
    if (word) {
      const only = word.lexer.onlyByte(word.state);
      if (only !== -2) return word.atMost === Infinity || only >= 0 ? only : this.#search(position);
      return word.lexer.json ? 34 : -1;
    }
    return this.#search(position);
  }

  #search(position: Position): number {
    let only = -1;
    for (let byte = 0; byte < 256; byte++) {
      this.#tape.put(byte);
      if (!position.step(byte, this.#tape)) continue;
      if (only >= 0) return -1;
      only = byte;
    }
    return only;
  }

  /**
   * Bytes as tokens, without those at the end that the tokenizer might join with what is still open: where a token that begins in
   * the tail, reaches past the end and is allowed would be its own spelling. The tape holds the bytes.
   * @param at the position behind the bytes
   */
  #cutAhead(bytes: Uint8Array, at: Position): readonly number[] {
    // a character that is cut in two cannot be spelled yet
    let end = bytes.length;
    while (end > 0 && end > bytes.length - 4 && !isWholeText(bytes.subarray(0, end))) end--;
    const tokens = this.vocabulary.tokensOf(bytes.subarray(0, end));
    const ends: number[] = [];
    for (const token of tokens) ends.push((ends.at(-1) ?? 0) + this.vocabulary.bytesOf(token)!.length);
    let kept = tokens.length;
    for (let i = tokens.length - 1; i >= 0 && i >= tokens.length - 4; i--) {
      const from = ends[i - 1] ?? 0;
      for (let inside = ends[i]! - 1; inside >= from && kept > i; inside--) {
        const spanning = this.#spanning(bytes.subarray(inside), at, inside === from ? 1 : mostSpanning);
        if (
          inside === from ? spanning.length : spanning.some((more) => !this.#startsWith(bytes, inside, more, tokens, i))
        )
          kept = i;
      }
    }
    return tokens.slice(0, kept);
  }

  /** Whether a text of bytes up to a place and a token from there on begins with the tokens up to number `last`. */
  #startsWith(bytes: Uint8Array, place: number, token: number, tokens: readonly number[], last: number): boolean {
    const more = this.vocabulary.bytesOf(token)!;
    const text = new Uint8Array(place + more.length);
    text.set(bytes.subarray(0, place));
    text.set(more, place);
    if (!isWholeText(text)) return true;
    const own = this.vocabulary.tokensOf(text);
    for (let i = 0; i <= last; i++) if (own[i] !== tokens[i]) return false;
    return true;
  }

  /** Some allowed tokens that begin with these bytes and go on behind them, at most `most`. @param at the position behind the bytes */
  #spanning(tail: Uint8Array, at: Position, most: number): readonly number[] {
    const { bytes, size, token } = this.vocabulary.trie;
    let node = 0;
    for (const byte of tail) {
      const end = node + size[node]!;
      let child = node + 1;
      while (child < end && bytes[child] !== byte) child += size[child]!;
      if (child >= end) return [];
      node = child;
    }
    const tape = this.#tape;
    const found: number[] = [];
    const walk = (from: Position, below: number): void => {
      this.patience.spend();
      const end = below + size[below]!;
      for (let child = below + 1; child < end && found.length < most; child += size[child]!) {
        tape.put(bytes[child]!);
        const next = from.step(bytes[child]!, tape);
        if (!next) continue;
        if (token[child]! >= 0) found.push(token[child]!);
        tape.length++;
        walk(next, child);
        tape.length--;
      }
    };
    walk(at, node);
    return found;
  }

  /** Tokens of a short way to a complete text. */
  shortestCompletion(): readonly number[] {
    this.patience.begin();
    if (this.#ended) return [];
    const tape = this.#tape;
    const start = tape.length;
    let at = this.#position;
    while (!at.complete) {
      this.patience.spend();
      const bytes = at.finish();
      if (!bytes.length || tape.length - start > maxCompletion)
        fail("internal", "a constraint has no way to end the text");
      for (let i = 0; i < bytes.length; i++) {
        this.patience.spend();
        tape.put(bytes[i]!);
        at = at.step(bytes[i]!, tape) ?? fail("internal", "a constraint's own completion is not allowed by it");
        tape.length++;
      }
    }
    const text = tape.bytes.slice(start, tape.length);
    tape.length = start;
    return this.vocabulary.tokensOf(text);
  }

  /** An independent copy of this state. */
  clone(): TokenConstraint {
    const copy = new TokenConstraint(this.builder, this.#positions[0]!);
    copy.#positions.push(...this.#positions.slice(1));
    copy.#lengths.push(...this.#lengths.slice(1));
    copy.#tape.bytes = this.#tape.bytes.slice();
    copy.#tape.length = this.#tape.length;
    copy.#ended = this.#ended;
    return copy;
  }
}

function isWholeText(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

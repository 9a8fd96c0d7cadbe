/**
 * Monitors as a {@link Constraint}: one text and the states of all monitors that watch it. Knows nothing of what they look for.
 */
import { fail } from "../../../util/index.ts";
import type { Constraint, TokenMask } from "../constraint.ts";
import type { Vocabulary } from "../vocabulary.ts";
import type { Monitor, MonitoredText, MonitorState } from "./monitor.ts";

/** A text behind a number of tokens. */
interface Place {
  readonly text: string;
  /** Bytes of a character that is not complete. */
  readonly pending: Uint8Array;
  readonly states: readonly MonitorState[];
  /** The states that count here, found out when needed. */
  effective?: readonly MonitorState[];
}

/** Where the text stands in its file. */
export interface MonitoredPlace {
  /** The file up to the beginning of what is generated; more than the prompt holds, where that was cut. */
  readonly before: string;
  /** The file behind what is generated. Default: nothing. */
  readonly after?: string;
}

const nothing = new Uint8Array();

/** How many bytes at the end begin a character without completing it. */
function incompleteTail(bytes: Uint8Array): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back]!;
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? back : 0;
  }
  return 0;
}

/**
 * A text under monitors. Where none of them limits it, everything may come, the end included; none ever ends a text, and a text
 * that runs out of room is cut as it would be without them. Where two leave nothing between them, the earlier one decides.
 */
export class MonitorConstraint implements Constraint {
  readonly #vocabulary: Vocabulary;
  readonly #after: string;
  readonly #places: Place[];
  #ended = false;

  private constructor(vocabulary: Vocabulary, after: string, places: readonly Place[]) {
    this.#vocabulary = vocabulary;
    this.#after = after;
    this.#places = [...places];
  }

  /** Begins a text. @throws `argument` without monitors. */
  static start(
    vocabulary: Vocabulary,
    monitors: readonly Monitor[],
    { before, after = "" }: MonitoredPlace,
  ): MonitorConstraint {
    if (!monitors.length) fail("argument", "there is no monitor; give one at least");
    const text: MonitoredText = { text: before, after, from: 0 };
    const states = monitors.map((monitor) => monitor.start(text));
    return new MonitorConstraint(vocabulary, after, [{ text: before, pending: nothing, states }]);
  }

  /** Number of token ids. */
  get vocabSize(): number {
    return this.#vocabulary.size;
  }

  /** Tokens accepted since the start. */
  get length(): number {
    return this.#places.length - 1;
  }

  /** The file up to the cursor. */
  get text(): string {
    return this.#place.text;
  }

  get #place(): Place {
    return this.#places[this.#places.length - 1]!;
  }

  /** States that limit the next token, without those that would leave nothing. */
  #effective(): readonly MonitorState[] {
    const place = this.#place;
    if (place.effective) return place.effective;
    let limiting = place.states.filter(({ limits }) => limits);
    if (limiting.length > 1) {
      let left: TokenMask = new Uint32Array(this.#vocabulary.words).fill(0xffffffff);
      limiting = limiting.filter((state) => {
        const tried = left.slice();
        state.restrict(tried);
        if (tried.every((word) => word === 0)) return false;
        left = tried;
        return true;
      });
    }
    place.effective = limiting;
    return limiting;
  }

  /** Overwrites a mask with the tokens allowed next. */
  mask(mask: TokenMask): void {
    const { words, size, endTokens } = this.#vocabulary;
    if (mask.length !== words)
      fail("argument", `a mask of ${mask.length} words does not fit ${size} tokens: make it ${words}`);
    mask.fill(this.#ended ? 0 : 0xffffffff);
    if (this.#ended) return;
    if (size & 31) mask[words - 1] = 2 ** (size & 31) - 1;
    const states = this.#effective();
    for (const state of states) state.restrict(mask);
    if (!this.isComplete()) for (const id of endTokens) mask[id >>> 5]! &= ~(1 << (id & 31));
  }

  /** Whether this one token is allowed next. */
  allows(token: number): boolean {
    if (this.#ended || !(token >= 0 && token < this.vocabSize)) return false;
    if (this.#vocabulary.endTokens.includes(token)) return this.isComplete();
    const bytes = this.#vocabulary.bytesOf(token) ?? nothing;
    return this.#effective().every((state) => state.allows(bytes));
  }

  /** Takes a token. */
  advance(token: number): boolean {
    if (!this.allows(token)) return false;
    const place = this.#place;
    if (this.#vocabulary.endTokens.includes(token)) {
      this.#ended = true;
      this.#places.push(place);
      return true;
    }
    const bytes = this.#vocabulary.bytesOf(token) ?? nothing;
    const all = new Uint8Array(place.pending.length + bytes.length);
    all.set(place.pending);
    all.set(bytes, place.pending.length);
    const end = all.length - incompleteTail(all);
    const piece = new TextDecoder("utf-8", { ignoreBOM: true }).decode(all.subarray(0, end));
    const text: MonitoredText = { text: place.text + piece, after: this.#after, from: place.text.length };
    this.#places.push({
      text: text.text,
      pending: end < all.length ? all.slice(end) : nothing,
      states: place.states.map((state) => state.after(bytes, text)),
    });
    return true;
  }

  /** Takes back the last `count` tokens. */
  rollback(count: number): void {
    if (!(count >= 0 && count <= this.length && Number.isInteger(count)))
      fail("argument", `cannot take back ${count} of ${this.length} tokens`);
    if (count === 0) return;
    this.#ended = false;
    this.#places.length -= count;
  }

  /** Whether the text may end here: nothing is being written that must be finished first. */
  isComplete(): boolean {
    return !this.#ended && this.#effective().every(({ allowsEnd }) => allowsEnd);
  }

  /** Always empty: even where one word is left, its spelling in tokens is the model's choice. */
  forced(): readonly number[] {
    return [];
  }

  /** What all names that are left begin with, in the tokenizer's own spelling: a draft that the model may spell otherwise. */
  suggested(): readonly number[] {
    for (const state of this.#ended ? [] : this.#effective()) {
      const bytes = state.suggestion();
      if (bytes) return this.#vocabulary.tokensOf(Uint8Array.from(bytes, (c) => c.charCodeAt(0)));
    }
    return [];
  }

  /** Always empty: a monitored text may be cut anywhere. */
  shortestCompletion(): readonly number[] {
    return [];
  }

  /** An independent copy of this state. */
  clone(): MonitorConstraint {
    const copy = new MonitorConstraint(this.#vocabulary, this.#after, this.#places);
    copy.#ended = this.#ended;
    return copy;
  }
}

/**
 * What a monitor is (Monitor-Guided Decoding, Agrawal et al. 2023): a state machine beside the decoder that forbids tokens while
 * something that an analyser knows is being written. Knows tokens as bytes, and no language.
 */
import type { TokenMask } from "../constraint.ts";
import type { Vocabulary } from "../vocabulary.ts";

/** A text that is being written in the middle of a file. */
export interface MonitoredText {
  /** All text before the cursor: the file up to the prompt's end, and what was generated. */
  readonly text: string;
  /** What follows the cursor in the file; analysers see it, the model does not. */
  readonly after: string;
  /** Where the last token begins in `text`; the length of `text` when that token only began a character. */
  readonly from: number;
}

/** A monitor's state for one text. Immutable, so that trees of drafts and copies of a text can share it. */
export interface MonitorState {
  /** Whether it forbids any token that is text. */
  readonly limits: boolean;
  /** Whether the text may end here. */
  readonly allowsEnd: boolean;
  /** Whether a token may come next. @param bytes its text; empty for a token that is none. */
  allows(bytes: Uint8Array): boolean;
  /** Clears the bits of tokens that may not come next. */
  restrict(mask: TokenMask): void;
  /** What must come next whatever else does, in bytes of one character each; mostly empty. */
  suggestion(): string;
  /** The state behind a token, also behind one that it would not have allowed. @param text the text with it. */
  after(bytes: Uint8Array, text: MonitoredText): MonitorState;
}

/** Watches texts. One serves many of them and keeps what they have in common. */
export interface Monitor {
  readonly name: string;
  /** The state at the beginning of a text, of which all is new. */
  start(text: MonitoredText): MonitorState;
}

/** An analysis that a monitor asked for. */
export interface MonitorTrigger {
  readonly monitor: string;
  /** Text up to the cursor at which it asked. */
  readonly text: string;
  /** What may follow, as the monitor writes it; undefined where it forbids nothing. */
  readonly legal: readonly string[] | undefined;
  /** Milliseconds of the analyser; 0 for an answer that was known. */
  readonly milliseconds: number;
  /** Whether the same text had been analysed before. */
  readonly known: boolean;
}

/** What monitors are made with. */
export interface MonitorOptions {
  /** Tokens that masks are made of. */
  readonly vocabulary: Vocabulary;
  /** Told of every analysis. */
  readonly onTrigger?: (trigger: MonitorTrigger) => void;
}

/** What a monitor did since it was made. */
export interface MonitorStatistics {
  /** Times that it needed an analysis. */
  readonly triggers: number;
  /** Those of them after which it forbade tokens. */
  readonly limited: number;
  /** Analyses that were not known yet. */
  readonly analyses: number;
  /** Milliseconds of analyses. */
  readonly analysisMs: number;
  /** Masks that were built. */
  readonly masks: number;
  /** Milliseconds of building masks. */
  readonly maskMs: number;
}

/** A map that forgets what was used least recently. */
export class RecentMap<V> {
  readonly #entries = new Map<string, V>();

  /** @param most entries that are kept. */
  constructor(readonly most: number) {}

  /** The value of a key, made when it is not there. */
  get(key: string, make: () => V): V {
    const found = this.#entries.has(key);
    const value = found ? this.#entries.get(key)! : make();
    if (found) this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size > this.most) this.#entries.delete(this.#entries.keys().next().value!);
    return value;
  }

  /** Whether a key is there. */
  has(key: string): boolean {
    return this.#entries.has(key);
  }
}

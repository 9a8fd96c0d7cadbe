/**
 * The monitor of argument counts: a call gets as many arguments as one of its signatures takes, as an analyser tells them. Knows
 * brackets and commas, and asks others what is called.
 */
import { type CodePlace, type OpenFrame, scanCode, stepPlace } from "./code-scanner.ts";
import {
  type Monitor,
  type MonitoredText,
  type MonitorOptions,
  type MonitorState,
  type MonitorStatistics,
  RecentMap,
} from "./monitor.ts";

/** How many arguments a signature takes. */
export interface Arity {
  readonly least: number;
  /** `Infinity` for signatures with a rest parameter. */
  readonly most: number;
}

/**
 * Signatures of what is called, or `undefined` (or none) where nothing is known or nothing is called.
 * @param text the whole file. @param offset where the first argument would begin, in UTF-16 code units.
 */
export type ArityAnalyser = (text: string, offset: number) => readonly Arity[] | undefined;

/** How argument counts are monitored. */
export interface ArgumentMonitorOptions extends MonitorOptions {
  readonly analyse: ArityAnalyser;
}

/** Names before a bracket that call nothing. */
const notCalled = new Set("if for while switch catch with function return typeof await of in case".split(" "));

const keptAnalyses = 4096;

/** A place in code and the text that leads there. */
interface Reading {
  readonly place: CodePlace;
  readonly text: string;
  readonly after: string;
  /** Signatures that were asked for from here, by the bracket's place. */
  readonly found: Map<number, readonly Arity[] | undefined>;
}

/** See the top of the file. */
export class ArgumentMonitor implements Monitor {
  readonly name = "arguments";
  readonly #options: ArgumentMonitorOptions;
  /** Tokens that have a comma or a closing bracket: all others are always allowed. */
  readonly #closing: readonly { readonly id: number; readonly text: string }[];
  readonly #analyses = new RecentMap<readonly Arity[] | undefined>(keptAnalyses);
  readonly #counts = { triggers: 0, limited: 0, analyses: 0, analysisMs: 0, masks: 0, maskMs: 0 };

  constructor(options: ArgumentMonitorOptions) {
    this.#options = options;
    const closing: { id: number; text: string }[] = [];
    for (let id = 0; id < options.vocabulary.size; id++) {
      const text = textOf(options.vocabulary.bytesOf(id));
      if (/[,)]/.test(text)) closing.push({ id, text });
    }
    this.#closing = closing;
  }

  /** What it did so far. */
  get statistics(): MonitorStatistics {
    return { ...this.#counts };
  }

  /** The state before a text's first token. */
  start({ text, after }: MonitoredText): MonitorState {
    return this.#state({ place: scanCode(text), text, after, found: new Map() });
  }

  #state(reading: Reading): MonitorState {
    const { place } = reading;
    return {
      // outside of all brackets a token can still hold a call from one end to the other
      limits: place.frame !== undefined || this.#callable(place),
      allowsEnd: true,
      allows: (bytes) => this.#allows(reading, textOf(bytes)),
      restrict: (mask) => {
        const started = performance.now();
        const { analysisMs } = this.#counts;
        for (const { id, text } of this.#closing)
          if ((mask[id >>> 5]! >>> (id & 31)) & 1 && !this.#allows(reading, text)) mask[id >>> 5]! &= ~(1 << (id & 31));
        this.#counts.masks++;
        this.#counts.maskMs += performance.now() - started - (this.#counts.analysisMs - analysisMs);
      },
      suggestion: () => "",
      after: (_, { text, after, from }) =>
        this.#state({ place: scanCode(text.slice(from), place), text, after, found: new Map() }),
    };
  }

  /** Whether a bracket that opened here would call something. */
  #callable({ last, word, mode }: Pick<CodePlace, "last" | "word" | "mode">): boolean {
    return mode === "code" && (word ? !notCalled.has(word) && !/^\d/.test(word) : /[)\]>!]/.test(last));
  }

  /** Whether no call gets too few arguments, or too many, in a token. */
  #allows(reading: Reading, token: string): boolean {
    if (!/[,)]/.test(token)) return true;
    let { place } = reading;
    for (let i = 0; i < token.length; i++) {
      const c = token[i]!;
      const { frame } = place;
      const inCall = place.mode === "code" && !place.half && frame?.bracket === "(";
      if (inCall && (c === "," || c === ")") && !this.#mayCome(c, frame, reading, token)) return false;
      place = stepPlace(place, c);
    }
    return true;
  }

  #mayCome(c: string, frame: OpenFrame, reading: Reading, token: string): boolean {
    if (frame.unclear || !this.#callable({ last: frame.previous, word: frame.word, mode: "code" })) return true;
    const arities = this.#arities(frame, reading, token);
    if (!arities?.length) return true;
    const count = frame.commas + (frame.empty ? 0 : 1);
    if (c === ",") return !frame.empty && arities.some(({ most }) => most > count);
    return arities.some(({ least, most }) => least <= count && count <= most);
  }

  #arities(frame: OpenFrame, reading: Reading, token: string): readonly Arity[] | undefined {
    const inside = frame.offset - reading.text.length;
    // a name that only the token would spell is not looked up: there are many, and hardly any exists
    if (inside > 0 && token.slice(0, inside).trim()) return undefined;
    const offset = Math.min(frame.offset, reading.text.length);
    if (!reading.found.has(offset)) reading.found.set(offset, this.#analysed(offset, reading));
    return reading.found.get(offset);
  }

  /** Signatures of what the bracket at a place of the text calls; behind the text, of what one there would call. */
  #analysed(offset: number, { text, after }: Reading): readonly Arity[] | undefined {
    const before = `${text.slice(0, offset)}(`;
    const key = `${before.length} ${before}${after}`;
    const known = this.#analyses.has(key);
    const started = performance.now();
    const found = this.#analyses.get(key, () => this.#options.analyse(before + after, before.length));
    const milliseconds = known ? 0 : performance.now() - started;
    const counts = this.#counts;
    // the question comes back at every token of the call: the first time counts
    if (!known) {
      counts.triggers++;
      counts.analyses++;
      if (found?.length) counts.limited++;
      counts.analysisMs += milliseconds;
      const legal = found?.length ? found.map(({ least, most }) => `${least}–${most}`) : undefined;
      this.#options.onTrigger?.({ monitor: this.name, text: before, legal, milliseconds, known });
    }
    return found;
  }
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

const textOf = (bytes: Uint8Array | undefined): string => (bytes ? decoder.decode(bytes) : "");

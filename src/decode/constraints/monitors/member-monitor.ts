/**
 * The monitor of members: behind a dot only members of what stands before it may be written, as an analyser lists them. Knows
 * identifiers and dots, and asks others what they mean.
 */
import type { TokenMask } from "../constraint.ts";
import { byteString, type IdentifierPart, MemberMasks, stringOfBytes } from "./member-mask.ts";
import {
  type Monitor,
  type MonitoredText,
  type MonitorOptions,
  type MonitorState,
  type MonitorStatistics,
  RecentMap,
} from "./monitor.ts";

/**
 * Names that may stand at a place of a text: all of them, or `undefined` (or none) where nothing is known.
 * @param text the whole file. @param offset where the name would begin, in UTF-16 code units.
 */
export type MemberAnalyser = (text: string, offset: number) => readonly string[] | undefined;

/** How members are monitored. */
export interface MemberMonitorOptions extends MonitorOptions {
  readonly analyse: MemberAnalyser;
  /** What stands before a member. Default `.`. */
  readonly trigger?: string;
  /** Characters of identifiers; all others end one. Default: Unicode's, `$` and `_`. */
  readonly isIdentifierPart?: IdentifierPart;
}

/** Whether a character can be part of an identifier of ECMAScript, behind its beginning. */
export const isIdentifierPart: IdentifierPart = (character) => /^[\p{ID_Continue}$\u200c\u200d]$/u.test(character);

/** Texts whose members are remembered, and masks. */
const keptAnalyses = 1024;
const keptMasks = 256;

function commonBeginning(a: string, b: string): string {
  let same = 0;
  while (same < a.length && a[same] === b[same]) same++;
  return a.slice(0, same);
}

/** See the top of the file. */
export class MemberMonitor implements Monitor {
  readonly name = "members";
  readonly #options: MemberMonitorOptions;
  readonly #trigger: string;
  readonly #isPart: IdentifierPart;
  readonly #masks: MemberMasks;
  readonly #analyses = new RecentMap<readonly string[] | undefined>(keptAnalyses);
  readonly #kept = new RecentMap<TokenMask>(keptMasks);
  readonly #counts = { triggers: 0, limited: 0, analyses: 0, analysisMs: 0, masks: 0, maskMs: 0 };
  readonly #watching: MonitorState;

  constructor(options: MemberMonitorOptions) {
    this.#options = options;
    this.#trigger = options.trigger ?? ".";
    this.#isPart = options.isIdentifierPart ?? isIdentifierPart;
    this.#masks = new MemberMasks(options.vocabulary, this.#isPart);
    this.#watching = {
      limits: false,
      allowsEnd: true,
      allows: () => true,
      restrict: () => {},
      suggestion: () => "",
      after: (_, text) => this.#watch(text),
    };
  }

  /** What it did so far. */
  get statistics(): MonitorStatistics {
    return { ...this.#counts };
  }

  /** The state before a text's first token. */
  start(text: MonitoredText): MonitorState {
    return this.#watch(text);
  }

  /** The state behind text that nothing limited: a dot in its last token, with at most the beginning of a name behind it. */
  #watch(text: MonitoredText): MonitorState {
    const at = text.text.lastIndexOf(this.#trigger);
    const end = at + this.#trigger.length;
    if (at < 0 || end <= text.from) return this.#watching;
    const typed = text.text.slice(end);
    for (const character of typed.startsWith("#") ? typed.slice(1) : typed)
      if (!this.#isPart(character)) return this.#watching;
    return this.#later(() => this.#analysed(text, end, typed));
  }

  /** A state that is found out when it is first asked: most branches of a draft never are. */
  #later(find: () => MonitorState): MonitorState {
    let found: MonitorState | undefined;
    const state = () => {
      found ??= find();
      return found;
    };
    return {
      get limits() {
        return state().limits;
      },
      get allowsEnd() {
        return state().allowsEnd;
      },
      allows: (bytes) => state().allows(bytes),
      restrict: (mask) => state().restrict(mask),
      suggestion: () => state().suggestion(),
      after: (bytes, text) => state().after(bytes, text),
    };
  }

  #analysed({ text, after }: MonitoredText, end: number, typed: string): MonitorState {
    const before = text.slice(0, end);
    const key = `${end} ${before}${after}`;
    const known = this.#analyses.has(key);
    const started = performance.now();
    const legal = this.#analyses.get(key, () => {
      const names = this.#options.analyse(before + after, end);
      return names?.length ? names : undefined;
    });
    const milliseconds = known ? 0 : performance.now() - started;
    const beginning = byteString(typed);
    const words = new Set<string>();
    for (const name of legal ?? []) {
      const word = byteString(name);
      if (word.startsWith(beginning) && this.#masks.canSpell(word)) words.add(word.slice(beginning.length));
    }
    const counts = this.#counts;
    counts.triggers++;
    if (words.size) counts.limited++;
    if (!known) counts.analyses++;
    counts.analysisMs += milliseconds;
    this.#options.onTrigger?.({
      monitor: this.name,
      text: before,
      legal: words.size ? legal : undefined,
      milliseconds,
      known,
    });
    return words.size ? this.#limited([...words].sort()) : this.#watching;
  }

  /** The state in which one of several words is being written: what is left of them, sorted. */
  #limited(words: readonly string[]): MonitorState {
    return {
      limits: true,
      allowsEnd: false,
      allows: (bytes) => this.#masks.allows(words, stringOfBytes(bytes)),
      restrict: (mask) => {
        const allowed = this.#kept.get(words.join("\n"), () => {
          const started = performance.now();
          const built = this.#masks.build(words);
          this.#counts.masks++;
          this.#counts.maskMs += performance.now() - started;
          return built;
        });
        for (let i = 0; i < mask.length; i++) mask[i]! &= allowed[i]!;
      },
      suggestion: () => commonBeginning(words[0]!, words[words.length - 1]!),
      after: (bytes, text) => {
        const token = stringOfBytes(bytes);
        const left = words.filter((word) => word.startsWith(token)).map((word) => word.slice(token.length));
        return left.length ? this.#limited(left) : this.#watch(text);
      },
    };
  }
}

/**
 * Regular expressions from files, which are hostile until proven otherwise: an interpreter that counts its steps and
 * fails with a typed error instead of running for years. Understands what tokenizer files use of Oniguruma's syntax.
 */
import { fail } from "../../util/index.ts";
import { knownPattern } from "./patterns.ts";

/** Finds all matches in a text, as [start, end) pairs; empty matches are left out. */
export type Matcher = (text: string) => [start: number, end: number][];

type Step = (text: string, at: number) => number;
type CharTest = (code: number) => boolean;

const maxPattern = 4096;
const maxGroups = 24;
const maxRepeat = 1000;
const maxNodes = 20_000;
// the patterns of published models take 1 to 20 a character
const stepsPerCharacter = 64;
const spareSteps = 500_000;
const maxDepth = 2000;

const classes: Readonly<Record<string, string>> = {
  s: "\\p{White_Space}",
  d: "\\p{Nd}",
  w: "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}",
  h: "0-9A-Fa-f",
};
const controls: Readonly<Record<string, string>> = {
  n: "\\n",
  r: "\\r",
  t: "\\t",
  f: "\\f",
  v: "\\v",
  a: "\\x07",
  e: "\\x1B",
};

/**
 * Steps that patterns may still take. All patterns of a tokenizer share those of the text at hand: a text may be cut into
 * many pieces, each of which goes through many patterns.
 */
export class StepBudget {
  #left = 0;

  /** Starts a text of so many characters. */
  start(length: number): void {
    this.#left = spareSteps + stepsPerCharacter * length;
  }

  /** Takes one step; false when there are none left. */
  spend(): boolean {
    return --this.#left >= 0;
  }
}

/**
 * Compiles a pattern; native when it is known to be safe. Steps are taken from `budget`, which somebody else starts; of a
 * text of its own when absent. @throws `format` or `unsupported`, naming the pattern.
 */
export function matcherOf(source: string, budget?: StepBudget): Matcher {
  const known = knownPattern(source);
  if (known)
    return (text) =>
      Array.from(text.matchAll(known), (m): [number, number] => [m.index, m.index + m[0].length]).filter(
        ([a, b]) => b > a,
      );
  return interpretedMatcher(source, budget);
}

/** Compiles a pattern for the interpreter, known or not; see {@link matcherOf}. */
export function interpretedMatcher(source: string, budget?: StepBudget): Matcher {
  return new BoundedRegExp(source, budget).matches;
}

/** Tests one code point against the inside of a native character class, remembering the answers. */
function charTest(inside: string, ignoreCase: boolean, refuse: (why: string) => never): CharTest {
  let native: RegExp;
  try {
    native = new RegExp(`^[${inside}]$`, ignoreCase ? "iu" : "u");
  } catch {
    return refuse(`has an invalid character class [${inside}]`);
  }
  const answers = new Map<number, boolean>();
  return (code) => {
    let answer = answers.get(code);
    if (answer === undefined) {
      answer = native.test(String.fromCodePoint(code));
      if (answers.size < 65536) answers.set(code, answer);
    }
    return answer;
  };
}

class BoundedRegExp {
  readonly #source: string;
  #at = 0;
  #groups = 0;
  #nodes = 0;
  #ignoreCase = false;
  #depth = 0;
  readonly #budget: StepBudget;
  readonly #ownBudget: boolean;
  readonly #start: Step;

  constructor(source: string, budget?: StepBudget) {
    this.#source = source;
    this.#ownBudget = budget === undefined;
    this.#budget = budget ?? new StepBudget();
    if (source.length > maxPattern) this.#refuse(`is longer than ${maxPattern} characters`);
    const build = this.#alternatives();
    if (this.#at < source.length) this.#refuse(`has an unmatched ")" at ${this.#at}`);
    this.#start = build((_, at) => at);
  }

  readonly matches: Matcher = (text) => {
    if (this.#ownBudget) this.#budget.start(text.length);
    try {
      return this.#all(text);
    } catch (error) {
      // how deep the stack goes depends on what the program was doing
      if (error instanceof RangeError) return this.#refuse("nests its matches too deeply on this text");
      throw error;
    }
  };

  #all(text: string): [number, number][] {
    const found: [number, number][] = [];
    for (let at = 0; at < text.length; ) {
      this.#depth = 0;
      const end = this.#start(text, at);
      if (end > at) {
        found.push([at, end]);
        at = end;
      } else at += text.codePointAt(at)! > 0xffff ? 2 : 1;
    }
    return found;
  }

  #refuse(why: string, code: "format" | "unsupported" = "format"): never {
    const shown = this.#source.length > 80 ? `${this.#source.slice(0, 80)}…` : this.#source;
    return fail(code, `the pattern /${shown}/ of the tokenizer ${why}`);
  }

  #spend(): void {
    if (!this.#budget.spend()) this.#refuse("takes too many steps on this text; it backtracks without end");
  }

  /** Counts one matcher more: repeats copy their body, so the total is what must stay small. */
  #node<T>(value: T): T {
    if (++this.#nodes > maxNodes) this.#refuse(`needs more than ${maxNodes} steps of matching`);
    return value;
  }

  /** Each parser below returns a function that, given what comes next, makes the matcher. */
  #alternatives(): (next: Step) => Step {
    const branches = [this.#sequence()];
    while (this.#source[this.#at] === "|") {
      this.#at++;
      branches.push(this.#sequence());
    }
    if (branches.length === 1) return branches[0];
    return (next) => {
      const steps = branches.map((branch) => this.#node(branch(next)));
      return (text, at) => {
        for (const step of steps) {
          this.#spend();
          const end = step(text, at);
          if (end >= 0) return end;
        }
        return -1;
      };
    };
  }

  #sequence(): (next: Step) => Step {
    const items: ((next: Step) => Step)[] = [];
    while (this.#at < this.#source.length && this.#source[this.#at] !== "|" && this.#source[this.#at] !== ")")
      items.push(this.#item());
    return (next) => items.reduceRight((after, item) => this.#node(item(after)), next);
  }

  #item(): (next: Step) => Step {
    const source = this.#source;
    const char = source[this.#at];
    if (char === "(") return this.#group();
    if (char === "^" || char === "$") {
      this.#at++;
      return (next) => (text, at) => {
        const line = char === "^" ? at === 0 || text[at - 1] === "\n" : at === text.length || text[at] === "\n";
        return line ? next(text, at) : -1;
      };
    }
    if (char === "*" || char === "+" || char === "?") this.#refuse(`has nothing to repeat at ${this.#at}`);
    if (char === "\\" && "bBAzZG123456789k".includes(source[this.#at + 1] ?? "k"))
      this.#refuse(`uses \\${source[this.#at + 1] ?? ""}, which is not supported in tokenizers here`, "unsupported");
    return this.#repeatChar(this.#char());
  }

  /** One character, class or escape as the inside of a native class, turned into a test. */
  #char(): CharTest {
    const source = this.#source;
    const char = String.fromCodePoint(source.codePointAt(this.#at)!);
    const ignoreCase = this.#ignoreCase;
    const refuse = (why: string): never => this.#refuse(why);
    if (char === "[") {
      const end = this.#classEnd();
      const inside = source.slice(this.#at + 1, end);
      this.#at = end + 1;
      return charTest(this.#classInside(inside), ignoreCase, refuse);
    }
    if (char === "\\") {
      const [inside, length] = this.#escape(source, this.#at);
      this.#at += length;
      return charTest(inside, ignoreCase, refuse);
    }
    this.#at += char.length;
    if (char === ".") return (code) => code !== 10;
    if (ignoreCase) return charTest(char.replace(/[\^\]\\-]/, "\\$&"), true, refuse);
    const code = char.codePointAt(0)!;
    return (other) => other === code;
  }

  #classEnd(): number {
    const source = this.#source;
    let i = this.#at + 1;
    if (source[i] === "^") i++;
    if (source[i] === "]") i++;
    for (; i < source.length && source[i] !== "]"; i++) {
      if (source[i] === "\\") i++;
      else if (source[i] === "[" || source.startsWith("&&", i))
        this.#refuse("nests or intersects character classes, which is not supported", "unsupported");
    }
    if (i >= source.length) this.#refuse(`has an unclosed "[" at ${this.#at}`);
    return i;
  }

  #classInside(inside: string): string {
    let out = inside.startsWith("^") ? "^" : "";
    for (let i = out.length; i < inside.length; ) {
      const char = inside[i];
      if (char === "\\") {
        const [escaped, length] = this.#escape(inside, i);
        out += escaped;
        i += length;
      } else {
        out += char === "^" || char === "]" ? `\\${char}` : char;
        i++;
      }
    }
    // a hyphen at either end stands for itself, and "u" mode wants it escaped beside class escapes
    return out
      .replace(/(\})-(?=.)/g, "$1\\-")
      .replace(/-$/, "\\-")
      .replace(/^(\^?)-/, "$1\\-");
  }

  /** The escape at `at` as the inside of a native class, and how many characters it takes. */
  #escape(from: string, at: number): [string, number] {
    const braced = /^\\[pPx]\{(\^?)([^{}]{1,64})\}/.exec(from.slice(at, at + 80));
    if (braced) {
      const [text, not, name] = braced;
      if (text[1] === "x") return [`\\u{${name}}`, text.length];
      const kind = (text[1] === "P") !== (not === "^") ? "P" : "p";
      try {
        new RegExp(`\\p{${name}}`, "u");
        return [`\\${kind}{${name}}`, text.length];
      } catch {
        return [`\\${kind}{Script=${name}}`, text.length];
      }
    }
    const fixed = /^\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4})/.exec(from.slice(at, at + 6));
    if (fixed) return [fixed[0], fixed[0].length];
    const next = from[at + 1];
    if (next === undefined) this.#refuse("ends in a backslash");
    if (Object.hasOwn(classes, next)) return [classes[next], 2];
    if (next === "S" || next === "D") return [`\\P{${next === "S" ? "White_Space" : "Nd"}}`, 2];
    if (Object.hasOwn(controls, next)) return [controls[next], 2];
    if (/[A-Za-z0-9]/.test(next)) this.#refuse(`uses \\${next}, which is not supported`, "unsupported");
    return [/[\^$\\.*+?()[\]{}|/-]/.test(next) ? `\\${next}` : next, 2];
  }

  /** The quantifier at the current place; `undefined` without one. */
  #quantifier(): { low: number; high: number; lazy: boolean; possessive: boolean } | undefined {
    const rest = this.#source.slice(this.#at, this.#at + 24);
    const match = /^(?:([*+?])|\{(\d{0,6})(,?)(\d{0,6})\})([?+]?)/.exec(rest);
    if (!match || (!match[1] && !match[2] && !match[4])) return undefined;
    this.#at += match[0].length;
    const infinity = Number.POSITIVE_INFINITY;
    const low = match[1] ? (match[1] === "+" ? 1 : 0) : Number(match[2] || 0);
    const high = match[1] ? (match[1] === "?" ? 1 : infinity) : match[4] ? Number(match[4]) : match[3] ? infinity : low;
    if (low > high || low > maxRepeat || (high > maxRepeat && high !== infinity))
      this.#refuse(`has the repeat count ${match[0]}; at most ${maxRepeat} is allowed`);
    const possessive = match[5] === "+" && match[1] !== undefined;
    if (match[5] === "+" && !possessive) this.#at--;
    if (/^[*+]|^\{\d/.test(this.#source.slice(this.#at))) this.#refuse("repeats a repeat", "unsupported");
    return { low, high, lazy: match[5] === "?", possessive };
  }

  #repeatChar(test: CharTest): (next: Step) => Step {
    const quantifier = this.#quantifier();
    const forward = (text: string, at: number): number => {
      if (at >= text.length) return -1;
      const code = text.codePointAt(at)!;
      return test(code) ? at + (code > 0xffff ? 2 : 1) : -1;
    };
    if (!quantifier)
      return (next) => (text, at) => {
        this.#spend();
        const end = forward(text, at);
        return end < 0 ? -1 : next(text, end);
      };
    const { low, high, lazy, possessive } = quantifier;
    return (next) => (text, at) => {
      let count = 0;
      let end = at;
      const take = (): boolean => {
        this.#spend();
        const after = count < high ? forward(text, end) : -1;
        if (after < 0) return false;
        end = after;
        count++;
        return true;
      };
      while (count < low) if (!take()) return -1;
      if (lazy) {
        for (;;) {
          const result = next(text, end);
          if (result >= 0 || !take()) return result;
        }
      }
      while (take());
      if (possessive) return next(text, end);
      for (;;) {
        this.#spend();
        const result = next(text, end);
        if (result >= 0 || count === low) return result;
        count--;
        end -= end > at + 1 && text.codePointAt(end - 2)! > 0xffff ? 2 : 1;
      }
    };
  }

  #group(): (next: Step) => Step {
    if (++this.#groups > maxGroups * 8) this.#refuse("has too many groups");
    const head = /^\((?:\?(?:<?[=!]|[:>]|i:|<[A-Za-z_]\w{0,31}>))?/.exec(
      this.#source.slice(this.#at, this.#at + 40),
    )![0];
    if (head === "(" && this.#source[this.#at + 1] === "?")
      this.#refuse(`uses ${this.#source.slice(this.#at, this.#at + 4)}, which is not supported`, "unsupported");
    if (head.startsWith("(?<=") || head.startsWith("(?<!"))
      this.#refuse("looks behind, which is not supported", "unsupported");
    this.#at += head.length;
    if (++this.#depth > maxGroups) this.#refuse(`nests more than ${maxGroups} groups`);
    const before = this.#ignoreCase;
    if (head === "(?i:") this.#ignoreCase = true;
    const body = this.#alternatives();
    this.#ignoreCase = before;
    this.#depth--;
    if (this.#source[this.#at] !== ")") this.#refuse("has an unclosed group");
    this.#at++;
    if (head === "(?=" || head === "(?!") {
      const step = body((_, at) => at);
      return (next) => (text, at) => (step(text, at) >= 0 === (head === "(?=") ? next(text, at) : -1);
    }
    const quantifier = this.#quantifier();
    if (head === "(?>" || quantifier?.possessive) {
      const { low, high } = quantifier ?? { low: 1, high: 1 };
      const whole = this.#repeatGroup(body, low, high, false)((_, at) => at);
      return (next) => (text, at) => {
        const end = whole(text, at);
        return end < 0 ? -1 : next(text, end);
      };
    }
    return quantifier ? this.#repeatGroup(body, quantifier.low, quantifier.high, quantifier.lazy) : body;
  }

  #repeatGroup(body: (next: Step) => Step, low: number, high: number, lazy: boolean): (next: Step) => Step {
    return (next) => {
      // iterations share one matcher; how many there were and where the last began is kept on the side
      let count = 0;
      let began = -1;
      const again: Step = (text, at) => {
        this.#spend();
        if (++this.#depth > maxDepth) this.#refuse(`repeats a group more than ${maxDepth} times in one match`);
        const [countHere, beganHere] = [count, began];
        const more = (): number => {
          if (countHere >= high || (at === beganHere && countHere >= low)) return -1;
          count = countHere + 1;
          began = at;
          const end = iteration(text, at);
          [count, began] = [countHere, beganHere];
          return end;
        };
        const stop = (): number => {
          if (countHere < low) return -1;
          // what follows may enter this group afresh
          count = 0;
          began = -1;
          const end = next(text, at);
          [count, began] = [countHere, beganHere];
          return end;
        };
        let end = lazy ? stop() : more();
        if (end < 0) end = lazy ? more() : stop();
        this.#depth--;
        return end;
      };
      const iteration = this.#node(body(again));
      return (text, at) => {
        const [countBefore, beganBefore] = [count, began];
        count = 0;
        began = -1;
        const end = again(text, at);
        [count, began] = [countBefore, beganBefore];
        return end;
      };
    };
  }
}

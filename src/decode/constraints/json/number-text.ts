/**
 * The text of a JSON number while it is being written, as a state: which characters keep a member of a set in reach. Exponents
 * have at most three digits. Knows nothing of what stands around the number.
 */
import { compareDecimals, type Decimal, decimal, negate, one, power10 } from "./decimal.ts";
import { endless, maxExponentDigits, type Prefix, reaches, reachesExponent } from "./number-reach.ts";
import { allNumbers, containsNumber, type NumberSet } from "./number-set.ts";

type Phase = "start" | "minus" | "zero" | "digits" | "point" | "fraction" | "e" | "sign" | "exponent";

/** Depth down to which states are remembered: longer numbers are rare, and their states would pile up. */
const remembered = 8;
/** Longer numbers are told apart by no key. */
const longestKind = 24;
/** Exponents reach as far as this many digits. */
const longestDigits = 900;

/** What limits the digits of a number behind its sign, where only one bound can. */
interface Reach {
  /** Digits of the bound away from zero; undefined without one. */
  readonly far: string | undefined;
  readonly farOpen: boolean;
  /** Whether only multiples of one count. */
  readonly whole: boolean;
  /** Whether neither point nor exponent may be written. */
  readonly plain: boolean;
}

const reachesOf = new WeakMap<NumberSet, [Reach | null, Reach | null]>();

/** What limits digits of which the first is not zero; null where it is not that simple. */
function reachOf(set: NumberSet, negative: boolean): Reach | null {
  let both = reachesOf.get(set);
  if (!both) {
    both = [findReach(set, false), findReach(set, true)];
    reachesOf.set(set, both);
  }
  return both[negative ? 1 : 0];
}

function findReach([part, ...others]: NumberSet, negative: boolean): Reach | null {
  if (!part || others.length || part.except || part.notSteps || part.spelling === "not-plain") return null;
  const { step } = part;
  if (step && (step.units !== 1n || step.exponent !== 0)) return null;
  const [near, nearOpen, far, farOpen] = negative
    ? [part.high && negate(part.high), part.highOpen, part.low && negate(part.low), part.lowOpen]
    : [part.low, part.lowOpen, part.high, part.highOpen];
  // what begins with another digit than zero is at least one, if it is whole
  if (near && near.units > 0n && !(step && !nearOpen && compareDecimals(near, one) <= 0)) return null;
  if (far && (far.units <= 0n || far.exponent < 0 || far.exponent > 400)) return null;
  return {
    far: far && (far.units * power10(far.exponent)).toString(),
    farOpen: farOpen ?? false,
    whole: !!step,
    plain: part.spelling === "plain",
  };
}

/** Whether a whole number is within a bound. */
function within(digits: string, { far, farOpen }: Reach): boolean {
  if (far === undefined || digits.length !== far.length) return far === undefined || digits.length < far.length;
  return farOpen ? digits < far : digits <= far;
}

const trailingZeros = (digits: string): number => digits.length - digits.replace(/0+$/, "").length;

/** A number that is being written. Immutable; states are shared through their start. */
export class NumberText {
  readonly #next: (NumberText | null | undefined)[] = [];
  readonly #free: boolean;
  #value: Decimal | undefined;

  private constructor(
    readonly set: NumberSet,
    readonly text: string,
    readonly phase: Phase,
  ) {
    this.#free = text !== "" && (set === allNumbers || endless(set, text.charCodeAt(0) === 45));
  }

  /** The state before the first character. */
  static start(set: NumberSet): NumberText {
    return new NumberText(set, "", "start");
  }

  /** Whether the number may end here, as far as its spelling goes. */
  get ended(): boolean {
    const { phase } = this;
    return phase === "zero" || phase === "digits" || phase === "fraction" || phase === "exponent";
  }

  /** Whether it is spelled without fraction and exponent. */
  get plain(): boolean {
    return this.phase === "zero" || this.phase === "digits";
  }

  /** The digits so far, while there is no exponent. */
  get prefix(): Prefix {
    const { text, phase } = this;
    const negative = text.startsWith("-");
    const [whole, fraction = ""] = text.split(".") as [string, string?];
    const digits = (negative ? whole.slice(1) : whole) + fraction;
    return {
      negative,
      digits: digits ? BigInt(digits) : undefined,
      plain: phase === "minus" || this.plain,
      zero: phase === "zero",
    };
  }

  /** The number, when it has ended. */
  get value(): Decimal {
    if (!this.#value) {
      const [mantissa, exponent] = this.text.toLowerCase().split("e") as [string, string?];
      const [whole, fraction = ""] = mantissa.split(".") as [string, string?];
      const negative = whole.startsWith("-");
      const units = BigInt((negative ? whole.slice(1) : whole) + fraction);
      this.#value = decimal(negative ? -units : units, Number(exponent || 0) - fraction.length);
    }
    return this.#value;
  }

  /** Whether it has ended and is a member. */
  get accepted(): boolean {
    return this.ended && (this.set === allNumbers || containsNumber(this.set, this.value, this.plain));
  }

  /**
   * What tells this state from others with other masks, or undefined where nothing short does: digits are alike that lie alike
   * towards the only bound and have as many zeros at their end. `watched` when the value itself matters later.
   */
  kind(watched: boolean): string | undefined {
    const { text, phase, set } = this;
    const negative = text.charCodeAt(0) === 45;
    const reach = phase === "digits" && !watched ? reachOf(set, negative) : null;
    if (!reach) return text.length < longestKind ? `=${text}` : undefined;
    const digits = negative ? text.slice(1) : text;
    const sign = negative ? "-" : "+";
    if (!reach.far) return `${sign}${trailingZeros(digits)}`;
    const length = Math.min(digits.length, reach.far.length);
    const [own, bound] = [digits.slice(0, length), reach.far.slice(0, length)];
    const order = own < bound ? "<" : own > bound ? ">" : "=";
    return `${sign}${reach.far.length - digits.length}${order}${trailingZeros(digits)}`;
  }

  /** The state behind one more byte; null when no member has such a text. */
  step(byte: number): NumberText | null {
    const slot = byte - 43;
    if (slot < 0 || slot > 58) return null;
    const known = this.#next[slot];
    if (known !== undefined) return known;
    const next = this.#compute(byte);
    if (this.text.length < remembered) this.#next[slot] = next;
    return next;
  }

  #compute(byte: number): NumberText | null {
    const phase = this.#phaseAfter(byte);
    if (!phase) return null;
    const next = new NumberText(this.set, this.text + String.fromCharCode(byte), phase);
    return next.#viable() ? next : null;
  }

  #phaseAfter(byte: number): Phase | undefined {
    const digit = byte >= 48 && byte <= 57;
    const e = byte === 101 || byte === 69;
    switch (this.phase) {
      case "start":
        return byte === 45 ? "minus" : byte === 48 ? "zero" : digit ? "digits" : undefined;
      case "minus":
        return byte === 48 ? "zero" : digit ? "digits" : undefined;
      case "zero":
        return byte === 46 ? "point" : e ? "e" : undefined;
      case "digits":
        return digit ? "digits" : byte === 46 ? "point" : e ? "e" : undefined;
      case "point":
        return digit ? "fraction" : undefined;
      case "fraction":
        return digit ? "fraction" : e ? "e" : undefined;
      case "e":
        return byte === 43 || byte === 45 ? "sign" : digit ? "exponent" : undefined;
      case "sign":
        return digit ? "exponent" : undefined;
      case "exponent":
        return digit && /\d*$/.exec(this.text)![0].length < maxExponentDigits ? "exponent" : undefined;
    }
  }

  #viable(): boolean {
    const { set, text, phase } = this;
    if (set === allNumbers) return true;
    const negative = text.startsWith("-");
    if (phase === "minus") return reaches(set, this.prefix);
    if (phase !== "e" && phase !== "sign" && phase !== "exponent") {
      if (this.#free) return true;
      const reach = phase === "digits" && text.length < longestDigits ? reachOf(set, negative) : null;
      if (reach) {
        const digits = negative ? text.slice(1) : text;
        if (reach.plain) return within(digits, reach);
        // an exponent can take back zeros at the end, and more where parts of one count
        return !reach.whole || within(digits.replace(/0+$/, ""), reach);
      }
      return reaches(set, this.prefix);
    }
    const [mantissa, exponent = ""] = text.toLowerCase().split("e") as [string, string?];
    const [whole, fraction = ""] = mantissa.split(".") as [string, string?];
    const units = BigInt((negative ? whole.slice(1) : whole) + fraction);
    const sign = exponent[0] === "-" || exponent[0] === "+" ? exponent[0] : "";
    return reachesExponent(set, negative ? -units : units, -fraction.length, sign, sign ? exponent.slice(1) : exponent);
  }
}

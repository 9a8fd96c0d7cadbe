/**
 * The text of a JSON number while it is being written, as a state: which characters keep a member of a set in reach. Exponents
 * have at most three digits. Knows nothing of what stands around the number.
 */
import { type Decimal, decimal } from "./decimal.ts";
import {
  allNumbers,
  containsNumber,
  endless,
  maxExponentDigits,
  type NumberSet,
  reaches,
  reachesExponent,
} from "./number-set.ts";

type Phase = "start" | "minus" | "zero" | "digits" | "point" | "fraction" | "e" | "sign" | "exponent";

/** Depth down to which states are remembered: longer numbers are rare, and their states would pile up. */
const remembered = 8;

/** Whether digits behind a sign meet no bound, and multiples of one alone may be asked for. */
function isUnbounded([part, ...others]: NumberSet, negative: boolean): boolean {
  if (!part || others.length || part.except || part.notSteps) return false;
  if (part.step && (part.step.units !== 1n || part.step.exponent !== 0)) return false;
  const [near, far] = negative ? [part.high, part.low] : [part.low, part.high];
  return !far && (!near || (negative ? near.units >= 0n : near.units <= 0n));
}

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
   * What tells this state from others with other masks, or undefined where nothing short does: the digits of a number without
   * a bound in reach are all alike but for the zeros at their end. `watched` when the value itself matters later.
   */
  kind(watched: boolean): string | undefined {
    const { text, phase, set } = this;
    if (phase === "digits" && !watched && isUnbounded(set, text.charCodeAt(0) === 45))
      return `${text.charCodeAt(0) === 45 ? "-" : ""}${text.length - text.replace(/0+$/, "").length}`;
    return text.length < remembered ? `=${text}` : undefined;
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
    if (phase === "minus") return reaches(set, { negative, digits: undefined, plain: true, zero: false });
    if (phase !== "e" && phase !== "sign" && phase !== "exponent") {
      if (this.#free) return true;
      const [whole, fraction = ""] = text.split(".") as [string, string?];
      const digits = BigInt((negative ? whole.slice(1) : whole) + fraction);
      const plain = phase === "zero" || phase === "digits";
      return reaches(set, { negative, digits, plain, zero: phase === "zero" });
    }
    const [mantissa, exponent = ""] = text.toLowerCase().split("e") as [string, string?];
    const [whole, fraction = ""] = mantissa.split(".") as [string, string?];
    const units = BigInt((negative ? whole.slice(1) : whole) + fraction);
    const sign = exponent[0] === "-" || exponent[0] === "+" ? exponent[0] : "";
    return reachesExponent(set, negative ? -units : units, -fraction.length, sign, sign ? exponent.slice(1) : exponent);
  }
}

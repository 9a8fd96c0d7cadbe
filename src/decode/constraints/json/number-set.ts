/**
 * Sets of numbers that a schema can describe: unions of intervals with multiples, closed under intersection and complement. Knows
 * nothing of how numbers are written, but for the few that a draft tells apart by that.
 */
import {
  aligned,
  compareDecimals,
  type Decimal,
  decimal,
  isMultiple,
  leastCommonMultiple,
  magnitude,
  negate,
  one,
  power10,
  sameDecimal,
  zero,
} from "./decimal.ts";

/** How a number is spelled: draft 4 calls only numbers without fraction and exponent integers. */
export type Spelling = "any" | "plain" | "not-plain";

/** An interval, of it the multiples of `step`, and neither multiples of `notSteps` nor `except`. */
export interface NumberPart {
  readonly low?: Decimal;
  readonly lowOpen?: boolean;
  readonly high?: Decimal;
  readonly highOpen?: boolean;
  readonly step?: Decimal;
  readonly notSteps?: readonly Decimal[];
  readonly except?: readonly Decimal[];
  readonly spelling?: Spelling;
}

/** A union of parts. */
export type NumberSet = readonly NumberPart[];

/** Every number. */
export const allNumbers: NumberSet = [{}];
/** Whole numbers, however they are spelled. */
export const wholeNumbers: NumberSet = [{ step: one }];
/** Numbers without fraction and exponent. */
export const plainIntegers: NumberSet = [{ step: one, spelling: "plain" }];

const tooManyParts = 4000;

/** Members of both parts; undefined when there are none for sure. */
function meet(a: NumberPart, b: NumberPart): NumberPart | undefined {
  const spelling =
    (a.spelling ?? "any") === "any"
      ? b.spelling
      : (b.spelling ?? "any") === "any" || a.spelling === b.spelling
        ? a.spelling
        : null;
  if (spelling === null) return undefined;
  let [low, lowOpen] = [a.low, a.lowOpen];
  if (b.low) {
    const order = low ? compareDecimals(b.low, low) : 1;
    if (order > 0) [low, lowOpen] = [b.low, b.lowOpen];
    else if (order === 0) lowOpen ||= b.lowOpen;
  }
  let [high, highOpen] = [a.high, a.highOpen];
  if (b.high) {
    const order = high ? compareDecimals(b.high, high) : -1;
    if (order < 0) [high, highOpen] = [b.high, b.highOpen];
    else if (order === 0) highOpen ||= b.highOpen;
  }
  if (low && high) {
    const order = compareDecimals(low, high);
    if (order > 0 || (order === 0 && (lowOpen || highOpen))) return undefined;
  }
  const step = a.step && b.step ? leastCommonMultiple(a.step, b.step) : (a.step ?? b.step);
  const notSteps = a.notSteps || b.notSteps ? [...(a.notSteps ?? []), ...(b.notSteps ?? [])] : undefined;
  if (step && notSteps?.some((not) => isMultiple(step, not))) return undefined;
  if (low && high && sameDecimal(low, high)) {
    // one number: whether it is a member is known at once, and lists of others need not be carried along
    const point: NumberPart = { low, high: low, ...(spelling ? { spelling } : {}) };
    return inPart(a, low, undefined) && inPart(b, low, undefined) ? point : undefined;
  }
  const except = a.except || b.except ? [...(a.except ?? []), ...(b.except ?? [])] : undefined;
  return { low, lowOpen, high, highOpen, step, notSteps, except, spelling };
}

/** Members of both. */
export function intersectNumbers(a: NumberSet, b: NumberSet): NumberSet {
  if (a === allNumbers) return b;
  if (b === allNumbers) return a;
  const out: NumberPart[] = [];
  for (const x of a)
    for (const y of b) {
      const both = meet(x, y);
      if (both) out.push(both);
      if (out.length > tooManyParts) return out;
    }
  return out;
}

/** Members of either. */
export function uniteNumbers(a: NumberSet, b: NumberSet): NumberSet {
  return a === allNumbers || b === allNumbers ? allNumbers : [...a, ...b];
}

/** What is not in a set. */
export function complementNumbers(set: NumberSet): NumberSet {
  const points = set.filter((part) => isPoint(part));
  let out: NumberSet = points.length ? [{ except: points.map((part) => part.low!) }] : allNumbers;
  for (const part of set) {
    if (isPoint(part)) continue;
    const not: NumberPart[] = [];
    if (part.low) not.push({ high: part.low, highOpen: !part.lowOpen });
    if (part.high) not.push({ low: part.high, lowOpen: !part.highOpen });
    if (part.step) not.push({ notSteps: [part.step] });
    for (const step of part.notSteps ?? []) not.push({ step });
    for (const point of part.except ?? []) not.push({ low: point, high: point });
    if (part.spelling === "plain") not.push({ spelling: "not-plain" });
    if (part.spelling === "not-plain") not.push({ spelling: "plain", step: one });
    out = intersectNumbers(out, not);
  }
  return out;
}

/** Whether a part is one number, however it is spelled. */
function isPoint({ low, high, step, notSteps, except, spelling }: NumberPart): boolean {
  return !!low && !!high && sameDecimal(low, high) && !step && !notSteps && !except && (spelling ?? "any") === "any";
}

/** Whether a number is a member of a part; `plain` as for `containsNumber`, undefined where its spelling does not count. */
export function inPart(part: NumberPart, value: Decimal, plain: boolean | undefined): boolean {
  if (plain !== undefined && part.spelling === (plain ? "not-plain" : "plain")) return false;
  if (part.low) {
    const order = compareDecimals(value, part.low);
    if (order < 0 || (order === 0 && part.lowOpen)) return false;
  }
  if (part.high) {
    const order = compareDecimals(value, part.high);
    if (order > 0 || (order === 0 && part.highOpen)) return false;
  }
  if (part.step && !isMultiple(value, part.step)) return false;
  if (part.notSteps?.some((step) => isMultiple(value, step))) return false;
  return !part.except?.some((point) => sameDecimal(point, value));
}

/** Whether a number is a member; `plain` says that it is spelled without fraction and exponent. */
export function containsNumber(set: NumberSet, value: Decimal, plain: boolean): boolean {
  return set.some((part) => inPart(part, value, plain));
}

/** Some member between two numbers; undefined when there is none. */
export function memberBetween(
  part: NumberPart,
  low: Decimal | undefined,
  lowOpen: boolean,
  high: Decimal | undefined,
  highOpen: boolean,
): Decimal | undefined {
  const both = meet(part, { low, lowOpen, high, highOpen });
  if (!both) return undefined;
  const tries = 1000 + (both.except?.length ?? 0);
  if (both.step) {
    const { step } = both;
    const from = both.low ?? (both.high ? undefined : zero);
    const down = from === undefined;
    const start = (from ?? both.high)!;
    const [units, size, exponent] = aligned(start, step);
    let at = (units / size) * size;
    if (!down && at < units) at += size;
    if (down && at > units) at -= size;
    for (let i = 0; i < tries; i++, at += down ? -size : size) {
      const value = decimal(at, exponent);
      if (both.high && compareDecimals(value, both.high) > 0) return undefined;
      if (both.low && compareDecimals(value, both.low) < 0) return undefined;
      if (inPart(both, value, undefined)) return value;
    }
    return undefined;
  }
  const candidates: Decimal[] = [zero];
  if (both.low) candidates.push(both.low);
  if (both.high) candidates.push(both.high);
  // the first numbers with one more digit than the bounds have
  const base = both.low ?? both.high ?? zero;
  for (let digits = 0; digits < 40; digits++) {
    const [units, , exponent] = aligned(
      base,
      decimal(1n, Math.min(base.exponent, 1 - digits + (base.units ? magnitude(base) : 0))),
    );
    for (let i = -1n - BigInt(both.except?.length ?? 0); i <= 1n + BigInt(both.except?.length ?? 0); i++) {
      candidates.push(decimal(units + i, exponent));
    }
    for (const value of candidates) if (inPart(both, value, undefined)) return value;
    candidates.length = 0;
  }
  return undefined;
}

/** Decimal places that are tried for a member with few digits. */
const mostPlaces = 80;

/**
 * The member with the fewest digits in an interval of numbers that are not negative, as far as rounding finds it; undefined
 * where it does not.
 */
export function shortMember(part: NumberPart, low: Decimal, high?: Decimal, highOpen = false): Decimal | undefined {
  const both = meet(part, { low, high, highOpen });
  if (!both) return undefined;
  if (inPart(both, zero, undefined)) return zero;
  const least = both.low!;
  const from = magnitude(both.high ?? least);
  for (let exponent = from; exponent > from - mostPlaces; exponent--) {
    const [units, size] = aligned(least, decimal(1n, exponent));
    let rounded = units / size;
    if (rounded * size < units || (both.lowOpen && rounded * size === units)) rounded++;
    const value = decimal(rounded, exponent);
    if (inPart(both, value, undefined)) return value;
    if (exponent < least.exponent && (!both.high || exponent < both.high.exponent)) break;
  }
  return undefined;
}

/** Some member with a short spelling; undefined when there is none. */
export function someNumber(set: NumberSet): { readonly value: Decimal; readonly part: NumberPart } | undefined {
  for (const part of set) {
    const small = [0n, 1n, -1n, 2n].map((n) => decimal(n)).find((n) => inPart(part, n, undefined));
    const value = small ?? memberBetween(part, undefined, false, undefined, false);
    if (!value) continue;
    if (value.size < longNumber) return { value, part };
    const negative = value.units < 0n;
    const shorter = shortMember(negative ? mirrored(part) : part, zero);
    return { value: shorter ? (negative ? negate(shorter) : shorter) : value, part };
  }
  return undefined;
}

/** Numbers of so many digits are worth a search for a shorter one. */
const longNumber = 8;

/** The mirror image of a part. */
export function mirrored(part: NumberPart): NumberPart {
  return {
    ...part,
    low: part.high && negate(part.high),
    lowOpen: part.highOpen,
    high: part.low && negate(part.low),
    highOpen: part.lowOpen,
    except: part.except?.map(negate),
  };
}

/** A spelling for a member of a part. */
export function spell(value: Decimal, part: NumberPart, text: (value: Decimal) => string): string {
  if (part.spelling === "plain") return (value.units * power10(value.exponent)).toString();
  const usual = text(value);
  return part.spelling === "not-plain" && /^-?\d+$/.test(usual) ? `${usual}.0` : usual;
}

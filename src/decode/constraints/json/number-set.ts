/**
 * Sets of numbers that a schema can describe: unions of intervals with multiples, closed under intersection and complement.
 * They also tell whether digits written so far can still become a member. Knows nothing of bytes.
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
  return (
    !!low &&
    !!high &&
    compareDecimals(low, high) === 0 &&
    !step &&
    !notSteps &&
    !except &&
    (spelling ?? "any") === "any"
  );
}

function inPart(part: NumberPart, value: Decimal, plain: boolean | undefined): boolean {
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
  return !part.except?.some((point) => compareDecimals(point, value) === 0);
}

/** Whether a number is a member; `plain` says that it is spelled without fraction and exponent. */
export function containsNumber(set: NumberSet, value: Decimal, plain: boolean): boolean {
  return set.some((part) => inPart(part, value, plain));
}

/** Some member between two numbers; undefined when there is none. */
function memberBetween(
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

/** Some member with a short spelling; undefined when there is none. */
export function someNumber(set: NumberSet): { readonly value: Decimal; readonly part: NumberPart } | undefined {
  for (const part of set) {
    const small = [0n, 1n, -1n, 2n].map((n) => decimal(n)).find((n) => inPart(part, n, undefined));
    const value = small ?? memberBetween(part, undefined, false, undefined, false);
    if (value) return { value, part };
  }
  return undefined;
}

/** Digits written so far: a value whose digits begin with these, at any scale. */
export interface Prefix {
  readonly negative: boolean;
  /** Undefined when no digit was written yet. */
  readonly digits: bigint | undefined;
  /** Whether neither point nor exponent was written. */
  readonly plain: boolean;
  /** Whether only a point or an exponent may follow: the integer part is a single zero. */
  readonly zero: boolean;
}

/** The mirror image of a part. */
function mirrored(part: NumberPart): NumberPart {
  return {
    ...part,
    low: part.high && negate(part.high),
    lowOpen: part.highOpen,
    high: part.low && negate(part.low),
    highOpen: part.lowOpen,
    except: part.except?.map(negate),
  };
}

/** Whether every further digit keeps a member in reach, so that nothing need be checked. */
export function endless(set: NumberSet, negative: boolean): boolean {
  return set.some((part) => !(negative ? part.low : part.high) && part.spelling !== "plain");
}

function reachesPart(original: NumberPart, { negative, digits, plain, zero: onlyZero }: Prefix): boolean {
  const part = negative ? mirrored(original) : original;
  if (part.spelling === "plain" && !plain) return false;
  if (digits === undefined) return memberBetween(part, zero, false, undefined, false) !== undefined;
  if (digits === 0n) {
    if (onlyZero && part.spelling === "plain") return inPart(part, zero, true);
    return memberBetween(part, zero, false, undefined, false) !== undefined;
  }
  if (part.high && compareDecimals(part.high, zero) <= 0) return false;
  const first = decimal(digits);
  const leading = magnitude(first);
  const step = part.step;
  const least = [part.low, step]
    .filter((d) => d && d.units > 0n)
    .sort((a, b) => compareDecimals(a!, b!))
    .at(-1);
  let from: number;
  if (least) from = magnitude(least) - leading - 1;
  else if (part.high) from = magnitude(part.high) - leading - 2;
  else return true;
  const to = part.high
    ? magnitude(part.high) - leading
    : Math.max(from + 1, (step ? magnitude(step) : from) + 2, from + 3);
  if (part.spelling === "plain") from = Math.max(from, 0);
  for (let k = from; k <= to; k++)
    if (memberBetween(part, decimal(digits, k), false, decimal(digits + 1n, k), true)) return true;
  return false;
}

/** Whether digits written so far can still become a member. */
export function reaches(set: NumberSet, prefix: Prefix): boolean {
  return set.some((part) => reachesPart(part, prefix));
}

/** Largest number of digits of an exponent. */
export const maxExponentDigits = 3;

/** Whether `units × 10^(scale + e)` is a member for an exponent e that begins with some digits. */
export function reachesExponent(
  set: NumberSet,
  units: bigint,
  scale: number,
  sign: "" | "+" | "-",
  begun: string,
): boolean {
  const base = decimal(units, scale);
  const candidates: number[] = [];
  if (base.units === 0n) candidates.push(0);
  else {
    const near = new Set<number>([0]);
    for (const { low, high, step } of set)
      for (const bound of [low, high, step]) if (bound) near.add(magnitude(bound) - magnitude(base));
    const reach = 70 + base.size + Math.max(0, ...set.map(({ step }) => (step ? step.size * 4 : 0)));
    for (const middle of near) for (let d = 0; d <= reach; d++) candidates.push(middle + d, middle - d);
  }
  const seen = new Set<number>();
  const members = (e: number): boolean => {
    if (seen.has(e)) return false;
    seen.add(e);
    return containsNumber(set, decimal(units, scale + e), false);
  };
  const fits = (e: number): boolean => {
    if (sign === "-" ? e > 0 : sign === "+" || begun ? e < 0 : false) return false;
    const text = String(Math.abs(e));
    for (let pad = text; pad.length <= maxExponentDigits; pad = `0${pad}`) if (pad.startsWith(begun)) return true;
    return false;
  };
  if (base.units === 0n) return members(0);
  if (candidates.some((e) => fits(e) && members(e))) return true;
  // far from every bound only the exponents that begin this way are left
  for (let more = 0; more <= maxExponentDigits - begun.length; more++)
    for (let i = 0; i < 10 ** more; i += 10 ** Math.max(0, more - 1)) {
      const text = begun + (more ? String(i).padStart(more, "0") : "");
      if (text && members(sign === "-" ? -Number(text) : Number(text))) return true;
    }
  return false;
}

/** A spelling for a member of a part. */
export function spell(value: Decimal, part: NumberPart, text: (value: Decimal) => string): string {
  if (part.spelling === "plain") return (value.units * power10(value.exponent)).toString();
  const usual = text(value);
  return part.spelling === "not-plain" && /^-?\d+$/.test(usual) ? `${usual}.0` : usual;
}

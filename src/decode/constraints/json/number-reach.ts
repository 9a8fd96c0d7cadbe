/**
 * Whether digits that were written so far can still become a member of a set of numbers, and which members these are. Knows
 * neither bytes nor states.
 */
import { compareDecimals, type Decimal, decimal, magnitude, one, sameDecimal, zero } from "./decimal.ts";
import {
  containsNumber,
  inPart,
  memberBetween,
  mirrored,
  type NumberPart,
  type NumberSet,
  shortMember,
} from "./number-set.ts";

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

/** Whether every further digit keeps a member in reach, so that nothing need be checked. */
export function endless(set: NumberSet, negative: boolean): boolean {
  return set.some((part) => !(negative ? part.low : part.high) && part.spelling !== "plain");
}

/** Scales at which digits can be those of a member of a part that is not negative; null when they cannot. */
function scalesOf(
  { low, high, step, spelling }: NumberPart,
  digits: bigint,
): readonly [from: number, to: number] | null {
  if (high && compareDecimals(high, zero) <= 0) return null;
  const leading = magnitude(decimal(digits));
  const least = [low, step]
    .filter((d) => d && d.units > 0n)
    .sort((a, b) => compareDecimals(a!, b!))
    .at(-1);
  if (!least && !high) return [0, 0];
  const from = least ? magnitude(least) - leading - 1 : magnitude(high!) - leading - 2;
  const to = high ? magnitude(high) - leading : Math.max(from + 1, (step ? magnitude(step) : from) + 2, from + 3);
  return [spelling === "plain" ? Math.max(from, 0) : from, to];
}

/** Whether digits are the first ones of a number that is not zero, or the number followed by zeros. */
function beginsWith(point: Decimal, digits: bigint, plain: boolean): boolean {
  const [own, begun] = [point.units.toString(), digits.toString()];
  if (plain && point.size + point.exponent < begun.length) return false;
  return own.length >= begun.length ? own.startsWith(begun) : begun === own.padEnd(begun.length, "0");
}

function reachesPart(original: NumberPart, { negative, digits, plain, zero: onlyZero }: Prefix): boolean {
  const part = negative ? mirrored(original) : original;
  const { low, high, spelling } = part;
  if (spelling === "plain" && !plain) return false;
  if (digits === undefined) return memberBetween(part, zero, false, undefined, false) !== undefined;
  if (digits === 0n) {
    if (onlyZero && spelling === "plain") return inPart(part, zero, true);
    return memberBetween(part, zero, false, undefined, false) !== undefined;
  }
  if (low && high && sameDecimal(low, high))
    return low.units > 0n && beginsWith(low, digits, spelling === "plain") && inPart(part, low, undefined);
  const scales = scalesOf(part, digits);
  if (!scales) return false;
  if (!high && !part.step && !(low && low.units > 0n)) return true;
  for (let k = scales[0]; k <= scales[1]; k++)
    if (memberBetween(part, decimal(digits, k), false, decimal(digits + 1n, k), true)) return true;
  return false;
}

/** Whether digits written so far can still become a member. */
export function reaches(set: NumberSet, prefix: Prefix): boolean {
  return set.some((part) => reachesPart(part, prefix));
}

/** Members with few digits that begin with those written so far, without their sign, each with its part. */
export function* membersBehind(
  set: NumberSet,
  { negative, digits, plain, zero: onlyZero }: Prefix,
): Generator<{ readonly value: Decimal; readonly part: NumberPart }> {
  for (const original of set) {
    const part = negative ? mirrored(original) : original;
    if (part.spelling === "plain" && (!plain || (onlyZero && !inPart(part, zero, true)))) continue;
    if (!digits) {
      for (const value of [
        shortMember(part, zero, one, true),
        shortMember(part, zero) ?? memberBetween(part, zero, false, undefined, false),
      ])
        if (value) yield { value, part };
      continue;
    }
    const scales = scalesOf(part, digits);
    if (!scales) continue;
    // whether there is a member shows at some scales; one that needs no exponent may stand at another
    for (let k = Math.min(scales[0], -3); k <= Math.max(scales[1], 0); k++) {
      if (k > 0 && k < scales[0]) continue;
      const [low, high] = [decimal(digits, k), decimal(digits + 1n, k)];
      const value = shortMember(part, low, high, true) ?? memberBetween(part, low, false, high, true);
      if (value) yield { value, part };
    }
  }
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

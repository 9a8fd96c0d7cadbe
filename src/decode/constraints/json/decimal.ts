/**
 * Decimal numbers of any size, exactly: what JSON can write and doubles cannot hold. Knows nothing of schemas.
 */

/** `units × 10^exponent`, without trailing zeros in `units`; zero has exponent 0. */
export interface Decimal {
  readonly units: bigint;
  readonly exponent: number;
  /** Number of decimal digits of `units`. */
  readonly size: number;
}

const powers: bigint[] = [1n];

/** 10 to a power that is not negative. */
export function power10(exponent: number): bigint {
  if (exponent > 400) return 10n ** BigInt(exponent);
  while (powers.length <= exponent) powers.push(powers.at(-1)! * 10n);
  return powers[exponent]!;
}

/** The normal form of `units × 10^exponent`. */
export function decimal(units: bigint, exponent = 0): Decimal {
  if (units === 0n) return { units, exponent: 0, size: 1 };
  let text = (units < 0n ? -units : units).toString();
  let end = text.length;
  while (text.charCodeAt(end - 1) === 48) end--;
  if (end < text.length) {
    const cut = text.length - end;
    text = text.slice(0, end);
    return { units: units < 0n ? -BigInt(text) : BigInt(text), exponent: exponent + cut, size: end };
  }
  return { units, exponent, size: text.length };
}

/** Zero. */
export const zero: Decimal = decimal(0n);
/** One. */
export const one: Decimal = decimal(1n);

/** Reads a JSON number; undefined for anything else, or an exponent beyond ±100,000. */
export function parseDecimal(text: string): Decimal | undefined {
  const found = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text);
  if (!found) return undefined;
  const fraction = found[3] ?? "";
  const exponent = Number(found[4] ?? 0) - fraction.length;
  if (Math.abs(exponent) > 100_000) return undefined;
  const units = BigInt(found[2]! + fraction);
  return decimal(found[1] ? -units : units, exponent);
}

/** The same number with the other sign. */
export function negate(a: Decimal): Decimal {
  return { units: -a.units, exponent: a.exponent, size: a.size };
}

/** Exponent of the leading digit. */
export function magnitude(a: Decimal): number {
  return a.size + a.exponent - 1;
}

/** Negative, zero or positive as `a` is less than, equal to or greater than `b`. */
export function compareDecimals(a: Decimal, b: Decimal): number {
  const signA = a.units < 0n ? -1 : a.units > 0n ? 1 : 0;
  const signB = b.units < 0n ? -1 : b.units > 0n ? 1 : 0;
  if (signA !== signB) return signA - signB;
  if (signA === 0) return 0;
  const order = magnitude(a) - magnitude(b);
  if (order !== 0) return order * signA;
  const shift = a.exponent - b.exponent;
  const x = shift > 0 ? a.units * power10(shift) : a.units;
  const y = shift < 0 ? b.units * power10(-shift) : b.units;
  return x < y ? -1 : x > y ? 1 : 0;
}

/** Whether two numbers are equal, told from their normal forms. */
export function sameDecimal(a: Decimal, b: Decimal): boolean {
  return a.exponent === b.exponent && a.units === b.units;
}

/** Both as integers over a common power of ten. */
export function aligned(a: Decimal, b: Decimal): readonly [bigint, bigint, exponent: number] {
  const exponent = Math.min(a.exponent, b.exponent);
  return [a.units * power10(a.exponent - exponent), b.units * power10(b.exponent - exponent), exponent];
}

/** Whether `a` is a whole multiple of `b`, which is positive. */
export function isMultiple(a: Decimal, b: Decimal): boolean {
  if (a.units === 0n) return true;
  if (b.units === 1n && a.exponent >= b.exponent) return true;
  const [x, y] = aligned(a, b);
  return x % y === 0n;
}

/** The smallest positive number that is a whole multiple of both. */
export function leastCommonMultiple(a: Decimal, b: Decimal): Decimal {
  const [x, y, exponent] = aligned(a, b);
  let [p, q] = [x, y];
  while (q) [p, q] = [q, p % q];
  return decimal((x / p) * y, exponent);
}

/** Shortest usual spelling in JSON. */
export function decimalText({ units, exponent, size }: Decimal): string {
  const sign = units < 0n ? "-" : "";
  const digits = (units < 0n ? -units : units).toString();
  if (exponent >= 0 && exponent <= 20) return sign + digits + "0".repeat(exponent);
  if (exponent < 0 && size + exponent > 0)
    return `${sign}${digits.slice(0, size + exponent)}.${digits.slice(size + exponent)}`;
  if (exponent < 0 && size + exponent > -6) return `${sign}0.${"0".repeat(-size - exponent)}${digits}`;
  return `${sign}${digits}e${exponent}`;
}

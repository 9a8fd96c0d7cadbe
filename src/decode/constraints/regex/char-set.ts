/**
 * Sets of Unicode code points as sorted ranges, and the sets that ECMAScript's pattern classes stand for. Knows nothing of
 * patterns or automata.
 */

/** Sorted, disjoint, non-adjacent inclusive ranges `[from, to, from, to, …]` of code points. */
export type CharSet = readonly number[];

/** The largest code point. */
export const maxCodePoint = 0x10ffff;

/** All code points. */
export const anyChar: CharSet = [0, maxCodePoint];

/** A set of arbitrary ranges, in any order. */
export function charSet(ranges: readonly (readonly [number, number])[]): CharSet {
  const sorted = ranges.filter(([from, to]) => from <= to).sort((a, b) => a[0] - b[0]);
  const out: number[] = [];
  for (const [from, to] of sorted) {
    if (out.length && from <= out[out.length - 1]! + 1) out[out.length - 1] = Math.max(out[out.length - 1]!, to);
    else out.push(from, to);
  }
  return out;
}

/** All members of both. */
export function unionSets(a: CharSet, b: CharSet): CharSet {
  const pairs: [number, number][] = [];
  for (let i = 0; i < a.length; i += 2) pairs.push([a[i]!, a[i + 1]!]);
  for (let i = 0; i < b.length; i += 2) pairs.push([b[i]!, b[i + 1]!]);
  return charSet(pairs);
}

/** Code points that are not in a set. */
export function complementSet(a: CharSet): CharSet {
  const out: number[] = [];
  let from = 0;
  for (let i = 0; i < a.length; i += 2) {
    if (a[i]! > from) out.push(from, a[i]! - 1);
    from = a[i + 1]! + 1;
  }
  if (from <= maxCodePoint) out.push(from, maxCodePoint);
  return out;
}

/** Common members. */
export function intersectSets(a: CharSet, b: CharSet): CharSet {
  const out: number[] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const from = Math.max(a[i]!, b[j]!);
    const to = Math.min(a[i + 1]!, b[j + 1]!);
    if (from <= to) out.push(from, to);
    if (a[i + 1]! < b[j + 1]!) i += 2;
    else j += 2;
  }
  return out;
}

/** `\d`. */
export const digits: CharSet = [48, 57];
/** `\w`. */
export const wordChars: CharSet = [48, 57, 65, 90, 95, 95, 97, 122];
/** `\s`: white space and line ends. */
export const spaces: CharSet = charSet([
  [9, 13],
  [32, 32],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
]);
/** What `.` leaves out. */
export const lineEnds: CharSet = [10, 10, 13, 13, 0x2028, 0x2029];

const properties = new Map<string, CharSet>();

/** Members of `\p{name}`; undefined when ECMAScript does not know the property. */
export function unicodeProperty(name: string): CharSet | undefined {
  const known = properties.get(name);
  if (known) return known;
  let pattern: RegExp;
  try {
    pattern = new RegExp(`^\\p{${name}}$`, "u");
  } catch {
    return undefined;
  }
  const out: number[] = [];
  let inside = false;
  for (let code = 0; code <= maxCodePoint; code++) {
    const member = (code < 0xd800 || code > 0xdfff) && pattern.test(String.fromCodePoint(code));
    if (member !== inside) {
      out.push(member ? code : code - 1);
      inside = member;
    }
  }
  if (inside) out.push(maxCodePoint);
  properties.set(name, out);
  return out;
}

const folds = new Map<number, readonly number[]>();

/** A set with the other cases of its letters, for patterns that ignore case. */
export function ignoreCase(set: CharSet): CharSet {
  if (!folds.size) {
    for (let code = 0; code < 0x1e944; code++) {
      if (code >= 0xd800 && code <= 0xdfff) continue;
      const text = String.fromCodePoint(code);
      const lower = text.toLowerCase();
      const upper = text.toUpperCase();
      const others = [lower, upper].flatMap((t) => ([...t].length === 1 && t !== text ? [t.codePointAt(0)!] : []));
      for (const other of others) {
        folds.set(code, [...(folds.get(code) ?? []), other]);
        folds.set(other, [...(folds.get(other) ?? []), code]);
      }
    }
  }
  const extra: [number, number][] = [];
  for (const [code, others] of folds)
    for (let i = 0; i < set.length; i += 2)
      if (code >= set[i]! && code <= set[i + 1]!) for (const other of others) extra.push([other, other]);
  return unionSets(set, charSet(extra));
}

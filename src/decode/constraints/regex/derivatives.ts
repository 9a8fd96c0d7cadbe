/**
 * Functions from code points to languages, changed and joined range by range; and which code point to choose where many do. Knows
 * no kinds of terms.
 */
import type { Derivatives, Regex } from "./term.ts";

/** Derivatives with other languages behind the same characters. */
export function mapDerivatives(table: Derivatives, change: (next: Regex) => Regex): Derivatives {
  const memo = new Map<Regex, Regex>();
  const from: number[] = [];
  const to: Regex[] = [];
  table.to.forEach((next, i) => {
    let changed = memo.get(next);
    if (!changed) {
      changed = change(next);
      memo.set(next, changed);
    }
    if (to.at(-1) === changed) return;
    from.push(table.from[i]!);
    to.push(changed);
  });
  return { from, to };
}

/** Derivatives of a term whose parts have these. */
export function mergeDerivatives(
  tables: readonly Derivatives[],
  join: (parts: readonly Regex[]) => Regex,
): Derivatives {
  const bounds = [...new Set(tables.flatMap(({ from }) => from))].sort((a, b) => a - b);
  const at = tables.map(() => 0);
  const from: number[] = [];
  const to: Regex[] = [];
  let last = "";
  for (const bound of bounds) {
    let changed = false;
    tables.forEach((table, i) => {
      while (at[i]! + 1 < table.from.length && table.from[at[i]! + 1]! <= bound) {
        at[i]!++;
        changed = true;
      }
    });
    if (!changed && from.length) continue;
    const parts = tables.map((table, i) => table.to[at[i]!]!);
    const key = parts.map(({ id }) => id).join();
    if (key === last) continue;
    last = key;
    const joined = join(parts);
    if (to.at(-1) === joined) continue;
    from.push(bound);
    to.push(joined);
  }
  return { from, to };
}

/** The friendliest character of a range, and how friendly it is. */
export function preferred(from: number, to: number): [number, number] {
  const inside = (low: number, high: number) => (from <= high && to >= low ? Math.max(from, low) : undefined);
  const letter = inside(97, 122);
  if (letter !== undefined) return [letter, 5];
  const digit = inside(48, 57);
  if (digit !== undefined) return [digit, 4];
  const capital = inside(65, 90);
  if (capital !== undefined) return [capital, 4];
  const mark = inside(35, 91) ?? inside(33, 33) ?? inside(93, 126);
  if (mark !== undefined) return [mark, 3];
  const printable = inside(32, 126);
  if (printable !== undefined) return [printable, 2];
  const unicode = inside(0xa0, 0xd7ff) ?? inside(0xe000, 0x10ffff);
  if (unicode !== undefined) return [unicode, 1];
  const control = inside(0, 0xd7ff);
  return control === undefined ? [from, -2] : [control, 0];
}

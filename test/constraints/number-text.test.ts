/**
 * Numbers that are being written: the short ways of telling what may come agree with the general one, and states that are said
 * to be alike go on alike.
 */
import { describe, expect, it } from "vitest";
import { decimal } from "../../src/decode/constraints/json/decimal.ts";
import { type NumberSet, reaches, someNumber } from "../../src/decode/constraints/json/number-set.ts";
import { NumberText } from "../../src/decode/constraints/json/number-text.ts";

const number = (value: number | undefined) => (value === undefined ? undefined : decimal(BigInt(value)));

const sets: NumberSet[] = [];
for (const low of [undefined, -30, 0, 1, 7])
  for (const high of [undefined, 5, 50, 123, 2147])
    for (const open of [false, true])
      for (const [step, spelling] of [
        [undefined, "any"],
        [1, "any"],
        [1, "plain"],
      ] as const)
        sets.push([
          { low: number(low), high: number(high), lowOpen: open, highOpen: open, step: number(step), spelling },
        ]);
const withMembers = sets.filter((set) => someNumber(set) !== undefined);

const behind = (state: NumberText | null, text: string): NumberText | null => {
  let at = state;
  for (const char of text) at = at?.step(char.charCodeAt(0)) ?? null;
  return at;
};

const values = [1, 2, 5, 6, 9, 10, 29, 30, 31, 49, 50, 51, 60, 99, 100, 119, 120, 123, 124, 130, 200, 500, 600, 601];
values.push(1200, 1230, 1231, 2100, 2140, 2146, 2147, 2148, 2150, 2200, 3000, 21_470, 50_000);
const continuations = [
  "",
  "0",
  "1",
  "5",
  "9",
  "00",
  "01",
  "47",
  "99",
  ".0",
  ".5",
  "e0",
  "e1",
  "e-1",
  "e-2",
  ".0e1",
  "e-",
];

describe("digits of a bounded number", () => {
  it.each(withMembers.map((set, i) => [i, set] as const))("set %i", (_, set) => {
    const byKind = new Map<string, string>();
    const wrong: string[] = [];
    let alike = 0;
    for (const value of values)
      for (const sign of ["", "-"]) {
        const digits = String(value);
        const state = behind(NumberText.start(set), sign + digits);
        const expected = [...digits].every((_, i) =>
          reaches(set, { negative: sign === "-", digits: BigInt(digits.slice(0, i + 1)), plain: true, zero: false }),
        );
        if ((state !== null) !== expected)
          wrong.push(`${sign}${digits} should be ${expected ? "possible" : "impossible"}`);
        const kind = state?.kind(false);
        if (!state || kind === undefined) continue;
        const future = continuations.map((text) => behind(state, text)?.accepted ?? "no").join();
        const known = byKind.get(kind);
        if (known !== undefined) alike++;
        if (known !== undefined && known !== future)
          wrong.push(`${sign}${digits} is ${kind}: ${future} instead of ${known}`);
        byKind.set(kind, future);
      }
    expect(wrong).toEqual([]);
    expect(byKind.size + alike).toBeGreaterThan(0);
  });
});

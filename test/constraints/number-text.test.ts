/**
 * Numbers that are being written: the short ways of telling what may come agree with the general one, and states that are said
 * to be alike go on alike.
 */
import { describe, expect, it } from "vitest";
import { decimal } from "../../src/decode/constraints/json/decimal.ts";
import { numberEnd } from "../../src/decode/constraints/json/number-end.ts";
import { reaches } from "../../src/decode/constraints/json/number-reach.ts";
import { type NumberSet, someNumber } from "../../src/decode/constraints/json/number-set.ts";
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

describe("ends of a number that was begun", () => {
  const alphabet = "0123456789.e-";
  const states = (set: NumberSet, depth: number): NumberText[] => {
    let level = [NumberText.start(set)];
    const all: NumberText[] = [];
    for (let i = 0; i < depth; i++) {
      level = level.flatMap((state) => [...alphabet].flatMap((character) => behind(state, character) ?? []));
      all.push(...level);
    }
    return all;
  };
  const shortest = (state: NumberText, most: number): number => {
    let level = [state];
    for (let length = 0; length <= most; length++) {
      if (level.some(({ accepted }) => accepted)) return length;
      level = level.flatMap((at) => [...alphabet].flatMap((character) => behind(at, character) ?? []));
    }
    return most + 1;
  };
  const tiny = decimal(1n, -30);
  const odd: NumberSet[] = [
    [{ step: tiny, low: decimal(1n, -1), high: decimal(2n, -1) }],
    [{ step: decimal(1n), low: decimal(10n ** 300n - 1n), high: decimal(1n, 300) }],
    [{ step: decimal(125n, -3), low: decimal(7n), high: decimal(8n) }],
    [{ low: decimal(314159n, -5), high: decimal(31416n, -4), lowOpen: true }],
    [{ low: decimal(-2n, -5), high: decimal(-1n, -5), highOpen: true }],
    [3n, 17n, 250n, -4n].map((n) => ({ low: decimal(n), high: decimal(n) })),
    [
      { low: decimal(7n, 3), high: decimal(7n, 3) },
      { low: decimal(2n, -7), high: decimal(2n, -7) },
    ],
    [{ step: decimal(7n), notSteps: [decimal(2n)], low: decimal(50n), high: decimal(100n) }],
  ];

  it.each([...odd, ...withMembers].map((set, i) => [i, set] as const))("set %i", { timeout: 120_000 }, (i, set) => {
    const wrong: string[] = [];
    for (const state of states(set, i < odd.length ? 3 : 2)) {
      const end = numberEnd(state);
      if (end === undefined || !behind(state, end)?.accepted) wrong.push(`${state.text} has no end: ${end}`);
      else if (end.length > 1) {
        const most = Math.min(end.length - 1, 2);
        if (shortest(state, most) <= most) wrong.push(`${state.text} ends with ${end}`);
      }
    }
    expect(wrong).toEqual([]);
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { interpretedMatcher, matcherOf, StepBudget } from "./bounded-regexp.ts";

function native(pattern: RegExp, text: string): [number, number][] {
  return [...text.matchAll(pattern)]
    .map((m): [number, number] => [m.index, m.index + m[0].length])
    .filter(([a, b]) => b > a);
}

const contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const llama3 = `${contractions}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
const gpt2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
const text = fc.string({ unit: fc.constantFrom(..."aZé日🙂1²½ \t\r\n'sTlL.,-_\u0085\u00a0\u200b") });

describe("matcherOf", () => {
  it.each([
    ["llama3", llama3],
    ["gpt2", gpt2],
  ])("interprets %s as the native engine runs it", (_, pattern) => {
    const interpreted = interpretedMatcher(pattern);
    const known = matcherOf(pattern);
    fc.assert(
      fc.property(text, (t) => {
        expect(interpreted(t)).toEqual(known(t));
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    "a*?b",
    "(a|ab)(c|bcd)*",
    "(?:a?){3}a{2,3}",
    "[^a-c\\]-]+",
    "x*(?=y)",
    "(?!a)[a-z]{2}",
    "(?:ab|a)*c?",
    "(?:a|b)+?b",
    "^a|b$",
    ".",
    "(a*)*b",
    "(?:(?:a|b){2}c?)+",
  ])("agrees with the native engine on /%s/", (pattern) => {
    const interpreted = interpretedMatcher(pattern);
    const flags = pattern.includes("^a|") ? "gum" : "gu";
    const letters = fc.string({ unit: fc.constantFrom(..."abcdxy]-🙂\n"), maxLength: 14 });
    fc.assert(
      fc.property(letters, (t) => {
        expect(interpreted(t)).toEqual(native(new RegExp(pattern, flags), t));
      }),
      { numRuns: 300 },
    );
  });

  it("takes possessive and atomic groups as such", () => {
    expect(interpretedMatcher("a++a")("aaa")).toEqual([]);
    expect(interpretedMatcher("(?>a|ab)c")("abc")).toEqual([]);
    expect(interpretedMatcher("(?:ab)?+c")("abc")).toEqual([[0, 3]]);
  });

  it.each(["(a+)+b", "(a|a)*b", "(a*)*b", "a*a*a*a*a*a*b", "(?:a?){100}b"])(
    "stops /%s/ when it backtracks without end",
    (pattern) => {
      let code = "none";
      try {
        matcherOf(pattern)("a".repeat(5000));
      } catch (error) {
        code = (error as { code: string }).code;
      }
      expect(["format", "none"]).toContain(code);
    },
  );

  it("refuses what is invalid or not supported, naming the pattern", () => {
    for (const bad of ["(", ")", "[", "a{2,1}", "*", "[z-a]", "a{99999}", "\\p{Nonsense}", "\\", "(?"])
      expect(() => matcherOf(bad)("aaa"), bad).toThrow(/pattern/);
    for (const unsupported of ["\\1", "(?<=a)b", "[a&&b]", "[a[b]]", "\\bword", "(?m)a"])
      expect(() => matcherOf(unsupported), unsupported).toThrow(/not supported/);
    expect(() => matcherOf("a".repeat(5000))).toThrow(/longer/);
  });

  it("refuses matches that nest deeper than the stack", () => {
    // each repetition takes several frames, and how many there are depends on the pattern
    for (const pattern of ["(a|a)*b", "(a|aa)+$", "(\\s*a\\s*)*$", `(?:${"a?".repeat(300)}a)*$`])
      for (const length of [1500, 8000])
        try {
          interpretedMatcher(pattern)("a".repeat(length));
        } catch (error) {
          expect(error).toMatchObject({ code: "format" });
        }
  });

  it("shares the steps of one text between patterns and pieces", () => {
    const budget = new StepBudget();
    const matcher = interpretedMatcher("(?:a?){20}b", budget);
    budget.start(10);
    expect(() => {
      for (let piece = 0; piece < 100_000; piece++) matcher("aaaaaaaaaa");
    }).toThrow(expect.objectContaining({ code: "format" }));
    budget.start(10);
    expect(matcher("aab")).toEqual([[0, 3]]);
  });

  it("matches long runs without overflowing the stack", () => {
    expect(interpretedMatcher("\\s+(?!\\S)|\\s+")(" ".repeat(300_000))).toEqual([[0, 300_000]]);
  });
});

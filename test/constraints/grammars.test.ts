/**
 * Patterns, choices and context-free grammars as constraints.
 */
import { describe, expect, it } from "vitest";
import { accepts, engine, newMask, textOf, tokensOf } from "./engine.ts";

const arithmetic = `root ::= expr
expr ::= term ("+" term | "-" term)*   # sums
term ::= [0-9]+ | "(" expr ")" | "\\"" [^"\\x00-\\x1f] "\\""
`;
const lark = `
start: pair ("," pair)*
pair: NAME "=" value -> assignment
?value: NUMBER | "[" [value ("," value)*] "]" | "yes"i
NAME: /[a-z]\\w*/
%import common.NUMBER
%ignore " "
`;

describe("patterns and choices", () => {
  it("match from end to end", () => {
    const compiled = engine.regex("(?:ab|c)+\\d{2,3}|é");
    expect(["ab10", "cab100", "é"].filter((text) => !accepts(compiled, text))).toEqual([]);
    expect(["ab1", "xab10", "ab1000", ""].filter((text) => accepts(compiled, text))).toEqual([]);
  });

  it("choices are a list", () => {
    const compiled = engine.choices(["foo", "foobar", "日本"]);
    expect(["foo", "foobar", "日本"].map((text) => accepts(compiled, text))).toEqual([true, true, true]);
    expect(["fo", "foob", ""].map((text) => accepts(compiled, text))).toEqual([false, false, false]);
    expect(() => engine.choices([])).toThrowError(/no text satisfies/);
  });

  it("what is not regular is refused by name", () => {
    expect(() => engine.regex("(a)\\1")).toThrowError(/back-reference/);
  });
});

describe("grammars", () => {
  it("GBNF", () => {
    const compiled = engine.grammar(arithmetic, "gbnf");
    expect(["1", "1+2", "(1-(2+34))+5", '"日"'].filter((text) => !accepts(compiled, text))).toEqual([]);
    expect(["", "1+", "(1", "1)", "a"].filter((text) => accepts(compiled, text))).toEqual([]);
  });

  it("Lark", () => {
    const compiled = engine.grammar(lark, "lark");
    expect(["a=1", "a = 1.5 , b=[ ]", "x=[[1,2],[]],y=YES"].filter((text) => !accepts(compiled, text))).toEqual([]);
    expect(["", "a=", "1=a", "a=[1", "a=no"].filter((text) => accepts(compiled, text))).toEqual([]);
  });

  it("left recursion and empty rules", () => {
    const compiled = engine.grammar('root ::= root "a" none | none\nnone ::= "" | none none', "gbnf");
    expect(["", "a", "aaaa"].map((text) => accepts(compiled, text))).toEqual([true, true, true]);
    expect(accepts(compiled, "b")).toBe(false);
  });

  it.each([
    ["root ::= nobody", "gbnf", /rule nobody/],
    ['other ::= "a"', "gbnf", /no rule root/],
    ['root ::= "a', "gbnf", /line 1.*not closed/],
    ['root ::= root "a"', "gbnf", /no text satisfies/],
    ["start: THING", "lark", /no terminal THING/],
    ["%declare X\nstart: X", "lark", /not supported/],
  ] as const)("%s is refused", (text, notation, message) => {
    expect(() => engine.grammar(text, notation)).toThrowError(message);
  });

  it.each([
    ["gbnf", arithmetic],
    ["lark", lark],
  ] as const)("walks of a %s grammar never end dead, and can always be completed", (notation, text) => {
    const compiled = engine.grammar(text, notation);
    const mask = newMask();
    let state = 7;
    for (let walk = 0; walk < 25; walk++) {
      const constraint = compiled.start();
      const taken: number[] = [];
      for (let i = 0; i < 12; i++) {
        constraint.mask(mask);
        const allowed = tokensOf(mask).filter((id) => engine.vocabulary.bytesOf(id));
        if (!allowed.length) break;
        state = (state * 1103515245 + 12345) % 2147483648;
        const token = allowed[state % allowed.length]!;
        expect(constraint.advance(token)).toBe(true);
        taken.push(token);
      }
      const rest = constraint.shortestCompletion();
      expect(accepts(compiled, "", [...taken, ...rest]), textOf([...taken, ...rest])).toBe(true);
    }
  });
});

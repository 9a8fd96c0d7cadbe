/**
 * Places in program text: what is open, and what closes it.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { codeStart, missingClosers, openFrames, scanCode, stepPlace } from "./code-scanner.ts";

const openIn = (text: string) =>
  openFrames(scanCode(text))
    .map(({ bracket }) => bracket)
    .reverse()
    .join(" ");

describe("scanCode", () => {
  it.each([
    ["f(a, [b, { c: 1", "( [ {"],
    ["f(a)[b]{c}", ""],
    ["f(\"(\", '[', ", "("],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: code that is read
    ["f(`a ${g(1)} ${h(", "( ` ${ ("],
    ["f(`a ) ` + (", "( ("],
    ["// f(\n/* ( [ */ {", "{"],
    ["x = a / b / (c", "("],
    ["x = /[(/]\\//.test(y", "("],
    ["return /\\(/g.exec(", "("],
    ["if (a) / 2 / (", "("],
    ["f('it\\'s (', (", "( ("],
    ["'not closed (\n(", "("],
    ["a) + (b", "("],
  ])("finds what is open in %s", (text, open) => expect(openIn(text)).toBe(open));

  it("tells the mode", () => {
    const modes = ["a", "'a", "// a", "/* a", "`a", "`${a", "x = /a", "a /"].map((text) => scanCode(text).mode);
    expect(modes).toEqual(["code", "string", "line-comment", "block-comment", "template", "code", "regex", "code"]);
  });

  it("counts commas and knows what stood before a bracket", () => {
    const { frame } = scanCode("const x = it.add (a, [b, c], ");
    expect(frame).toMatchObject({ bracket: "(", word: "add", commas: 2, empty: true, unclear: false });
    expect(scanCode("f(new Map<string, ").frame).toMatchObject({ unclear: true });
    expect(scanCode("f(...rest").frame).toMatchObject({ unclear: true });
    expect(scanCode("f(a.b").frame).toMatchObject({ unclear: false, empty: false });
    expect(scanCode("f(g(1), ").frame).toMatchObject({ commas: 1 });
    expect(scanCode("f(g(1)").frame).toMatchObject({ commas: 0, empty: false });
  });

  it("reads any text in pieces as it reads it at once", () => {
    const pieces = fc.array(
      fc.constantFrom("(", ")", "{", "}", "`", "$", "{", "'", '"', "/", "*", "\\", "\n", "a", ",", " "),
    );
    fc.assert(
      fc.property(pieces, fc.nat(), (parts, cut) => {
        const text = parts.join("");
        const at = cut % (text.length + 1);
        expect(scanCode(text.slice(at), scanCode(text.slice(0, at)))).toEqual(scanCode(text));
        expect(stepPlace(codeStart, "x").offset).toBe(1);
      }),
    );
  });
});

describe("missingClosers", () => {
  it.each([
    ["f(a, [b", "", "])"],
    ["class A { f() { g(", "\n}\n", ")}"],
    ["class A { f() { g(", "); } }", ""],
    ["`a ${b", "", "}`"],
    ["f(", "// )", ")"],
  ])("of %s before %s are %s", (text, after, closers) => expect(missingClosers(scanCode(text), after)).toBe(closers));

  it("leaves nothing open, whatever the text", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("(", ")", "[", "]", "{", "}", "`", "${", "a", ",")), (parts) => {
        const text = parts.join("");
        expect(openFrames(scanCode(text + missingClosers(scanCode(text))))).toEqual([]);
      }),
    );
  });
});

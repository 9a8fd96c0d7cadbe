/** Roles of identifiers in written programs, windows of files, and rare tokens. */
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { countRoles, splitFiles, TokenTexts } from "../../papers/layerwise-unmasking/corpus.ts";
import { tokensOf } from "../../papers/layerwise-unmasking/roles.ts";

/** A place in a template where an expression stands. */
const hole = (expression: string) => `\${${expression}}`;

const labelled = (text: string) =>
  tokensOf(ts, "a.ts", text)
    .filter(({ role }) => role)
    .map((token) => `${token.text}:${token.role}`)
    .join(" ");

describe("roles of identifiers", () => {
  it.each<[string, string]>([
    ["foo(bar);", "foo:CALL bar:REF"],
    ["a.b.c(d.e);", "a:REF b:PROP c:MCALL d:REF e:PROP"],
    ["new Map<string, Foo>(map());", "Map:REF Foo:TYPE map:CALL"],
    ["const f = (a, { b, c: d }, [e]) => a;", "f:VDECL a:PARAM b:REF c:REF d:REF e:REF a:REF"],
    ["const o = { k: 1, s, m() {}, [q]: 2 };", "o:VDECL k:KEY s:SHORT m:FDECL q:REF"],
    [
      `function g<T extends U>(x?: T): x is V { return h\`a${hole("x")}b\`; }`,
      "g:FDECL T:REF U:TYPE x:PARAM T:TYPE x:REF V:TYPE h:REF x:REF",
    ],
    ["interface I { p: L<M>; q(r: N): void }", "I:REF p:KEY L:TYPE M:TYPE q:KEY r:PARAM N:TYPE"],
    ["class C extends D { f = 1; get g() { return this.f; } }", "C:REF D:REF f:KEY g:FDECL f:PROP"],
    ["type P = typeof q | N.M; enum R { S }", "P:REF q:REF N:REF M:REF R:REF S:KEY"],
    ["import { a as b } from 'c'; export { b };", "a:REF b:REF b:REF"],
    ["x.y?.z(); (u)(); v!.w; x.y = z.z;", "x:REF y:PROP z:MCALL u:REF v:REF w:PROP x:REF y:PROP z:REF z:PROP"],
  ])("of %s", (text, roles) => {
    expect(labelled(text)).toBe(roles);
  });

  it("stand between all other tokens, without comments", () => {
    const text = `// c\nconst r = /a+/g.test(\`x${hole("y /* z */")}w\`) && a >= b; // end`;
    expect(tokensOf(ts, "a.ts", text).map(({ text }) => text)).toEqual([
      "const",
      "r",
      "=",
      "/a+/g",
      ".",
      "test",
      "(",
      "`x${",
      "y",
      "}w`",
      ")",
      "&&",
      "a",
      ">",
      "=",
      "b",
      ";",
    ]);
    const kinds = tokensOf(ts, "a.ts", "x = 'a' + 12n + `t`;").map(({ kind }) => kind);
    expect(kinds).toEqual(["name", "other", "string", "other", "number", "other", "template", "other"]);
    for (const token of tokensOf(ts, "a.ts", text)) expect(text.startsWith(token.text, token.start)).toBe(true);
  });
});

describe("windows", () => {
  const files = Array.from({ length: 20 }, (_, i) => ({
    path: `f${i}.ts`,
    text: Array.from({ length: 10 + i }, (_, k) => `const v${i}_${k} = call(${k});`).join("\n"),
  }));
  const sizes = { length: 8, vocabulary: 30, training: 80, validation: 10, test: 10, otherFiles: 12 };
  const { parts, all } = splitFiles(ts, files, sizes, 1);

  it("are shared out once each, some files as a whole", () => {
    const { training, validation, test, otherFiles } = parts;
    expect([training, validation, test, otherFiles].map(({ length }) => length)).toEqual([80, 10, 10, 12]);
    const used = [...training, ...validation, ...test, ...otherFiles];
    expect(new Set(used).size).toBe(112);
    expect(used.every((window) => all.includes(window))).toBe(true);
    const known = new Set([...training, ...validation, ...test].map(({ path }) => path));
    expect(otherFiles.filter(({ path }) => known.has(path))).toEqual([]);
    expect(countRoles(all).CALL).toBeGreaterThan(0);
  });

  it("become numbers, rare tokens by their kind", () => {
    const texts = new TokenTexts(parts.training, 30);
    expect(texts.size).toBe(30);
    const { tokens, labels } = texts.arrays(parts.test);
    expect([tokens.shape, labels.shape]).toEqual([
      [10, 8],
      [10, 8],
    ]);
    const unseen = texts.idOf({ text: "never_seen", kind: "name", start: 0 });
    expect(unseen).toBe(texts.idOf({ text: "nor_this", kind: "name", start: 0 }));
    expect(unseen).not.toBe(texts.idOf({ text: "'s'", kind: "string", start: 0 }));
  });
});

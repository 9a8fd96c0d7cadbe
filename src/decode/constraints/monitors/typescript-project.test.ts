/**
 * What TypeScript says about places in files that are only in memory.
 */
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { BletchleyError } from "../../../util/index.ts";
import { type TypeScriptModule, TypeScriptProject } from "./typescript-project.ts";

const files = {
  "/ledger.ts": `export interface Ledger {
  readonly tidyQuota: number;
  brewLedger(count: number, label?: string): Ledger;
  "a-b": number;
}
export class Safe {
  #secret = 1;
  private hidden = 2;
  open(...keys: string[]): number { return this.#secret + this.hidden; }
  close(): void {}
}
export enum Colour { Red, Green }
export function overloaded(a: number): void;
export function overloaded(a: number, b: number, c: number): void;
export function overloaded(): void {}
`,
};

const head = 'import { Colour, Ledger, overloaded, Safe } from "./ledger";\n';
const compilerOptions = {
  target: "es2022",
  module: "esnext",
  moduleResolution: "bundler",
  lib: ["es2022"],
  strict: true,
};
const project = TypeScriptProject.create({ typescript: ts, files, compilerOptions });

const membersAfter = (text: string, after = "") => {
  const before = head + text;
  return project.members("/main.ts")(before + after, before.length);
};
const aritiesAfter = (text: string) => project.arities("/main.ts")(head + text, head.length + text.length);

describe("members", () => {
  it("are those of the type, identifiers only, from other files", () => {
    expect(membersAfter("function f(ledger: Ledger) {\n  return ledger.")?.toSorted()).toEqual([
      "brewLedger",
      "tidyQuota",
    ]);
    expect(membersAfter("let c = Colour.")?.toSorted()).toEqual(["Green", "Red"]);
  });

  it("go through chains and inside of open brackets", () => {
    const chain = "function f(ledger: Ledger) {\n  g([ledger.brewLedger(1).";
    expect(membersAfter(chain)?.toSorted()).toEqual(["brewLedger", "tidyQuota"]);
  });

  it("leave private members out outside of the class, and have private names inside", () => {
    expect(membersAfter("new Safe().")?.toSorted()).toEqual(["close", "open"]);
    expect(membersAfter("class A { #own = 1; private x = 2; f() { return this.")?.toSorted()).toEqual([
      "#own",
      "f",
      "x",
    ]);
  });

  it("see what follows the place in the file", () => {
    const below = membersAfter("class A {\n  f() {\n    return this.", "\n  }\n  below = 1;\n}\n");
    expect(below?.toSorted()).toEqual(["below", "f"]);
    expect(membersAfter("class A {\n  f() {\n    return this.", "\n  below = 1;\n}\n")).toContain("below");
  });

  it.each([
    ["numbers", "const x = 3."],
    ["strings", 'const x = "it.'],
    ["comments", "// it."],
    ["any", "declare const x: any;\nx."],
    ["what is not declared", "nobody."],
    ["spread", "const x = [..."],
    ["index signatures", "declare const x: { [key: string]: number; known: number };\nx."],
  ])("of %s are not known", (_, text) => expect(membersAfter(text) ?? []).toEqual([]));
});

describe("arities", () => {
  it.each([
    ["new Safe().open(", [{ least: 0, most: Number.POSITIVE_INFINITY }]],
    ["new Safe().close(", [{ least: 0, most: 0 }]],
    ["function f(ledger: Ledger) { ledger.brewLedger(", [{ least: 1, most: 2 }]],
    [
      "overloaded(",
      [
        { least: 1, most: 1 },
        { least: 3, most: 3 },
      ],
    ],
    ["new Promise<void>((resolve) => resolve(", [{ least: 0, most: 1 }]],
  ])("of %s", (text, arities) => expect(aritiesAfter(text)).toEqual(arities));

  it.each(["if (", "nobody(", "overloaded(1, (", "(", "// overloaded("])("of %s are not known", (text) =>
    expect(aritiesAfter(text) ?? []).toEqual([]),
  );
});

describe("a project", () => {
  it("tells the errors of a file, and puts texts back that were only asked about", () => {
    project.setText("/errors.ts", `${head}export const x: Ledger = { tidyQuota: 1 };\nx.nothing;\n`);
    const before = project.text("/errors.ts");
    expect(project.members("/errors.ts")(`${head}Colour.`, head.length + 7)).toContain("Red");
    expect(project.text("/errors.ts")).toBe(before);
    const [first, second] = project.diagnostics("/errors.ts");
    expect(first?.code).toBe(2739);
    expect(before.slice(second!.offset, second!.offset + second!.length)).toBe("nothing");
    expect(project.paths).toEqual(["/ledger.ts", "/errors.ts"]);
    expect(() => project.diagnostics("/absent.ts")).toThrow(/\/absent\.ts is no file of the project/);
  });

  it("does not mix up files of other projects that have the same path", () => {
    const other = TypeScriptProject.create({
      typescript: ts,
      files: { "/ledger.ts": "export interface Ledger { other: number }\n" },
      compilerOptions,
    });
    const text = 'import type { Ledger } from "./ledger";\ndeclare const x: Ledger;\nx.';
    expect(other.members("/main.ts")(text, text.length)).toEqual(["other"]);
    expect(membersAfter("declare const x: Ledger;\nx.")?.toSorted()).toEqual(["brewLedger", "tidyQuota"]);
    other.dispose();
  });

  it("runs on libraries from memory, as in a browser", () => {
    // the part of the module that needs no disk
    const browser = { ...ts, sys: undefined } as unknown as TypeScriptModule;
    const alone = TypeScriptProject.create({
      typescript: browser,
      files: {},
      libraries: { [`/${ts.getDefaultLibFileName({})}`]: "interface String { only(): void }\ninterface Array<T> {}\n" },
    });
    expect(alone.members("/main.ts")('export {};\n"".', 14)).toEqual(["only"]);
  });

  it("refuses a compiler without a language service, naming what to install", () => {
    const without = { version: "7.0.0" } as TypeScriptModule;
    expect(() => TypeScriptProject.create({ typescript: without, files: {} })).toThrow(
      /TypeScript 7\.0\.0 .*install typescript@6/,
    );
  });

  it("refuses impossible compiler options", () => {
    const make = () => TypeScriptProject.create({ typescript: ts, files: {}, compilerOptions: { target: "es1492" } });
    expect(make).toThrow(BletchleyError);
    expect(make).toThrow(/--target/);
  });
});

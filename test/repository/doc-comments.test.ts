/**
 * Every exported symbol says what it is, and every file what it is for.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { describe, expect, it } from "vitest";

const root = resolve(fileURLToPath(import.meta.url), "../../..");

function documented(node: ts.Node): boolean {
  return ts.getJSDocCommentsAndTags(node).some(ts.isJSDoc);
}

/** What a file exports of its own without a doc comment, as `line: name`. */
function undocumented(path: string, text: string): string[] {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const found: string[] = [];
  const overloads = new Set<string>();
  for (const statement of file.statements) {
    const isExported =
      ts.canHaveModifiers(statement) &&
      ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);
    if (!isExported) continue;
    const names = ts.isVariableStatement(statement)
      ? statement.declarationList.declarations.map(({ name }) => name.getText())
      : [(statement as ts.DeclarationStatement).name?.getText() ?? "?"];
    if (documented(statement)) for (const name of names) overloads.add(name);
    // the first of several overloads speaks for all
    else
      for (const name of names.filter((name) => !overloads.has(name)))
        found.push(`${file.getLineAndCharacterOfPosition(statement.getStart()).line + 1}: ${name}`);
  }
  return found;
}

describe("undocumented", () => {
  it("finds exports without a doc comment, of every kind, and no others", () => {
    const text = `/** The file. */
import { x } from "./x.ts";
/** A. */
export const a = 1;
export const b = 2;
// no doc comment
export function c(): void {}
/** D. */
export function d(n: number): void;
export function d(n: string): void;
export class E {}
export interface F {}
export type G = 1;
const hidden = x;
export { hidden as h };
export * from "./y.ts";
`;
    expect(undocumented("a.ts", text)).toEqual(["5: b", "7: c", "11: E", "12: F", "13: G"]);
  });
});

describe("the source", () => {
  const files = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts") && !path.endsWith(".test.ts"))
    .map((path) => join("src", path))
    .sort();
  const read = (path: string) => readFileSync(join(root, path), "utf8");

  it("documents every export", () => {
    expect(files.length).toBeGreaterThan(100);
    const found = files
      .filter((path) => !path.endsWith(".test.ts"))
      .flatMap((path) => {
        return undocumented(path, read(path)).map((what) => `${path}:${what}`);
      });
    expect(found).toEqual([]);
  });

  it("says at the top of every file what it is for", () => {
    const silent = files.filter((path) => !/^(?:#!.*\n)?\/\*\*/.test(read(path)));
    expect(silent).toEqual([]);
  });
});

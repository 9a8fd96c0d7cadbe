/**
 * The import rules catch what they are for: each of them is shown a small tree that breaks it, and one that does not.
 */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { cruise, type ICruiseResult, type IFlattenedRuleSet } from "dependency-cruiser";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = resolve(fileURLToPath(import.meta.url), "../../..");
const configuration = createRequire(import.meta.url)(join(root, ".dependency-cruiser.cjs")) as IFlattenedRuleSet & {
  options: object;
};

type Files = Readonly<Record<string, string>>;

let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "bletchley-imports-"));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

let count = 0;

/** Names of the rules that a tree breaks, with the file that breaks them. */
async function broken(files: Files): Promise<string[]> {
  const tree = join(folder, String(count++));
  const all: Files = {
    "package.json": JSON.stringify({ name: "tree", dependencies: { hono: "*" }, devDependencies: { vitest: "*" } }),
    ...files,
  };
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), text);
  }
  symlinkSync(join(root, "node_modules"), join(tree, "node_modules"));
  const { forbidden, options } = configuration;
  const { output } = await cruise(
    ["src", ...(Object.keys(all).some((path) => path.startsWith("papers/")) ? ["papers"] : [])],
    {
      ...options,
      tsConfig: undefined,
      validate: true,
      ruleSet: { forbidden, options },
      baseDir: tree,
    } as Parameters<typeof cruise>[1],
  );
  return (output as ICruiseResult).summary.violations.map(({ rule, from }) => `${rule.name}: ${from}`).sort();
}

const leaf = "export const x = 1;\n";
const importing = (...paths: string[]) => paths.map((path) => `import "${path}";\n`).join("");

describe("a tree that keeps the rules", () => {
  it("passes: downwards, types of Node's side, Node's side behind import(), node: where it belongs", async () => {
    expect(
      await broken({
        "src/index.ts": importing("./serve/index.ts"),
        "src/util/index.ts": leaf,
        "src/runtime/index.ts": `import "../util/index.ts";\nexport const y = () => import("./node/engine.ts");\nexport type { Z } from "./node/engine.ts";\n`,
        "src/runtime/node/engine.ts": `import "node:fs";\nexport interface Z { readonly z: number }\n`,
        "src/serve/index.ts": importing("node:http", "../runtime/index.ts", "./http/app.ts"),
        "src/serve/http/app.ts": importing("hono"),
        "src/serve/http/app.test.ts": importing("node:fs", "vitest", "./app.ts"),
        "src/tensor/index.ts": `export * from "./a.ts";\n`,
        "src/tensor/a.ts": `import type { B } from "./b.ts";\nexport interface A { readonly b: B }\n`,
        "src/tensor/b.ts": `import type { A } from "./a.ts";\nexport interface B { readonly a: A }\n`,
      }),
    ).toEqual([]);
  });
});

describe("a tree that breaks them", () => {
  const cases: Readonly<Record<string, readonly [Files, ...string[]]>> = {
    "upwards, even for a type": [
      {
        "src/tensor/index.ts": `import type { x } from "../lm/index.ts";\nexport type Y = typeof x;\n`,
        "src/lm/index.ts": leaf,
      },
      "one-way-tensor: src/tensor/index.ts",
    ],
    "upwards behind import()": [
      { "src/lm/index.ts": `export const y = () => import("../serve/index.ts");\n`, "src/serve/index.ts": leaf },
      "one-way-lm: src/lm/index.ts",
    ],
    sideways: [
      { "src/nn/index.ts": importing("../optim/index.ts"), "src/optim/index.ts": leaf },
      "one-way-nn: src/nn/index.ts",
    ],
    "a leaf that is not one": [
      { "src/util/index.ts": importing("../formats/index.ts"), "src/formats/index.ts": leaf },
      "one-way-util: src/util/index.ts",
    ],
    "into the main entry": [
      { "src/decode/index.ts": importing("../index.ts"), "src/index.ts": leaf },
      "no-node-behind: src/decode/index.ts",
      "one-way-decode: src/decode/index.ts",
    ],
    "a folder without a place": [
      {
        "src/index.ts": importing("./misc/a.ts"),
        "src/misc/a.ts": importing("../util/index.ts"),
        "src/util/index.ts": leaf,
      },
      "known-folder: src/misc/a.ts",
    ],
    "a cycle": [
      {
        "src/lm/index.ts": importing("./a.ts"),
        "src/lm/a.ts": `import { x } from "./b.ts";\nexport const y = () => x;\n`,
        "src/lm/b.ts": `import { y } from "./a.ts";\nexport const x = () => y;\n`,
      },
      "no-cycles: src/lm/a.ts",
    ],
    "node: in browser code": [
      { "src/nn/index.ts": `import { readFileSync } from "node:fs";\nexport const x = readFileSync;\n` },
      "no-node: src/nn/index.ts",
    ],
    "node: without its prefix": [{ "src/formats/index.ts": importing("fs") }, "no-node: src/formats/index.ts"],
    "node: behind import()": [
      { "src/lm/index.ts": `export const x = () => import("node:fs");\n` },
      "no-node: src/lm/index.ts",
    ],
    "Node's side without import()": [
      { "src/lm/index.ts": importing("../runtime/node/files.ts"), "src/runtime/node/files.ts": importing("node:fs") },
      "no-node-behind: src/lm/index.ts",
    ],
    "a model sought by name from below": [
      { "src/lm/index.ts": `export type { x } from "../sources/index.ts";\n`, "src/sources/index.ts": leaf },
      "no-sources-below: src/lm/index.ts",
    ],
    "a package outside of its home": [{ "src/serve/index.ts": importing("hono") }, "one-home-hono: src/serve/index.ts"],
    "a development package": [{ "src/serve/index.ts": importing("vitest") }, "not-to-dev-packages: src/serve/index.ts"],
    "a package that is declared nowhere": [
      { "src/serve/index.ts": importing("nanoid") },
      "not-to-dev-packages: src/serve/index.ts",
    ],
    "the compiler outside of its home": [
      { "src/serve/index.ts": importing("typescript") },
      "one-home-typescript: src/serve/index.ts",
    ],
    "test code in the package": [
      {
        "src/serve/index.ts": importing("./testing/a.ts", "../../bench/b.ts"),
        "src/serve/testing/a.ts": leaf,
        "bench/b.ts": leaf,
      },
      "not-to-tests: src/serve/index.ts",
      "not-to-tests: src/serve/index.ts",
    ],
    "an import that leads nowhere": [
      { "src/serve/index.ts": importing("./gone.ts") },
      "resolvable: src/serve/index.ts",
    ],
    "a card that reaches into the package": [
      {
        "src/serve/index.ts": importing("./a.ts"),
        "src/serve/a.ts": leaf,
        "papers/one/card.ts": importing(
          "./own.ts",
          "../../src/serve/index.ts",
          "../../src/serve/a.ts",
          "../two/card.ts",
        ),
        "papers/one/own.ts": leaf,
        "papers/two/card.ts": leaf,
      },
      "cards-by-entries: papers/one/card.ts",
      "cards-by-entries: papers/one/card.ts",
    ],
    "a dead file": [
      { "src/serve/index.ts": leaf, "src/serve/old.ts": importing("./index.ts") },
      "no-dead-files: src/serve/old.ts",
    ],
  };

  it.each(Object.entries(cases))("%s", async (_, [files, ...expected]) => {
    expect(await broken(files)).toEqual(expected);
  });

  it("covers every rule", () => {
    const shown = new Set(Object.values(cases).flatMap(([, ...names]) => names.map((name) => name.split(":")[0]!)));
    const families = (configuration.forbidden ?? []).map(({ name }) => name!.replace(/^(one-way|one-home)-.*/, "$1"));
    const shownFamilies = new Set([...shown].map((name) => name.replace(/^(one-way|one-home)-.*/, "$1")));
    expect([...new Set(families)].sort()).toEqual([...shownFamilies].sort());
  });
});

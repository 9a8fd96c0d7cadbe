/**
 * What the repository says of itself is so: README, CI, package.json, lock file, links.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { commandLines, withCatalogue, withFormsTable, withSpeedTable } from "../../scripts/readme.ts";

const root = resolve(fileURLToPath(import.meta.url), "../../..");
const read = (path: string) => readFileSync(join(root, path), "utf8");
const manifest = JSON.parse(read("package.json")) as {
  readonly files: readonly string[];
  readonly exports: Readonly<Record<string, { readonly types: string; readonly default: string }>>;
  readonly browser: Readonly<Record<string, string>>;
  readonly sideEffects: readonly string[];
  readonly scripts: Readonly<Record<string, string>>;
};

describe("README.md", () => {
  it("opens with a picture and two command lines, of which CI runs the second", () => {
    const { run, test } = commandLines(read("README.md"));
    expect(run).toMatch(/^npm ci && npx bletchley/);
    expect(read(".ci/run")).toContain(`\n(${test}) 2>&1`);
    const picture = /!\[.+\]\((.+)\)/.exec(read("README.md"))![1]!;
    expect(existsSync(join(root, picture))).toBe(true);
  });

  it("shows weight forms and speeds as they were measured (`npx tsx scripts/readme.ts` writes them)", () => {
    expect(withSpeedTable(withFormsTable(read("README.md")))).toBe(read("README.md"));
  });

  it("lists every paper with a card, as its saved result has it (`npx tsx scripts/readme.ts` writes them)", async () => {
    const readme = read("README.md");
    expect(await withCatalogue(readme)).toBe(readme);
    const pictures = [...readme.matchAll(/<img src="([^"]+)"/g)].map(([, path]) => path!);
    expect(pictures.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  it("and the other pages link to what exists", () => {
    const pages = readdirSync(root).filter((file) => file.endsWith(".md"));
    const broken = [...pages, "bench/README.md"].flatMap((page) =>
      [...read(page).matchAll(/\]\((?!https?:|#)([^)#]+)/g)]
        .map(([, target]) => target!)
        .filter((target) => !existsSync(join(root, dirname(page), target)))
        .map((target) => `${page}: ${target}`),
    );
    expect(broken).toEqual([]);
  });
});

describe("package.json", () => {
  const sourceOf = (built: string) => built.replace(/^\.\/dist\//, "src/").replace(/(?:\.d)?\.[jt]s$/, ".ts");

  it("exports every folder of src but the command line, and each from its index", () => {
    const folders = readdirSync(join(root, "src")).filter((name) => existsSync(join(root, "src", name, "index.ts")));
    const subpaths = Object.keys(manifest.exports).filter((subpath) => /^\.\/[a-z]+$/.test(subpath));
    expect(subpaths.map((subpath) => subpath.slice(2)).sort()).toEqual(folders.sort());
    for (const folder of folders) expect(read("README.md")).toContain(`\`bletchley/${folder}\``);
    for (const [subpath, { types, default: code }] of Object.entries(manifest.exports))
      if (types) expect([subpath, sourceOf(types), sourceOf(code)]).toEqual([subpath, sourceOf(code), sourceOf(types)]);
  });

  it("names files that are there, or that the build makes", () => {
    const { browser, exports, sideEffects } = manifest;
    const built = [
      ...Object.values(exports).flatMap((target) => (target.default ? [target.default] : [])),
      ...Object.entries(browser).flat(),
      ...sideEffects,
    ];
    for (const path of [...built.map(sourceOf), ...manifest.files.filter((file) => file !== "dist")])
      expect(existsSync(join(root, path)), path).toBe(true);
  });

  it("has a script for every bar, and a bar for every script", () => {
    const bars = readdirSync(join(root, "bench")).filter(
      (file) => file.endsWith(".ts") && file !== "harness.ts" && read(`bench/${file}`).includes("runBar("),
    );
    const scripts = Object.entries(manifest.scripts).filter(([name]) => name.startsWith("bar:"));
    expect(scripts.sort()).toEqual(bars.map((file) => [`bar:${file.slice(0, -3)}`, `tsx bench/${file}`]).sort());
  });
});

describe("package-lock.json", () => {
  it("has no download addresses, so that any registry will do", () => {
    expect(read("package-lock.json")).not.toMatch(/"resolved"|https?:\/\/[^"]*\.tgz/);
  });
});

/**
 * The official JSON Schema Test Suite, drafts 4 to 2020-12: every instance, written as text, must be accepted or refused as the
 * suite says, or its schema be refused. `format` is an annotation, but in `optional/format` an assertion.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import type { Draft } from "../papers/structured-outputs/byte-engine.ts";
import { runSuite } from "../papers/structured-outputs/schema-suite.ts";
import { dataRoot, runBar } from "./harness.ts";

const folders: readonly (readonly [string, Draft])[] = [
  ["draft4", 4],
  ["draft6", 6],
  ["draft7", 7],
  ["draft2019-09", 2019],
  ["draft2020-12", 2020],
];

/** All JSON files below a folder. */
function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? filesBelow(path) : entry.name.endsWith(".json") ? [path] : [];
    })
    .sort();
}

/** The documents that the suite expects to be known: its remotes, and the drafts' own schemas. */
function documents(suite: string): Record<string, string> {
  const out: Record<string, string> = {};
  const remotes = join(suite, "remotes");
  for (const path of filesBelow(remotes))
    out[`http://localhost:1234/${relative(remotes, path).replaceAll("\\", "/")}`] = readFileSync(path, "utf8");
  const ajv = join(dirname(createRequire(import.meta.url).resolve("ajv/package.json")), "dist/refs");
  for (const path of filesBelow(ajv)) {
    const text = readFileSync(path, "utf8");
    const parsed = JSON.parse(text) as { $id?: string; id?: string };
    const address = parsed.$id ?? parsed.id;
    if (address) out[address.replace(/#$/, "")] = text;
  }
  return out;
}

runBar("json-schema-suite", async ({ options, log, measure }) => {
  const suite = join(dataRoot, "json-schema-test-suite");
  if (!existsSync(suite)) {
    measure({ name: "tests that are wrong", value: null, unit: "tests", bar: "0", pass: null });
    return;
  }
  const only = options.get("only");
  const files = folders.flatMap(([folder, draft]) =>
    filesBelow(join(suite, "tests", folder))
      .map((path) => ({ path: relative(join(suite, "tests"), path).replaceAll("\\", "/"), from: path }))
      .filter(({ path }) => !only || path.includes(only))
      .map(({ path, from }) => ({ path, draft, text: readFileSync(from, "utf8") })),
  );
  const { groups, tests, refusedGroups, byKeyword } = runSuite(files, documents(suite), log);
  log("keyword                                 right wrong refused");
  let right = 0;
  let wrong = 0;
  for (const [keyword, counts] of [...byKeyword].sort((a, b) => (a[0] < b[0] ? -1 : 1))) {
    const faults = counts.under + counts.over;
    right += counts.right;
    wrong += faults;
    log(
      `${keyword.padEnd(40)}${String(counts.right).padStart(5)}${String(faults).padStart(6)}${String(counts.refused).padStart(8)}`,
    );
  }
  measure({ name: `tests that are right, of ${tests}`, value: right, unit: "tests", pass: null });
  measure({ name: "tests that are wrong", value: wrong, unit: "tests", bar: "0", pass: wrong === 0 });
  const share = (100 * refusedGroups) / groups;
  measure({ name: `groups refused, of ${groups}`, value: share, unit: "%", bar: "≤ 5 %", pass: share <= 5 });
});

/**
 * The official JSON Schema Test Suite, drafts 4 to 2020-12: every instance, written as text, must be accepted or refused as the
 * suite says, or its schema be refused. `format` is an annotation, but in `optional/format` an assertion.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { dataRoot, runBar } from "./harness.ts";
import type { Draft } from "./structured/bytes.ts";
import { byteEngine, followText } from "./structured/bytes.ts";
import { readElements, readFields, spacedJson } from "./structured/instances.ts";

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
  const engine = byteEngine();
  const known = documents(suite);
  const only = options.get("only");
  let groups = 0;
  let refused = 0;
  let tests = 0;
  let right = 0;
  let wrong = 0;
  const byKeyword = new Map<string, { right: number; wrong: number; refused: number }>();
  for (const [folder, draft] of folders)
    for (const path of filesBelow(join(suite, "tests", folder))) {
      const file = relative(join(suite, "tests"), path).replaceAll("\\", "/");
      if (only && !file.includes(only)) continue;
      const keyword = file.replace(/^[^/]+\//, "").replace(/\.json$/, "");
      const counts = byKeyword.get(keyword) ?? { right: 0, wrong: 0, refused: 0 };
      byKeyword.set(keyword, counts);
      const formats = file.includes("optional/format") ? "assert" : "annotate";
      const content = file.includes("optional/content") ? "assert" : "annotate";
      for (const group of readElements(readFileSync(path, "utf8"))) {
        const fields = readFields(group);
        const instances = readElements(fields.get("tests")!).map((test) => readFields(test));
        groups++;
        let compiled: ReturnType<typeof engine.jsonSchema> | undefined;
        try {
          compiled = engine.jsonSchema(fields.get("schema")!, { draft, formats, content, documents: known });
        } catch (error) {
          // a schema that nothing satisfies is refused as such, and that is right when it has no valid instance
          const none = /no value satisfies/.test((error as Error).message);
          if (none && instances.every((test) => test.get("valid") === "false")) {
            tests += instances.length;
            right += instances.length;
            counts.right += instances.length;
            continue;
          }
          if (none) {
            wrong++;
            counts.wrong++;
          } else refused++;
          counts.refused += instances.length;
          log(`${file}: ${fields.get("description")}: refused: ${(error as Error).message}`);
          continue;
        }
        for (const test of instances) {
          tests++;
          const text = spacedJson(test.get("data")!);
          const valid = test.get("valid") === "true";
          let accepted: boolean | undefined;
          try {
            accepted = followText(compiled, text);
          } catch (error) {
            log(`${file}: ${(error as Error).stack}`);
          }
          if (accepted === valid) {
            right++;
            counts.right++;
          } else {
            wrong++;
            counts.wrong++;
            log(
              `${file}: ${fields.get("description")}: ${test.get("description")}: ${text.slice(0, 200)} should be ${valid ? "valid" : "invalid"}; schema ${fields.get("schema")!.slice(0, 600)}`,
            );
          }
        }
      }
    }
  log("keyword                                 right wrong refused");
  for (const [keyword, counts] of [...byKeyword].sort((a, b) => (a[0] < b[0] ? -1 : 1)))
    log(
      `${keyword.padEnd(40)}${String(counts.right).padStart(5)}${String(counts.wrong).padStart(6)}${String(counts.refused).padStart(8)}`,
    );
  measure({ name: `tests that are right, of ${tests}`, value: right, unit: "tests", pass: null });
  measure({ name: "tests that are wrong", value: wrong, unit: "tests", bar: "0", pass: wrong === 0 });
  const share = (100 * refused) / groups;
  measure({ name: `groups refused, of ${groups}`, value: share, unit: "%", bar: "≤ 5 %", pass: share <= 5 });
});

/**
 * The official JSON Schema Test Suite through the engine: every instance, written as text, must be accepted or refused as the suite
 * says, or its schema be refused. `format` is an annotation, but in `optional/format` an assertion; so is content in `optional/content`.
 */
import { byteEngine, type Draft, followText } from "./byte-engine.ts";
import { readElements, readFields, spacedJson } from "./mask-cases.ts";

/** Tests of a file of the suite. */
export interface SuiteCount {
  right: number;
  /** Invalid instances that were accepted, and schemas without any instance that were not refused. */
  under: number;
  /** Valid instances that were refused, and refused schemas that have valid instances. */
  over: number;
  /** Tests whose schema the engine refuses by name of what it cannot do. */
  refused: number;
}

/** What came of a part of the suite. */
export interface SuiteResult {
  readonly groups: number;
  readonly tests: number;
  readonly refusedGroups: number;
  /** By keyword: the file's name without folder of the draft and ending. */
  readonly byKeyword: ReadonlyMap<string, SuiteCount>;
}

/** A file of tests: its path below `tests/`, and its text. */
export interface SuiteFile {
  readonly path: string;
  readonly draft: Draft;
  readonly text: string;
}

/**
 * Runs files of the suite.
 * @param documents schemas that others refer to, by address, as JSON text
 * @param log hears of everything that is refused or wrong
 */
export function runSuite(
  files: Iterable<SuiteFile>,
  documents: Readonly<Record<string, string>>,
  log: (line: string) => void = () => {},
): SuiteResult {
  const engine = byteEngine();
  const byKeyword = new Map<string, SuiteCount>();
  let groups = 0;
  let tests = 0;
  let refusedGroups = 0;
  for (const { path, draft, text: file } of files) {
    const keyword = path.replace(/^[^/]+\//, "").replace(/\.json$/, "");
    const counts = byKeyword.get(keyword) ?? { right: 0, under: 0, over: 0, refused: 0 };
    byKeyword.set(keyword, counts);
    const formats = path.includes("optional/format") ? "assert" : "annotate";
    const content = path.includes("optional/content") ? "assert" : "annotate";
    for (const group of readElements(file)) {
      const fields = readFields(group);
      const instances = readElements(fields.get("tests")!).map((test) => readFields(test));
      groups++;
      let compiled: ReturnType<typeof engine.jsonSchema>;
      try {
        compiled = engine.jsonSchema(fields.get("schema")!, { draft, formats, content, documents });
      } catch (error) {
        // a schema that nothing satisfies is refused as such, and that is right when it has no valid instance
        const none = /no value satisfies/.test((error as Error).message);
        if (none && instances.every((test) => test.get("valid") === "false")) {
          tests += instances.length;
          counts.right += instances.length;
          continue;
        }
        if (none) counts.over++;
        else refusedGroups++;
        counts.refused += instances.length;
        log(`${path}: ${fields.get("description")}: refused: ${(error as Error).message}`);
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
          log(`${path}: ${(error as Error).stack}`);
        }
        if (accepted === valid) counts.right++;
        else {
          if (valid) counts.over++;
          else counts.under++;
          log(
            `${path}: ${fields.get("description")}: ${test.get("description")}: ${text.slice(0, 200)} should be ${valid ? "valid" : "invalid"}; schema ${fields.get("schema")!.slice(0, 600)}`,
          );
        }
      }
    }
  }
  return { groups, tests, refusedGroups, byKeyword };
}

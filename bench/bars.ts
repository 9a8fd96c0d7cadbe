/**
 * Runs bars one after the other and prints a table of them. `--only a,b` chooses, `--quick` asks each for its short profile,
 * `--json FILE` keeps all reports. Exits with 1 if a bar falls short or breaks down, with 2 if something was not measured.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { formatSeconds, table } from "../src/cli/terminal.ts";
import type { BarReport } from "../src/util/measurement.ts";
import { root } from "./harness.ts";

/** How a bar ended. */
interface Outcome {
  readonly name: string;
  readonly verdict: "holds" | "fell short" | "broke down" | "not measured";
  readonly detail: string;
  readonly seconds: number;
  readonly report?: BarReport;
}

function run(command: readonly string[]): Promise<number | null> {
  return new Promise((done) => {
    const child = spawn(process.execPath, command, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
    child.on("error", () => done(null));
    child.on("close", done);
  });
}

function judge(exitCode: number | null, report: BarReport | undefined): Pick<Outcome, "verdict" | "detail"> {
  if (!report) return { verdict: "broke down", detail: `ended with ${exitCode ?? "a signal"} and left no report` };
  const { measurements } = report;
  const names = (wanted: (m: BarReport["measurements"][number]) => boolean) =>
    measurements
      .filter(wanted)
      .map(({ name }) => name)
      .join("; ");
  const short = names(({ pass }) => pass === false);
  const absent = names(({ value, bar }) => value === null && bar !== undefined);
  if (short) return { verdict: "fell short", detail: short };
  if (exitCode === 1 || exitCode === null)
    return { verdict: "broke down", detail: `ended with ${exitCode ?? "a signal"}` };
  if (absent || !measurements.length) return { verdict: "not measured", detail: absent };
  return { verdict: "holds", detail: `${measurements.filter(({ pass }) => pass).length} promises` };
}

async function measure(name: string, file: string, quick: boolean, folder: string): Promise<Outcome> {
  if (!existsSync(join(root, file)))
    return { name, verdict: "not measured", detail: `${file} does not exist`, seconds: 0 };
  console.log(`\n── bar:${name}`);
  const json = join(folder, `${name}.json`);
  const started = performance.now();
  const exitCode = await run(["--import", "tsx", file, "--json", json, ...(quick ? ["--quick"] : [])]);
  const seconds = (performance.now() - started) / 1000;
  const report = existsSync(json) ? (JSON.parse(readFileSync(json, "utf8")) as BarReport) : undefined;
  return { name, ...judge(exitCode, report), seconds, report };
}

const { values } = parseArgs({
  options: { only: { type: "string" }, quick: { type: "boolean", default: false }, json: { type: "string" } },
});
const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: Record<string, string> };
const all = Object.keys(scripts).flatMap((script) => (script.startsWith("bar:") ? [script.slice(4)] : []));
const chosen = values.only?.split(",").map((name) => name.trim().replace(/^bar:/, "")) ?? all;
const unknown = chosen.filter((name) => !all.includes(name));
if (unknown.length) {
  console.error(`no such bar: ${unknown.join(", ")}; there are ${all.join(", ")}`);
  process.exit(1);
}

const folder = mkdtempSync(join(tmpdir(), "bletchley-bars-"));
const outcomes: Outcome[] = [];
try {
  for (const name of chosen) outcomes.push(await measure(name, `bench/${name}.ts`, values.quick, folder));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
if (values.json)
  writeFileSync(
    values.json,
    `${JSON.stringify(
      outcomes.flatMap(({ report }) => report ?? []),
      null,
      2,
    )}\n`,
  );
const marks = { holds: "✓", "fell short": "✗", "broke down": "✗", "not measured": "?" } as const;
const rows = outcomes.map(({ name, verdict, detail, seconds }) => [
  marks[verdict],
  name,
  verdict,
  formatSeconds(seconds),
  detail,
]);
console.log(`\n${table(["", "BAR", "VERDICT", " TIME", ""], rows)}`);
const failed = outcomes.some(({ verdict }) => verdict === "fell short" || verdict === "broke down");
process.exitCode = failed ? 1 : outcomes.some(({ verdict }) => verdict === "not measured") ? 2 : 0;

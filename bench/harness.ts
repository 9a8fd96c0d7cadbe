/**
 * What every bar shares: arguments, the printed table, the JSON report and the exit code. A bar is a file `bench/<name>.ts`
 * that calls {@link runBar}; `npm run bar:<name>` starts it.
 */
import { existsSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { currentCommit, dataFolder } from "../src/cli/papers/host.ts";
import { type BarReport, type Measurement, measurementLine } from "../src/util/measurement.ts";

/** The repository's root folder. */
export const root = resolve(fileURLToPath(import.meta.url), "../..");

/** Folder of the larger data (`BLETCHLEY_DATA`, default `../shared/data` beside the repository). */
export const dataRoot = dataFolder();

/** What a bar's body receives. */
export interface BarContext {
  /** Input files named on the command line; empty for the default ones. */
  readonly inputs: readonly string[];
  /** Values of further options, `--name value`, by name. */
  readonly options: ReadonlyMap<string, string>;
  /** Whether a short profile was asked for. */
  readonly quick: boolean;
  /** Prints a line of progress. */
  log(line: string): void;
  /** Records a measurement and prints it. */
  measure(measurement: Measurement): void;
}

/** Median of some numbers. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/**
 * Runs a bar: prints what it measures, writes `--json FILE`, and exits with 1 if a bar falls short or 2 if something
 * that has a bar could not be measured.
 */
export async function runBar(name: string, body: (context: BarContext) => Promise<void>): Promise<void> {
  const argv = process.argv.slice(2);
  const inputs: string[] = [];
  const options = new Map<string, string>();
  let json: string | undefined;
  let quick = false;
  for (let i = 0; i < argv.length; i++) {
    if (argv[i] === "--json") json = argv[++i];
    else if (argv[i] === "--quick") quick = true;
    else if (argv[i]!.startsWith("--")) options.set(argv[i]!.slice(2), argv[++i] ?? "");
    else inputs.push(argv[i]!);
  }
  for (const file of inputs) if (!existsSync(file)) throw new Error(`no such input file: ${file}`);
  const measurements: Measurement[] = [];
  const started = Date.now();
  await body({
    inputs,
    options,
    quick,
    log: (line) => process.stderr.write(`${line}\n`),
    measure(m) {
      measurements.push(m);
      console.log(measurementLine(m));
    },
  });
  const report: BarReport = {
    name,
    machine: {
      cpu: cpus()[0]?.model ?? "unknown",
      cores: cpus().length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      node: process.version,
    },
    commit: currentCommit(),
    measurements,
  };
  if (json) writeFileSync(json, `${JSON.stringify(report, null, 2)}\n`);
  const failed = measurements.filter((m) => m.pass === false).length;
  const absent = measurements.filter((m) => m.value === null && m.bar).length;
  const verdict = failed
    ? `${failed} fell short`
    : absent
      ? `${absent} not measured`
      : measurements.length
        ? "all hold"
        : "nothing measured";
  console.log(
    `bar:${name} ${verdict} · ${report.machine.cpu}, ${report.machine.cores} cores, Node ${report.machine.node}, commit ${report.commit}, ${((Date.now() - started) / 1000).toFixed(1)} s`,
  );
  process.exit(failed ? 1 : absent || !measurements.length ? 2 : 0);
}

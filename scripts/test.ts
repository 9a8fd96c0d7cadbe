/**
 * `npm test`: everything that must hold before code is shared. Gates run first, two at a time, and speak only when they fail;
 * then the tests. The last line counts all of them.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describeTally, sumOf, type Tally, type TestReport, tallyOf } from "./tally.ts";

const root = resolve(fileURLToPath(import.meta.url), "../..");

interface Ended {
  /** `null` when the process did not start, or a signal ended it. */
  readonly exitCode: number | null;
  /** What it printed, unless that went to the terminal. */
  readonly output: string;
  readonly seconds: number;
}

/** The command line of a package's program, without a shell in between. */
function program(name: string, packageName: string): string[] {
  const folder = join(root, "node_modules", packageName);
  const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as {
    bin: string | Record<string, string>;
  };
  return [process.execPath, join(folder, typeof manifest.bin === "string" ? manifest.bin : manifest.bin[name]!)];
}

function run(command: readonly string[], stdio: "pipe" | "inherit"): Promise<Ended> {
  return new Promise((done) => {
    const started = performance.now();
    const [file, ...rest] = command;
    const child = spawn(file!, rest, { cwd: root, stdio: ["ignore", stdio, stdio] });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
    const end = (exitCode: number | null) => done({ exitCode, output, seconds: (performance.now() - started) / 1000 });
    child.on("error", (thrown) => {
      output += thrown.message;
      end(null);
    });
    child.on("close", end);
  });
}

/** Runs one gate. What throws on the way, such as a program that is not installed, is a failure of that gate alone. */
async function gate(name: string, command: () => readonly string[]): Promise<Tally> {
  let ended: Ended;
  try {
    ended = await run(command(), "pipe");
  } catch (thrown) {
    ended = { exitCode: null, output: String(thrown), seconds: 0 };
  }
  const ok = ended.exitCode === 0;
  console.log(`${ok ? "✓" : "✗"} ${name.padEnd(8)} ${ended.seconds.toFixed(1).padStart(6)} s`);
  if (!ok) console.log(ended.output.trimEnd());
  return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0 };
}

async function tests(): Promise<Tally> {
  const folder = mkdtempSync(join(tmpdir(), "bletchley-test-"));
  const file = join(folder, "report.json");
  let exitCode: number | null = null;
  let seconds = 0;
  try {
    const command = [...program("vitest", "vitest"), "run", "--reporter=default", "--reporter=json"];
    ({ exitCode, seconds } = await run([...command, `--outputFile.json=${file}`], "inherit"));
    const tally = tallyOf(JSON.parse(readFileSync(file, "utf8")) as TestReport, exitCode);
    console.log(`${tally.failed ? "✗" : "✓"} tests    ${seconds.toFixed(1).padStart(6)} s`);
    return tally;
  } catch (thrown) {
    console.log(`✗ tests    ${seconds.toFixed(1).padStart(6)} s: ${String(thrown)}`);
    return tallyOf(undefined, exitCode);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const started = performance.now();
const tsx = ["--import", "tsx"];
const tallies = await Promise.all([
  gate("types", () => [...program("tsc", "typescript"), "-p", "tsconfig.json"]),
  (async () =>
    sumOf([
      await gate("lint", () => [...program("biome", "@biomejs/biome"), "check", "--error-on-warnings", "."]),
      await gate("imports", () => [
        ...program("depcruise", "dependency-cruiser"),
        ...["--config", ".dependency-cruiser.cjs", "src", "bench", "test", "examples", "scripts"],
      ]),
      await gate("api", () => [process.execPath, ...tsx, "scripts/api.ts"]),
    ]))(),
]);
const total = sumOf([...tallies, await tests()]);
console.log(`${((performance.now() - started) / 1000).toFixed(1)} s in all`);
console.log(describeTally(total));
process.exitCode = total.failed ? 1 : 0;

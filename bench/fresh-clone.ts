/**
 * The first quarter of an hour of a newcomer: both command lines of the README, each in a fresh clone of the last commit, with
 * an empty model cache. `--keep FILE` keeps what was on the screen.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { commandLines } from "../scripts/readme.ts";
import { type Ran, runLine } from "./commands.ts";
import { root, runBar } from "./harness.ts";

const question = "What is a tensor?";
const limitSeconds = 3600;

/** What the program said after npm had told how many packages it added. */
function answerOf(stdout: string): string {
  return stdout
    .split(/^added \d+ packages?.*$/m)
    .at(-1)!
    .trim();
}

await runBar("fresh-clone", async ({ measure, log, options, quick }) => {
  const folder = mkdtempSync(join(tmpdir(), "bletchley-fresh-"));
  const screens: string[] = [];
  const env = { BLETCHLEY_CACHE: join(folder, "cache") };
  const inFreshClone = async (name: string, lineOf: (readme: string) => string, input: string): Promise<Ran> => {
    const cwd = join(folder, name);
    execFileSync("git", ["clone", "--quiet", "--no-hardlinks", root, cwd], { stdio: ["ignore", "inherit", "inherit"] });
    const line = lineOf(readFileSync(join(cwd, "README.md"), "utf8"));
    log(`in a fresh clone: ${line}`);
    const ran = await runLine(line, { cwd, env, input, limitSeconds });
    screens.push(
      `$ ${line}${input && `   # told: ${input.trim()}`}\n${ran.screen.trimEnd()}\n(${ran.seconds.toFixed(1)} s)\n`,
    );
    const exit = { name: `${name}: exit code`, unit: "", bar: "0" };
    measure({ ...exit, value: ran.exitCode ?? -1, pass: ran.exitCode === 0 });
    measure({ name: `${name}: time`, value: ran.seconds, unit: "s", pass: null });
    if (ran.exitCode !== 0) log(ran.screen);
    return ran;
  };
  try {
    mkdirSync(env.BLETCHLEY_CACHE);
    const run = await inFreshClone("install and chat", (readme) => commandLines(readme).run, `${question}\n`);
    const answer = answerOf(run.stdout);
    log(answer);
    measure({
      name: "install and chat: characters of the answer",
      value: answer.length,
      unit: "",
      bar: "> 0",
      pass: answer.length > 0,
    });

    const failures = { name: "install and test: failed tests", unit: "", bar: "0" };
    if (quick) measure({ ...failures, value: null, pass: null });
    else {
      const test = await inFreshClone("install and test", (readme) => commandLines(readme).test, "");
      const lastLine = test.stdout.trimEnd().split("\n").at(-1)!;
      log(lastLine);
      const counts = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/.exec(lastLine);
      // a last line that does not count is a failure of its own
      const failed = counts ? Number(counts[2]) : -1;
      measure({ ...failures, value: failed, pass: failed === 0 && Number(counts?.[1]) > 0 });
      measure({ name: "install and test: passed tests", value: Number(counts?.[1] ?? 0), unit: "", pass: null });
      measure({ name: "install and test: skipped tests", value: Number(counts?.[3] ?? 0), unit: "", pass: null });
    }
  } finally {
    const keep = options.get("keep");
    if (keep) writeFileSync(keep, screens.join("\n"));
    rmSync(folder, { recursive: true, force: true });
  }
});

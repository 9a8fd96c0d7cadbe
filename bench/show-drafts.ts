/**
 * What a user sees of drafts: `chat --show-drafts` colours tokens by who proposed them, in a real terminal, and `generate --stats` prints
 * what the steps did. Tuned by a profile in a cache of its own.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { cautiousCosts, type TuningProfile } from "../src/decode/index.ts";
import { loadModel, saveProfile } from "../src/serve/index.ts";
import { cacheRoot } from "../src/sources/index.ts";
import { type BarContext, root, runBar } from "./harness.ts";

const escapeCode = String.fromCharCode(27);
const coloured = new RegExp(`${escapeCode}\\[(3[2-6])m([^${escapeCode}]+)${escapeCode}\\[39m`, "g");
const anyColour = new RegExp(`${escapeCode}\\[[0-9;?]*[a-zA-Z]`, "g");

/** Runs a program in a pseudo-terminal, types lines into it, and returns what the screen got. */
function inTerminal(command: string, lines: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
  return new Promise((resolve, reject) => {
    // `script` of util-linux makes the terminal
    const child = spawn("script", ["-qec", command, "/dev/null"], {
      cwd: root,
      env,
      stdio: ["pipe", "pipe", "inherit"],
    });
    let screen = "";
    let sent = 0;
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      screen += text;
      // each prompt of the conversation asks for the next line
      if (sent < lines.length && (screen.match(/> /g) ?? []).length > sent) child.stdin.write(`${lines[sent++]}\n`);
    });
    child.on("error", reject);
    child.on("close", () => resolve(screen));
  });
}

function output(args: readonly string[], env: NodeJS.ProcessEnv): Promise<{ out: string; err: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["--import", "tsx", "src/cli/main.ts", ...args], { cwd: root, env });
    let out = "";
    let err = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      out += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      err += text;
    });
    child.on("error", reject);
    child.on("close", () => resolve({ out, err }));
  });
}

await runBar("show-drafts", async ({ measure, log }: BarContext) => {
  const cache = mkdtempSync(join(tmpdir(), "bletchley-show-drafts-"));
  try {
    // the models of the real cache, and a profile of its own
    for (const folder of ["models", "converted", "hashes"])
      if (existsSync(join(cacheRoot(), folder))) symlinkSync(join(cacheRoot(), folder), join(cache, folder));
    process.env.BLETCHLEY_CACHE = cache;
    let identity: { name: string; sha256: string; form: string };
    {
      await using model = await loadModel("smollm2", { draft: false });
      identity = { name: model.source.name, sha256: model.source.sha256, form: model.form };
    }
    const profile: TuningProfile = {
      version: 1,
      model: identity,
      machine: { cpu: cpus()[0]?.model ?? "unknown", cores: availableParallelism(), threads: availableParallelism() },
      costs: cautiousCosts.table,
      candidates: [],
      chosen: ["suffix-automaton", "token-recycling"],
      calibration: {},
      check: { prompts: 0, predictedSpeedup: 1, measuredSpeedup: 1, plainTokensPerSecond: 1, tunedTokensPerSecond: 1 },
    };
    await saveProfile(profile);
    const env = { ...process.env, BLETCHLEY_CACHE: cache, NO_COLOR: undefined, TERM: "xterm-256color" };
    const question = "Write the lyrics of a long song in which every verse ends with the same two lines.";
    const chat = `"${process.execPath}" --import tsx src/cli/main.ts chat -t 0 -n 100`;
    const shown = await inTerminal(`${chat} --show-drafts`, [question, "/exit"], env);
    const plain = await inTerminal(chat, [question, "/exit"], env);
    const marks = [...shown.matchAll(coloured)];
    const textOf = (screen: string) => screen.replace(anyColour, "").replace(/\r/g, "");
    measure({
      name: "coloured pieces of an answer in the terminal",
      value: marks.length,
      unit: "pieces",
      bar: "≥ 10",
      pass: marks.length >= 10,
    });
    measure({
      name: "answers in colour that say something else than without",
      // between the echo of the question and the line about speed
      value: answerIn(textOf(shown)) === answerIn(textOf(plain)) && answerIn(textOf(plain)).length > 40 ? 0 : 1,
      unit: "answers",
      bar: "0",
      pass: answerIn(textOf(shown)) === answerIn(textOf(plain)) && answerIn(textOf(plain)).length > 40,
    });
    const named = ["suffix-automaton", "token-recycling"].filter((name) => textOf(shown).includes(name)).length;
    measure({ name: "drafters that the legend names", value: named, unit: "", bar: "≥ 1", pass: named >= 1 });
    const { out, err } = await output(["generate", "-t", "0", "-n", "60", "--stats", question], env);
    log(err.trim());
    const lines = [
      /\d+ tokens in \d+ steps/,
      /drafts: [\d.]+ tokens a step/,
      /ms drafting/,
      /accepted by depth/,
    ].filter((line) => line.test(err));
    measure({
      name: "statistics that generate --stats prints",
      value: lines.length,
      unit: "lines",
      bar: "4",
      pass: lines.length === 4 && out.trim().length > 0,
    });
  } finally {
    rmSync(cache, { recursive: true, force: true });
  }
});

/** The answer in a screen of a conversation: what stands between the question and the line about its speed. */
function answerIn(screen: string): string {
  // the legend of the colours stands between them
  const withoutLegend = screen.replace(/\n(?=[a-z +-]*(?:suffix-automaton|token-recycling))[a-z +-]+(?=\n)/g, "");
  return /two lines\.\n([\s\S]*?)\n[^\n]*\d tokens? · /.exec(withoutLegend)?.[1]?.replace(/\s+/g, " ").trim() ?? "";
}

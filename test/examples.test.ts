/**
 * Every program in examples/ runs, in a small form where it would take long, and says what it should.
 */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { resolveModel } from "../src/sources/index.ts";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const run = promisify(execFile);

/** An example, how it is called here, what it needs, and what it must print. */
interface Example {
  readonly file: string;
  readonly args?: readonly string[];
  readonly model?: "smollm2" | "minilm";
  readonly prints: RegExp;
}

const examples: readonly Example[] = [
  { file: "chat.ts", args: ["Name three colours."], model: "smollm2", prints: /\w+[\s\S]*\(\d+ tokens\/s\)/ },
  { file: "compress-video.ts", args: ["10"], prints: /^clip\.bnrv: \d+ bytes[\s\S]*frame 7: \d+\.\d dB/ },
  { file: "embed.ts", model: "minilm", prints: /^0\.\d+ {2}Refunds/m },
  { file: "generate.ts", model: "smollm2", prints: /tokens, perplexity \d/ },
  { file: "gradient.ts", prints: /y = 3\.000 x \+ 1\.000/ },
  { file: "monitored-code.ts", model: "smollm2", prints: /with the monitor:[\s\S]*ledger\.(?:tidyQuota|brewEntries)/ },
  { file: "plan.ts", prints: /after \d+ lines, \d+ steps/ },
  {
    file: "sample.ts",
    args: ["4", "sampled.svg"],
    prints: /18 steps: 35 evaluations of the network\ndrawn in sampled\.svg/,
  },
  { file: "schema.ts", model: "smollm2", prints: /was born in \d+; the answer took \d+ steps/ },
  { file: "segment.ts", args: ["6", "segmented.svg"], prints: /aorta: Dice overlap 0\.\d+\ndrawn in segmented\.svg/ },
  { file: "serve.ts", model: "smollm2", prints: /\w/ },
  { file: "train-your-own.ts", prints: /\d+ of 1000 new points right/ },
  { file: "tune.ts", args: ["tiny", "16"], prints: /chosen: .*\nthe same answer as before/ },
];

let folder: string;
beforeAll(async () => {
  // within the clone, where the package's name is found; what examples write is removed with it
  const cache = join(root, "node_modules/.cache");
  await mkdir(cache, { recursive: true });
  folder = await mkdtemp(join(cache, "examples-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("examples", () => {
  it("are all tried here", async () => {
    const files = (await readdir(join(root, "examples"))).filter((name) => name.endsWith(".ts"));
    expect(examples.map(({ file }) => file)).toEqual(files.sort());
  });

  it.each(examples)("$file", { timeout: 180_000 }, async ({ file, args = [], model, prints }) => {
    // the model is had before, so that the example itself has nothing to fetch
    if (model) await resolveModel(model);
    const tsx = join(root, "node_modules/tsx/dist/cli.mjs");
    const { stdout } = await run(process.execPath, [tsx, join(root, "examples", file), ...args], {
      cwd: folder,
      timeout: 170_000,
    });
    expect(stdout).toMatch(prints);
  });
});

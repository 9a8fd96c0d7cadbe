/**
 * `bar:newcomer`: the first program of somebody who wants to train a network: it is short, does what its page says, and
 * everything that it could look up has a description.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InferenceSession } from "onnxruntime-node";
import { Application, type ReflectionKind } from "typedoc";
import { runLine } from "./commands.ts";
import { root, runBar } from "./harness.ts";

/** What the example leaves in its folder. */
const leaves = ["loss.svg", "metrics.jsonl", "spirals.onnx"];

/** Kinds of things that need a description: exports and what can be called on them. Fields may speak for themselves. */
const described = [
  "Class",
  "Interface",
  "TypeAlias",
  "Variable",
  "Function",
  "Method",
  "Accessor",
] as const satisfies readonly (keyof typeof ReflectionKind)[];

/** Exports, and methods of them, that have no description. */
async function undocumented(entries: readonly string[]): Promise<string[]> {
  const app = await Application.bootstrap({
    entryPoints: [...entries],
    tsconfig: join(root, "tsconfig.build.json"),
    excludePrivate: true,
    excludeInternal: true,
    excludeExternals: true,
    skipErrorChecking: true,
    logLevel: "Warn",
    requiredToBeDocumented: [...described],
    validation: { notDocumented: true, notExported: false, invalidLink: false, invalidPath: false },
  });
  const found: string[] = [];
  const { logger } = app;
  logger.warn = ((text: string) => {
    found.push(text);
  }) as typeof logger.warn;
  const project = await app.convert();
  if (!project) throw new Error("typedoc could not read the sources");
  app.validate(project);
  return found;
}

await runBar("newcomer", async ({ log, measure }) => {
  const path = join(root, "examples/train-your-own.ts");
  const text = readFileSync(path, "utf8");
  const lines = text.trimEnd().split("\n").length;
  measure({ name: "lines of the example", value: lines, unit: "lines", bar: "≤ 60", pass: lines <= 60 });

  const readme = readFileSync(join(root, "README.md"), "utf8");
  const shown = /^## Train your own$/m.test(readme) && readme.includes("npx tsx examples/train-your-own.ts");
  measure({ name: "README shows it", value: shown ? 1 : 0, unit: "of 1", bar: "= 1", pass: shown });

  const folder = mkdtempSync(join(tmpdir(), "bletchley-newcomer-"));
  try {
    const tsx = `"${process.execPath}" --import "${join(root, "node_modules/tsx/dist/loader.mjs")}"`;
    const ran = await runLine(`${tsx} "${path}"`, {
      cwd: folder,
      env: { TSX_TSCONFIG_PATH: join(root, "tsconfig.json") },
      limitSeconds: 300,
    });
    log(ran.screen.trim());
    const left = leaves.filter((name) => existsSync(join(folder, "spirals", name)));
    const works = ran.exitCode === 0 && left.length === leaves.length;
    measure({
      name: "it runs and leaves its files",
      value: left.length,
      unit: `of ${leaves.length}`,
      bar: "all",
      pass: works,
    });
    const right = Number(/(\d+) of 1000 new points right/.exec(ran.stdout)?.[1] ?? Number.NaN);
    measure({ name: "points right after reloading", value: right / 10, unit: "%", bar: "≥ 99", pass: right >= 990 });
    const [first, last] = [...(/loss ([\d.]+) → ([\d.]+)/.exec(ran.stdout) ?? [])].slice(1).map(Number);
    measure({
      name: "loss, last of first",
      value: last! / first!,
      unit: "×",
      bar: "≤ 0.1",
      pass: last! / first! <= 0.1,
    });
    const session = await InferenceSession.create(join(folder, "spirals/spirals.onnx"));
    measure({
      name: "inputs and outputs of the exported file",
      value: session.inputNames.length + session.outputNames.length,
      unit: [...session.inputNames, ...session.outputNames].join(", "),
      bar: "points, labels",
      pass: [...session.inputNames, ...session.outputNames].join(", ") === "points, labels",
    });
    measure({ name: "time", value: ran.seconds, unit: "s", pass: null });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }

  const missing = await undocumented(["tensor", "nn", "train"].map((name) => join(root, `src/${name}/index.ts`)));
  for (const name of missing) log(name);
  measure({
    name: "exports and methods of tensor, nn and train without a description",
    value: missing.length,
    unit: "exports",
    bar: "= 0",
    pass: missing.length === 0,
  });
});

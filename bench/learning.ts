/**
 * `bar:learning`: models of four kinds learn what they should: text, digits, shapes, copying. A run goes on from its last
 * checkpoint in `bench/results/learning`. `--only NAME,…` chooses, `--fresh yes` begins anew, `--minutes N` limits a run (what is
 * unfinished then counts as not measured), `--threads N` is for busy machines; `--quick` runs the short ones.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openFolder } from "../src/runtime/index.ts";
import { drawCurves } from "../src/train/index.ts";
import { BletchleyError } from "../src/util/errors.ts";
import { root, runBar } from "./harness.ts";
import { charGpt } from "./learning/char-gpt.ts";
import { copying } from "./learning/copying.ts";
import { digits } from "./learning/digits.ts";
import type { LearningRun } from "./learning/run.ts";
import { shapes } from "./learning/shapes.ts";

const runs: Readonly<Record<string, LearningRun>> = { "char-gpt": charGpt, digits, shapes, copying };

/** Those of a minute. */
const short: readonly string[] = ["digits", "copying"];

await runBar("learning", async ({ quick, options, log, measure }) => {
  const chosen = options.get("only")?.split(",") ?? (quick ? short : Object.keys(runs));
  const minutes = Number(options.get("minutes") ?? 60);
  const threads = options.has("threads") ? Number(options.get("threads")) : undefined;
  for (const key of chosen) {
    const run = runs[key];
    if (!run) throw new Error(`there is no run "${key}"; there are ${Object.keys(runs).join(", ")}`);
    const folder = join(root, "bench/results/learning", key);
    if (options.has("fresh")) rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const shared = { name: run.name, unit: run.unit, bar: run.bar };
    try {
      const files = await openFolder(folder);
      const signal = AbortSignal.timeout(minutes * 60_000);
      const result = await run.run({ files, signal, threads, log: (line) => log(`${key}: ${line}`) });
      const curves = run.curves.map((name) => ({
        name,
        points: result.records.flatMap((r) => (r[name] === undefined ? [] : [[r.step, r[name]] as const])),
      }));
      const figure = join(root, `docs/curves/${key}.svg`);
      mkdirSync(join(figure, ".."), { recursive: true });
      writeFileSync(figure, drawCurves(curves, `${run.name} (${run.unit})`));
      log(`${key}: ${result.parameters.toLocaleString("en")} parameters, ${result.steps} steps`);
      measure({ ...shared, value: result.value, pass: run.passes(result.value) });
    } catch (thrown) {
      if (!(thrown instanceof BletchleyError && thrown.code === "aborted")) throw thrown;
      log(`${key}: not finished after ${minutes} minutes; the next run goes on from here`);
      measure({ ...shared, value: null, pass: null });
    }
  }
});

/**
 * Ops against goldens: every case of every file, values and gradients, and the training runs step by step. Arguments: files of
 * goldens; by default all of `../shared/golden/ops` beside the repository, or else of `test/golden/ops`.
 */
import { existsSync, readdirSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { readGoldenCases } from "../test/ops/golden.ts";
import { inReplayOrder, replay } from "../test/ops/replay.ts";
import { families } from "../test/ops/rows/index.ts";
import { replayTraining } from "../test/ops/training-nets.ts";
import { dataRoot, root, runBar } from "./harness.ts";

const shared = resolve(dataRoot, "../golden/ops");

function defaultFiles(): string[] {
  const folder = existsSync(shared) ? shared : join(root, "test/golden/ops");
  return readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .map((name) => join(folder, name));
}

await runBar("ops", async ({ inputs, log, measure }) => {
  const byFamily = new Map((inputs.length ? inputs : defaultFiles()).map((file) => [basename(file, ".json"), file]));
  // in the order of the table, then what it does not know
  const order = [...Object.keys(families), ...byFamily.keys()];
  for (const name of new Set(order)) {
    const file = byFamily.get(name);
    if (!file) continue;
    const cases = readGoldenCases(file);
    const family = families[name] ?? { golden: {}, examples: {} };
    let wrong = 0;
    for (const golden of inReplayOrder(family, cases))
      try {
        await (name === "training" ? replayTraining(golden) : replay(family, golden));
      } catch (thrown) {
        wrong++;
        log(`${name}, ${golden.op}, ${golden.name}: ${thrown instanceof Error ? thrown.message : thrown}`);
      }
    const title = name === "training" ? "training runs" : `cases of ${name}`;
    measure({ name: `${title} that differ, of ${cases.length}`, value: wrong, unit: "", bar: "0", pass: wrong === 0 });
  }
});

/**
 * Ops against goldens: every case of every file, values and gradients, and the training runs step by step. Arguments: files of
 * goldens; by default all of `../shared/golden/ops` beside the repository, or else of `test/golden/ops`.
 */
import { existsSync, readdirSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { type GoldenCase, readGoldenCases } from "../test/ops/golden.ts";
import { inReplayOrder, replay } from "../test/ops/replay.ts";
import { type Family, families } from "../test/ops/rows/index.ts";
import { isTraining, replayTraining } from "../test/ops/training-nets.ts";
import { dataRoot, root, runBar } from "./harness.ts";

const shared = resolve(dataRoot, "../golden/ops");

function defaultFiles(): string[] {
  const folder = existsSync(shared) ? shared : join(root, "test/golden/ops");
  return readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .map((name) => join(folder, name));
}

/** The family whose rows write a case, whatever file it came in. */
function familyOf({ op }: GoldenCase): Family {
  const found = Object.values(families).find(({ golden, plain = {} }) => op in golden || op in plain);
  return found ?? { golden: {}, examples: {} };
}

await runBar("ops", async ({ inputs, log, measure }) => {
  const wrong = new Map<string, number>();
  const jobs = (inputs.length ? inputs : defaultFiles()).flatMap((file) => {
    const cases = readGoldenCases(file);
    const name = basename(file, ".json");
    wrong.set(name, 0);
    log(`${file}: ${cases.length} cases`);
    return cases.map((golden) => ({ name, golden, family: familyOf(golden) }));
  });
  const counts = new Map([...wrong.keys()].map((name) => [name, jobs.filter((job) => job.name === name).length]));
  for (const { name, golden, family } of inReplayOrder(jobs))
    try {
      await (isTraining(golden) ? replayTraining(golden) : replay(family, golden));
    } catch (thrown) {
      wrong.set(name, wrong.get(name)! + 1);
      log(`${name}, ${golden.op}, ${golden.name}: ${thrown instanceof Error ? thrown.message : thrown}`);
    }
  for (const [name, value] of wrong)
    measure({
      name: `cases of ${name} that differ, of ${counts.get(name)}`,
      value,
      unit: "",
      bar: "0",
      pass: value === 0 && counts.get(name)! > 0,
    });
});

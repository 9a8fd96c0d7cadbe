/**
 * `bar:misuse`: wrong calls over tensor, nn, optim, train, runtime and util. Each must throw a typed error that names what was
 * called, the offending values or shapes, and inside of a model the module's path.
 */
import { getDefaultEngine } from "../src/runtime/index.ts";
import { runBar } from "./harness.ts";
import { insideModel, judge, type MisuseCase } from "./misuse/case.ts";
import { moduleCases } from "./misuse/module-cases.ts";
import { runCases } from "./misuse/run-cases.ts";
import { tensorCases } from "./misuse/tensor-cases.ts";
import { trainCases } from "./misuse/train-cases.ts";

const areas: Readonly<Record<string, readonly MisuseCase[]>> = {
  tensor: tensorCases.map(insideModel),
  nn: moduleCases,
  "optim, train": trainCases,
  "runtime, util": runCases,
};

await runBar("misuse", async ({ log, measure }) => {
  let count = 0;
  for (const [area, cases] of Object.entries(areas)) {
    let wrong = 0;
    for (const misuse of cases) {
      const fault = await judge(misuse);
      if (fault === undefined) continue;
      wrong++;
      log(`${area}: ${misuse.name}: ${fault}`);
    }
    count += cases.length;
    measure({
      name: `${area}: wrong calls of ${cases.length} that say what is wrong`,
      value: cases.length - wrong,
      unit: "calls",
      bar: `= ${cases.length}`,
      pass: wrong === 0,
    });
  }
  measure({ name: "wrong calls in all", value: count, unit: "calls", bar: "≥ 200", pass: count >= 200 });
  await (await getDefaultEngine()).dispose();
});

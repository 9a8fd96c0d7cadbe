/**
 * A process that `bar:resume` kills: `child.ts RUN FOLDER STEPS` trains, and prints the number of every step.
 */
import { getDefaultEngine, openFolder } from "../../src/runtime/index.ts";
import { runs } from "./runs.ts";

const [name, folder, steps] = process.argv.slice(2) as [string, string, string];
await runs[name]!({
  files: await openFolder(folder),
  steps: Number(steps),
  onStep: (step) => process.stdout.write(`${step}\n`),
});
await (await getDefaultEngine()).dispose();

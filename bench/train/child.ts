/**
 * A process that trains for `bar:train-speed`: `child.ts NAME ARRAYS`. Each line of standard input is a number of steps; the
 * answer is a line of JSON with the loss of each, the milliseconds of all, and the memory of the process: before it read or
 * compiled anything, and at its most.
 */
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { readSafetensor, readSafetensors } from "../../src/formats/index.ts";
import { loadStateDict } from "../../src/nn/index.ts";
import { openFile } from "../../src/runtime/node/file-source.ts";
import type { NDArray } from "../../src/util/ndarray.ts";
import { speedModels } from "./models.ts";

/** Memory of this process in MiB: the most that it has had (`VmHWM`), or what it has now (`VmRSS`). */
const mebibytes = (what: "VmHWM" | "VmRSS") =>
  Number(new RegExp(`${what}:\\s+(\\d+)`).exec(readFileSync("/proc/self/status", "utf8"))![1]) / 1024;
const idleMiB = mebibytes("VmRSS");

const [name, path] = process.argv.slice(2) as [string, string];
const { build, compile, learningRate } = speedModels[name]!;
const source = await openFile(path);
const file = await readSafetensors(source);
const values = new Map<string, NDArray>();
const batches: Record<string, NDArray>[] = [];
for (const key of file.tensors.keys()) {
  const [, number, rest] = /^(?:batch(\d+)|model)\/(.+)$/.exec(key)!;
  const array = await readSafetensor(file, key);
  if (number === undefined) values.set(rest!, array);
  else batches[Number(number)] = { ...batches[Number(number)], [rest!]: array };
}
await source.close();
const model = build();
loadStateDict(model, values);
const step = await compile(model);

let done = 0;
for await (const line of createInterface({ input: process.stdin })) {
  const losses: number[] = [];
  const started = performance.now();
  for (let i = 0; i < Number(line); i++)
    losses.push((await step.run(batches[done++ % batches.length]!, learningRate)).loss);
  const ms = performance.now() - started;
  process.stdout.write(`${JSON.stringify({ ms, losses, idleMiB, peakMiB: mebibytes("VmHWM") })}\n`);
}
process.exit(0);

/**
 * Training runs on disk: one safetensors file holds parameters, buffers, optimiser state, averages and how far the run has
 * come. A file appears whole or not at all.
 */
import { readSafetensor, readSafetensors, writeSafetensors } from "../formats/index.ts";
import { loadStateDict, stateDict } from "../nn/index.ts";
import type { FileStore } from "../runtime/index.ts";
import { BletchleyError, fail } from "../util/errors.ts";
import { memorySource, type NDArray } from "../util/index.ts";
import type { BatchTypes } from "./step-options.ts";
import type { TrainStep } from "./train-step.ts";

/** How far a run has come, beside its arrays. */
export interface RunState {
  /** Steps made. */
  readonly step: number;
  /** Batches taken. */
  readonly position: number;
  /** Best value of the metric that stops early. */
  readonly best?: number;
  /** Evaluations since then. */
  readonly stale: number;
}

const modelPrefix = "model/";
const statePrefix = "state/";
const pattern = /^checkpoint-(\d+)\.safetensors$/;
const nameOf = (step: number) => `checkpoint-${String(step).padStart(8, "0")}.safetensors`;

/** Steps of all checkpoints, the latest first. */
export async function checkpointSteps(files: FileStore): Promise<readonly number[]> {
  const steps = (await files.names()).flatMap((name) => {
    const match = pattern.exec(name);
    return match ? [Number(match[1])] : [];
  });
  return steps.sort((a, b) => b - a);
}

/** Saves a run; of older checkpoints `keep − 1` stay. @throws `disk`; what was saved before is then still there. */
export async function saveCheckpoint<Inputs extends BatchTypes>(
  files: FileStore,
  step: TrainStep<Inputs>,
  run: RunState,
  keep: number,
): Promise<void> {
  const { module, optimizer, seed = 0 } = step.options;
  const arrays = new Map<string, NDArray>();
  for (const [path, array] of stateDict(module)) arrays.set(`${modelPrefix}${path}`, array);
  for (const [name, array] of Object.entries(step.state)) arrays.set(`${statePrefix}${name}`, array);
  const metadata = new Map([
    ["format", "bletchley training run 1"],
    ["run", JSON.stringify(run)],
    ["optimizer", optimizer.name],
    ["seed", String(seed)],
  ]);
  await files.write(nameOf(run.step), writeSafetensors(arrays, metadata));
  // one of a later step is not older: it may be what could not be read when this run went on
  const until = (await checkpointSteps(files)).filter((at) => at <= run.step);
  for (const old of until.slice(keep)) await files.remove(nameOf(old));
}

function runStateOf(text: string | undefined, name: string): RunState {
  const refuse = (): never => fail("format", `${name} is no checkpoint of a training run`);
  let run: RunState;
  try {
    run = JSON.parse(text ?? "") as RunState;
  } catch {
    return refuse();
  }
  const count = (n: unknown) => Number.isSafeInteger(n) && (n as number) >= 0;
  return run && count(run.step) && count(run.position) && count(run.stale) ? run : refuse();
}

/**
 * Goes on from a checkpoint: sets parameters, buffers and the step's state.
 * @throws `format` for a broken file, `argument` for one of another optimiser or seed, `name` or `shape` for another model.
 */
export async function loadCheckpoint<Inputs extends BatchTypes>(
  files: FileStore,
  step: TrainStep<Inputs>,
  at: number,
): Promise<RunState> {
  const name = nameOf(at);
  const bytes = (await files.read(name)) ?? fail("not-found", `there is no checkpoint ${name}`);
  const file = await readSafetensors(memorySource(bytes, name));
  const run = runStateOf(file.metadata.get("run"), name);
  const { module, optimizer, seed = 0 } = step.options;
  for (const [what, own] of [
    ["optimizer", optimizer.name],
    ["seed", String(seed)],
  ] as const)
    if (file.metadata.get(what) !== own)
      fail(
        "argument",
        `${name} was made with ${what} ${file.metadata.get(what)}, this run has ${own}; use the same, or another folder`,
      );
  const model = new Map<string, NDArray>();
  const state: Record<string, NDArray> = {};
  for (const key of file.tensors.keys()) {
    const array = await readSafetensor(file, key);
    if (key.startsWith(modelPrefix)) model.set(key.slice(modelPrefix.length), array);
    else if (key.startsWith(statePrefix)) state[key.slice(statePrefix.length)] = array;
    else fail("format", `${name} holds "${key}", which belongs to no training run`);
  }
  const before = stateDict(module);
  loadStateDict(module, model);
  try {
    step.restore(run.step, state);
  } catch (thrown) {
    // what does not fit as a whole changes nothing
    loadStateDict(module, before);
    throw thrown;
  }
  return run;
}

/** Goes on from the latest checkpoint that can be read; `undefined` when there is none. */
export async function resumeLatest<Inputs extends BatchTypes>(
  files: FileStore,
  step: TrainStep<Inputs>,
): Promise<RunState | undefined> {
  const steps = await checkpointSteps(files);
  for (const at of steps)
    try {
      return await loadCheckpoint(files, step, at);
    } catch (thrown) {
      // a broken file gives way to the one before it, if there is one
      if (!(thrown instanceof BletchleyError && thrown.code === "format") || at === steps[steps.length - 1])
        throw thrown;
    }
  return undefined;
}

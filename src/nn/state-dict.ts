/**
 * A module's arrays by path, out and in again. Files are the business of `formats`.
 */
import { type Parameter, shapeText } from "../tensor/index.ts";
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import type { Module } from "./module.ts";

/** Arrays by path. */
export type StateDict = ReadonlyMap<string, NDArray>;

function arraysOf(module: Module): Map<string, Parameter> {
  return new Map([...module.parameters(), ...module.buffers()]);
}

/**
 * Values of all parameters and buffers; the arrays are the module's own.
 * @throws `name` for one without a value, `unsupported` for one that lies in a file.
 */
export function stateDict(module: Module): Map<string, NDArray> {
  const out = new Map<string, NDArray>();
  for (const [path, { value }] of arraysOf(module)) {
    if (!value) fail("name", `stateDict: "${path}" has no value; initialise it or load a checkpoint first`);
    if (!(value instanceof NDArray)) return fail("unsupported", `stateDict: "${path}" lies in a file, not in memory`);
    out.set(path, value);
  }
  return out;
}

/** How a module and a state dict differ. */
export interface StateDifference {
  /** Paths that the module has and the dict lacks. */
  readonly missing: readonly string[];
  /** Names that the dict has and the module does not know. */
  readonly unexpected: readonly string[];
  /** Arrays whose shape or element type does not fit, each as a sentence. */
  readonly mismatched: readonly string[];
}

const listed = (title: string, names: readonly string[]) =>
  names.length ? [`  ${title} (${names.length}):`, ...names.map((name) => `    ${name}`)] : [];

/** A difference as text, one name a line; empty when there is none. */
export function formatDifference({ missing, unexpected, mismatched }: StateDifference): string {
  return [
    ...listed("missing", missing),
    ...listed("unexpected", unexpected),
    ...listed("does not fit", mismatched),
  ].join("\n");
}

/**
 * Sets a module's parameters and buffers to the arrays of a dict, which they share from then on; half-precision values become
 * f32. PyTorch's batch counters (`num_batches_tracked`) are passed over.
 * @param options `strict`, on by default, refuses any difference, and then nothing is changed. @returns the difference.
 * @throws `name` or `shape` with all names when strict.
 */
export function loadStateDict(
  module: Module,
  dict: StateDict,
  options: { readonly strict?: boolean } = {},
): StateDifference {
  const arrays = arraysOf(module);
  const missing = [...arrays.keys()].filter((path) => !dict.has(path));
  const unexpected = [...dict.keys()].filter((name) => !arrays.has(name) && !/(^|\.)num_batches_tracked$/.test(name));
  const mismatched: string[] = [];
  const fitting: [Parameter, NDArray][] = [];
  for (const [path, parameter] of arrays) {
    const array = dict.get(path);
    if (!array) continue;
    const value = parameter.dtype === "f32" && ["f16", "bf16"].includes(array.dtype) ? array.toF32() : array;
    if (String(value.shape) !== String(parameter.shape))
      mismatched.push(`${path}: is ${shapeText(array.shape)}, the module has ${shapeText(parameter.shape)}`);
    else if (value.dtype !== parameter.dtype)
      mismatched.push(`${path}: is ${array.dtype}, the module has ${parameter.dtype}`);
    else fitting.push([parameter, value]);
  }
  const difference = { missing, unexpected, mismatched };
  if ((options.strict ?? true) && (missing.length || unexpected.length || mismatched.length))
    fail(
      missing.length || unexpected.length ? "name" : "shape",
      `the state dict does not fit the module; pass { strict: false } to take what fits\n${formatDifference(difference)}`,
    );
  for (const [parameter, value] of fitting) parameter.value = value;
  return difference;
}

/**
 * Parameters that training leaves as they are.
 */
import type { Parameter } from "../tensor/index.ts";
import type { Module } from "./module.ts";
import { type PathPattern, pathMatcher } from "./path-pattern.ts";

const frozen = new WeakSet<Parameter>();

function choose(module: Module, paths: PathPattern): Parameter[] {
  const matches = pathMatcher(paths);
  return [...module.parameters()].flatMap(([path, parameter]) => (matches(path) ? [parameter] : []));
}

/** Keeps parameters as they are in training steps that are compiled from now on; all by default. */
export function freeze(module: Module, paths: PathPattern = "**"): void {
  for (const parameter of choose(module, paths)) frozen.add(parameter);
}

/** Takes {@link freeze} back. */
export function unfreeze(module: Module, paths: PathPattern = "**"): void {
  for (const parameter of choose(module, paths)) frozen.delete(parameter);
}

/** Whether training leaves a parameter as it is. */
export function isFrozen(parameter: Parameter): boolean {
  return frozen.has(parameter);
}

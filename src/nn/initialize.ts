/**
 * Gives a module tree its first values. Each array has a random stream of its own, named after its path, so that adding
 * a layer does not change how the others begin.
 */
import { Parameter } from "../tensor/index.ts";
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import { Random } from "../util/random.ts";
import { Buffer } from "./buffer.ts";
import type { Initializer } from "./initializers.ts";
import type { Module } from "./module.ts";
import { type PathPattern, pathMatcher } from "./path-pattern.ts";

const declared = new WeakMap<Parameter, Initializer>();

/** A parameter that knows how it begins. */
export function newParameter(name: string, shape: readonly number[], initializer: Initializer): Parameter {
  const parameter = new Parameter(name, "f32", shape);
  declared.set(parameter, initializer);
  return parameter;
}

/** A buffer that knows how it begins. */
export function newBuffer(name: string, shape: readonly number[], initializer: Initializer): Buffer {
  const buffer = new Buffer(name, "f32", shape);
  declared.set(buffer, initializer);
  return buffer;
}

/** FNV-1a, so that a path names a random stream. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/**
 * Sets every parameter and buffer. Layers begin as PyTorch's do; `rules` say otherwise for some paths, the first that
 * matches counts. An array that is shared begins by its first path.
 * @throws `argument` for a parameter that neither its layer nor a rule covers.
 */
export function initialize(
  module: Module,
  seed: number,
  rules: readonly (readonly [paths: PathPattern, initializer: Initializer])[] = [],
): void {
  const matchers = rules.map(([paths, initializer]) => ({ matches: pathMatcher(paths), initializer }));
  const random = new Random(seed);
  const done = new Set<Parameter>();
  for (const [path, array] of [...module.parameters(), ...module.buffers()]) {
    if (done.has(array)) continue;
    done.add(array);
    const initializer =
      matchers.find(({ matches }) => matches(path))?.initializer ??
      declared.get(array) ??
      fail("argument", `initialize: "${path}" has no initialiser; make it with newParameter, or give a rule for it`);
    const values = initializer(array.shape, random.split(hashOf(path)));
    array.value = new NDArray(values, array.shape, "f32");
  }
}

/**
 * Trees of named modules. A module's parameters, buffers and children are its own properties, so the path of a parameter is
 * the path of property names, as in Hugging Face checkpoints. Knows nothing of training or of any family.
 */
import { Parameter } from "../tensor/index.ts";
import { Buffer } from "./buffer.ts";
import { enter } from "./tracing.ts";

/**
 * Base class of everything with parameters. Property names that start with `_` are not part of the tree. A module's
 * `forward` runs under the module's path: errors name it, and its result can be read and edited there.
 */
export abstract class Module {
  /** Whether this module's parameters are named as if they were its owner's. */
  readonly _inline: boolean = false;
  /** Whether it and all below behave as in evaluation even while the rest is trained. @see evaluate */
  _alwaysEvaluates = false;

  constructor() {
    const { forward } = this as { forward?: unknown };
    if (typeof forward === "function")
      Object.defineProperty(this, "forward", {
        value: (...inputs: readonly unknown[]) => enter(this, () => forward.apply(this, inputs)),
        enumerable: false,
        configurable: true,
        writable: true,
      });
  }

  /** Children, parameters and buffers by property name; lists contribute `name.index`. */
  *members(): Iterable<readonly [name: string, member: Module | Parameter]> {
    for (const [name, value] of Object.entries(this)) {
      if (name.startsWith("_")) continue;
      if (value instanceof Module || value instanceof Parameter) yield [name, value];
      else if (Array.isArray(value))
        for (let i = 0; i < value.length; i++) if (value[i] instanceof Module) yield [`${name}.${i}`, value[i]];
    }
  }

  /** Modules one level down. */
  *children(): Iterable<readonly [name: string, module: Module]> {
    for (const [name, member] of this.members()) if (member instanceof Module) yield [name, member];
  }

  /** All modules of the tree with their paths, this one first under `""` (or `prefix`). */
  *modules(prefix = ""): Iterable<readonly [path: string, module: Module]> {
    yield [prefix, this];
    for (const [name, child] of this.children()) yield* child.modules(joinPath(prefix, name));
  }

  *#arrays(prefix: string): Iterable<readonly [path: string, parameter: Parameter]> {
    for (const [name, member] of this.members())
      if (member instanceof Module) yield* member.#arrays(member._inline ? prefix : joinPath(prefix, name));
      else yield [joinPath(prefix, name), member];
  }

  /** All parameters of the tree with their paths. */
  *parameters(prefix = ""): Iterable<readonly [path: string, parameter: Parameter]> {
    for (const [path, array] of this.#arrays(prefix)) if (!(array instanceof Buffer)) yield [path, array];
  }

  /** All buffers of the tree with their paths. */
  *buffers(prefix = ""): Iterable<readonly [path: string, buffer: Buffer]> {
    for (const [path, array] of this.#arrays(prefix)) if (array instanceof Buffer) yield [path, array];
  }
}

/**
 * Makes a module and all below behave as in evaluation even while the rest of the model is trained (no dropout, batch norm by its
 * running statistics), or takes that back.
 */
export function evaluate(module: Module, always = true): void {
  module._alwaysEvaluates = always;
}

/** Joins module paths; an empty part adds nothing. */
export function joinPath(prefix: string, name: string): string {
  return prefix && name ? `${prefix}.${name}` : prefix || name;
}

/** Gives every parameter and buffer of a finished tree its path as name. */
export function nameParameters(root: Module, prefix = ""): void {
  for (const arrays of [root.parameters(prefix), root.buffers(prefix)])
    for (const [path, array] of arrays) array.name = path;
}

/**
 * Trees of named modules. A module's parameters and children are its own properties, so the path of a parameter is the
 * path of property names, as in Hugging Face checkpoints. Knows nothing of training or of any family.
 */
import { Parameter } from "../tensor/index.ts";

/** Base class of everything with parameters. Property names that start with `_` are not part of the tree. */
export abstract class Module {
  /** Whether this module's parameters are named as if they were its owner's. */
  readonly _inline: boolean = false;

  /** Children and parameters by property name; lists contribute `name.index`. */
  *members(): Iterable<readonly [name: string, member: Module | Parameter]> {
    for (const [name, value] of Object.entries(this)) {
      if (name.startsWith("_")) continue;
      if (value instanceof Module || value instanceof Parameter) yield [name, value];
      else if (Array.isArray(value))
        for (let i = 0; i < value.length; i++) if (value[i] instanceof Module) yield [`${name}.${i}`, value[i]];
    }
  }

  /** All modules of the tree with their paths, this one first under `""` (or `prefix`). */
  *modules(prefix = ""): Iterable<readonly [path: string, module: Module]> {
    yield [prefix, this];
    for (const [name, member] of this.members())
      if (member instanceof Module) yield* member.modules(joinPath(prefix, name));
  }

  /** All parameters of the tree with their paths. */
  *parameters(prefix = ""): Iterable<readonly [path: string, parameter: Parameter]> {
    for (const [name, member] of this.members())
      if (member instanceof Module) yield* member.parameters(member._inline ? prefix : joinPath(prefix, name));
      else yield [joinPath(prefix, name), member];
  }
}

/** Joins module paths; an empty part adds nothing. */
export function joinPath(prefix: string, name: string): string {
  return prefix && name ? `${prefix}.${name}` : prefix || name;
}

/** Gives every parameter of a finished tree its path as name. */
export function nameParameters(root: Module, prefix = ""): void {
  for (const [path, parameter] of root.parameters(prefix)) parameter.name = path;
}

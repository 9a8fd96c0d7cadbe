/** Constraints on generated text: JSON Schema, any JSON, patterns, grammars, choices. */
export type { Constraint, TokenMask } from "./constraint.ts";
export {
  type CompiledConstraint,
  ConstraintEngine,
  type JsonOptions,
  type JsonSchemaOptions,
  type Whitespace,
} from "./engine.ts";
export { type TokenBytes, Vocabulary } from "./vocabulary.ts";

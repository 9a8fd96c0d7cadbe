/** Constraints on generated text: JSON Schema, any JSON, patterns, grammars, choices, monitors. */
export type { Constraint, TokenMask } from "./constraint.ts";
export {
  type CompiledConstraint,
  ConstraintEngine,
  type EngineOptions,
  type JsonOptions,
  type JsonSchemaOptions,
  type Whitespace,
} from "./engine.ts";
export * from "./monitors/index.ts";
export { type TokenBytes, Vocabulary } from "./vocabulary.ts";

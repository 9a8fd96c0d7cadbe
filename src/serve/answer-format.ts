/**
 * What an answer must look like, as data, and the constraints made of it: compiled once, used by every answer of that form.
 */
import { type CompiledConstraint, type Constraint, ConstraintEngine, type JsonSchemaOptions } from "../decode/index.ts";
import type { Tokenizer } from "../formats/index.ts";

/** What an answer must look like. */
export type AnswerFormat =
  /** Any JSON object. */
  | { readonly kind: "json-object" }
  /** JSON that a schema accepts. */
  | { readonly kind: "json-schema"; readonly schema: unknown; readonly options?: JsonSchemaOptions }
  /** Text that a pattern of ECMAScript matches from end to end. */
  | { readonly kind: "regex"; readonly pattern: string }
  /** One of several texts. */
  | { readonly kind: "choices"; readonly texts: readonly string[] }
  /** Text of a context-free grammar, in Lark's notation or llama.cpp's GBNF; by its look (`::=`) when the notation is absent. */
  | { readonly kind: "grammar"; readonly text: string; readonly notation?: "lark" | "gbnf" };

/** Compiled formats that are kept, the least recently used one goes first. */
const kept = 64;

/** Makes constraints for one tokenizer. */
export class AnswerFormats {
  readonly #tokenizer: Tokenizer;
  readonly #compiled = new Map<string, CompiledConstraint>();
  #engine: ConstraintEngine | undefined;

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
  }

  /**
   * A constraint for a new answer.
   * @throws `argument` for a format that nothing satisfies or that is none, `unsupported` for what cannot be enforced while a
   * text is written.
   */
  constraint(format: AnswerFormat): Constraint {
    const key = JSON.stringify(format);
    const compiled = this.#compiled.get(key) ?? this.#compile(format);
    this.#compiled.delete(key);
    this.#compiled.set(key, compiled);
    if (this.#compiled.size > kept)
      for (const oldest of [...this.#compiled.keys()].slice(0, 1)) this.#compiled.delete(oldest);
    return compiled.start();
  }

  #compile(format: AnswerFormat): CompiledConstraint {
    // built when it is first needed: it reads the whole vocabulary
    this.#engine ??= new ConstraintEngine(this.#tokenizer);
    const engine = this.#engine;
    // models write whole numbers in digits; one that may write 1.5e3 for an integer begins to, and is lost
    const integers = "plain";
    switch (format.kind) {
      case "json-object":
        return engine.jsonSchema({ type: "object" }, { integers });
      case "json-schema":
        return engine.jsonSchema(format.schema, { integers, ...format.options });
      case "regex":
        return engine.regex(format.pattern);
      case "choices":
        return engine.choices(format.texts);
      case "grammar":
        return engine.grammar(format.text, format.notation ?? (format.text.includes("::=") ? "gbnf" : "lark"));
    }
  }
}

/**
 * Answers as typed values: a schema goes in, and an object that it accepts comes out.
 */
import type { ChatMessage } from "../formats/index.ts";
import { fail } from "../util/errors.ts";
import type { ChatOptions, Generation, Model } from "./model.ts";

/** What is used of a Zod schema (version 4). */
export interface ZodSchema<Output> {
  readonly _zod: { readonly output: Output };
  parse(value: unknown): Output;
}

/** A JSON Schema as a value, whose answers have an unknown type. */
export type PlainSchema = boolean | { readonly [keyword: string]: unknown };

/** An object and how it was made. */
export interface GeneratedObject<Output> extends Generation {
  readonly object: Output;
}

const isZod = (schema: object | boolean): schema is ZodSchema<unknown> =>
  typeof schema === "object" && "_zod" in schema && typeof (schema as { parse?: unknown }).parse === "function";

/** The JSON Schema of a Zod schema, by Zod itself. @throws `unsupported` where Zod is not installed. */
async function jsonSchemaOf(schema: ZodSchema<unknown>): Promise<unknown> {
  // not a literal: Zod is the caller's, and bundlers must not look for it
  const name: string = "zod";
  const zod = (await import(name).catch((thrown: unknown) =>
    fail("unsupported", "a Zod schema needs the package zod, version 4: npm install zod", thrown),
  )) as { z: { toJSONSchema(schema: unknown, options: object): unknown } };
  return zod.z.toJSONSchema(schema, { io: "input" });
}

/**
 * Answers a conversation with an object that a schema accepts; the type of a Zod schema is that of the object.
 * @param messages a conversation, or one question.
 * @throws `argument` and `unsupported` for schemas that cannot be enforced, `context-overflow` when the limit of tokens came before the
 * end of the object.
 * @example
 * const { object } = await generateObject(model, z.object({ city: z.string(), people: z.int() }), "The capital of Norway?");
 */
export async function generateObject<Output>(
  model: Model,
  schema: ZodSchema<Output>,
  messages: string | readonly ChatMessage[],
  options?: ChatOptions,
): Promise<GeneratedObject<Output>>;
export async function generateObject(
  model: Model,
  schema: PlainSchema,
  messages: string | readonly ChatMessage[],
  options?: ChatOptions,
): Promise<GeneratedObject<unknown>>;
export async function generateObject(
  model: Model,
  schema: ZodSchema<unknown> | PlainSchema,
  messages: string | readonly ChatMessage[],
  options: ChatOptions = {},
): Promise<GeneratedObject<unknown>> {
  const zod = isZod(schema as object) ? (schema as ZodSchema<unknown>) : undefined;
  const plain = zod ? await jsonSchemaOf(zod) : schema;
  const asked = typeof messages === "string" ? [{ role: "user", content: messages }] : messages;
  const generation = await model.collect(
    model.chat(asked, { ...options, format: { kind: "json-schema", schema: plain } }),
  );
  let object: unknown;
  try {
    object = JSON.parse(generation.text);
  } catch (thrown) {
    return fail(
      "context-overflow",
      `the answer was cut after ${generation.tokens.length} tokens, before its end; give it more with maxTokens`,
      thrown,
    );
  }
  return { ...generation, object: zod ? zod.parse(object) : object };
}

/**
 * Reads `response_format` and `tools` with `tool_choice`: what an answer must look like.
 */
import { BletchleyError } from "../../util/errors.ts";
import type { AnswerFormat } from "../answer-format.ts";
import type { Model } from "../model.ts";
import { callSchema, type ToolDefinition } from "../tool-messages.ts";
import { refuse } from "./api-error.ts";
import { Fields } from "./fields.ts";

/** What a request says of tools. */
export interface ToolRequest {
  /** Tools that the model is told of. */
  readonly tools: readonly ToolDefinition[];
  /** `auto` lets the model decide, `call` makes it call one. */
  readonly mode: "none" | "auto" | "call";
}

/** Most tools of one request. */
const maxTools = 128;

/** Reads `response_format`, or what stands for it. @throws {@link ApiError} 400 naming the field. */
export function readResponseFormat(fields: Fields): AnswerFormat | undefined {
  const other = readTextFormat(fields);
  const format = fields.object("response_format");
  if (!format) return other;
  const type = format.oneOf("type", ["text", "json_object", "json_schema"]) ?? format.missing("type");
  const given = type === "json_schema" ? format.object("json_schema") : undefined;
  if (type === "json_schema" && !given) format.missing("json_schema");
  format.done();
  if (type === "text") return other;
  if (other)
    refuse(
      "response_format",
      `response_format and ${formatParams[other.kind]} both say what a text looks like; give one of them`,
    );
  if (!given) return { kind: "json-object" };
  given.requiredText("name");
  given.accept("description");
  given.boolean("strict");
  const schema = given.value("schema") ?? {};
  given.done();
  return { kind: "json-schema", schema };
}

/** Most choices of one request. */
const maxTexts = 1000;

/**
 * Reads `regex`, `grammar` and `choices`, which go beyond the OpenAI API: what a text must look like. @throws {@link ApiError} 400 when
 * several are given.
 */
export function readTextFormat(fields: Fields): AnswerFormat | undefined {
  const regex = fields.text("regex");
  const grammar = fields.text("grammar");
  const choices = fields.list("choices");
  if ([regex, grammar, choices].filter((value) => value !== undefined).length > 1)
    refuse("grammar", "regex, grammar and choices each say all of what a text looks like; give one of them");
  if (regex !== undefined) return { kind: "regex", pattern: regex };
  if (grammar !== undefined) return { kind: "grammar", text: grammar };
  if (!choices) return undefined;
  if (!choices.length || choices.length > maxTexts || !choices.every((text) => typeof text === "string"))
    return refuse("choices", `choices must be a list of 1 to ${maxTexts} texts`, "invalid_type");
  return { kind: "choices", texts: choices as string[] };
}

function readTool(value: unknown, path: string): ToolDefinition {
  const fields = new Fields(value, path);
  const type = fields.requiredText("type");
  if (type !== "function")
    refuse(
      fields.param("type"),
      `${fields.param("type")} is ${JSON.stringify(type)}; this server knows functions only`,
      "unsupported_value",
    );
  const inner = fields.object("function") ?? fields.missing("function");
  const name = inner.requiredText("name");
  if (!/^[\w-]{1,64}$/.test(name))
    refuse(
      inner.param("name"),
      `${inner.param("name")} is ${JSON.stringify(name)}; a name has up to 64 letters, digits, - and _`,
    );
  const description = inner.text("description");
  inner.boolean("strict");
  inner.object("parameters");
  const parameters = inner.value("parameters");
  inner.done();
  fields.done();
  return {
    type: "function",
    function: {
      name,
      ...(description !== undefined && { description }),
      ...(parameters !== undefined && { parameters }),
    },
  };
}

/** Reads `tools`, `tool_choice` and `parallel_tool_calls`. @throws {@link ApiError} 400 naming the field. */
export function readTools(fields: Fields): ToolRequest {
  const list = fields.list("tools") ?? [];
  if (list.length > maxTools) refuse("tools", `tools has ${list.length} entries; at most ${maxTools} are possible`);
  const tools = list.map((tool, i) => readTool(tool, `tools[${i}]`));
  const twice = tools.find((tool, i) => tools.findIndex((other) => other.function.name === tool.function.name) !== i);
  if (twice) refuse("tools", `tools has two functions named ${twice.function.name}`);
  // one call an answer is made in any case
  fields.boolean("parallel_tool_calls");
  const choice = fields.value("tool_choice") ?? (tools.length ? "auto" : "none");
  if (choice === "none") return { tools: [], mode: "none" };
  if (choice === "auto") return { tools, mode: tools.length ? "auto" : "none" };
  if (!tools.length) refuse("tool_choice", "tool_choice asks for a call, and tools is empty; give at least one tool");
  if (choice === "required") return { tools, mode: "call" };
  if (typeof choice === "string")
    return refuse(
      "tool_choice",
      `tool_choice is ${JSON.stringify(choice)}; it must be none, auto, required or a function`,
    );
  const wanted = new Fields(choice, "tool_choice");
  const type = wanted.requiredText("type");
  if (type !== "function")
    refuse("tool_choice.type", `tool_choice.type is ${JSON.stringify(type)}; it must be "function"`);
  const inner = wanted.object("function") ?? wanted.missing("function");
  const name = inner.requiredText("name");
  inner.done();
  wanted.done();
  const tool = tools.find((each) => each.function.name === name);
  if (!tool)
    return refuse("tool_choice.function.name", `tool_choice.function.name is ${name}, which is not among tools`);
  return { tools: [tool], mode: "call" };
}

/** The parameter that a format comes from. */
const formatParams: Readonly<Record<AnswerFormat["kind"], string>> = {
  "json-object": "response_format",
  "json-schema": "response_format",
  regex: "regex",
  grammar: "grammar",
  choices: "choices",
};

/**
 * The form of the answer, once it is known to be possible: schemas are compiled here, so that what cannot be enforced is refused
 * before anything is generated.
 */
export function answerFormat(
  model: Model,
  response: AnswerFormat | undefined,
  { tools, mode }: ToolRequest,
): AnswerFormat | undefined {
  const format: AnswerFormat | undefined =
    mode === "call" ? { kind: "json-schema", schema: callSchema(tools) } : response;
  if (!format) return undefined;
  const param = mode === "call" ? "tools" : formatParams[format.kind];
  if (mode === "call" && response)
    refuse(
      formatParams[response.kind],
      `${formatParams[response.kind]} says what a text looks like, and tool_choice asks for a call; give one of them`,
    );
  try {
    model.constraint(format);
  } catch (thrown) {
    if (thrown instanceof BletchleyError && (thrown.code === "argument" || thrown.code === "unsupported"))
      return refuse(
        param,
        `${param}: ${thrown.message}`,
        thrown.code === "argument" ? "invalid_value" : "unsupported_value",
      );
    throw thrown;
  }
  return format;
}

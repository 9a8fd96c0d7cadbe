/**
 * Tools in conversations of models whose template knows none: told in words, called in JSON. And the other way round: the call in a
 * model's answer.
 */
import type { ChatMessage } from "../formats/index.ts";

/** A function that a model may call. */
export interface ToolDefinition {
  readonly type: "function";
  readonly function: {
    readonly name: string;
    readonly description?: string;
    /** JSON Schema of the arguments; any object when absent. */
    readonly parameters?: unknown;
  };
}

/** A call in an answer. */
export interface ToolCall {
  readonly name: string;
  /** JSON text. */
  readonly arguments: string;
}

/** Whether a chat template shows tools by itself. */
export function templateKnowsTools(template: string): boolean {
  return /\btools\b/.test(template);
}

function toolInstructions(tools: readonly unknown[]): string {
  return [
    "You can call functions. These are they, as JSON:",
    ...tools.map((tool) => JSON.stringify(tool)),
    'To call one, answer with {"name": NAME, "arguments": {…}} and nothing else. Otherwise answer in words.',
  ].join("\n");
}

/** A conversation in which tools, their calls and their results are plain text. */
export function toolsInWords(messages: readonly ChatMessage[], tools: readonly unknown[]): ChatMessage[] {
  const words = messages.map((message): ChatMessage => {
    if (message.role === "tool") return { role: "user", content: `The function answered: ${String(message.content)}` };
    const calls = message.tool_calls as
      | readonly { readonly function: { name: string; arguments: unknown } }[]
      | undefined;
    if (!calls?.length) return message;
    const called = calls.map(({ function: f }) => callText(f.name, f.arguments)).join("\n");
    return { role: message.role, content: [message.content, called].filter(Boolean).join("\n") };
  });
  if (!tools.length) return words;
  const [first, ...rest] = words;
  if (first?.role === "system")
    return [{ ...first, content: `${String(first.content)}\n\n${toolInstructions(tools)}` }, ...rest];
  return [{ role: "system", content: toolInstructions(tools) }, ...words];
}

function callText(name: string, given: unknown): string {
  return `{"name": ${JSON.stringify(name)}, "arguments": ${typeof given === "string" ? given : JSON.stringify(given)}}`;
}

/** The schema of a call of one of some tools. */
export function callSchema(tools: readonly ToolDefinition[]): unknown {
  const calls = tools.map(({ function: { name, parameters } }) => ({
    type: "object",
    properties: { name: { const: name }, arguments: parameters ?? { type: "object" } },
    required: ["name", "arguments"],
    additionalProperties: false,
  }));
  return calls.length === 1 ? calls[0] : { anyOf: calls };
}

/** The call that an answer consists of, if it does: JSON with name and arguments, bare or in `<tool_call>` marks. */
export function readCall(text: string, names: ReadonlySet<string>): ToolCall | undefined {
  const inner = /^\s*(?:<tool_call>)?\s*(\{[\s\S]*\})\s*(?:<\/tool_call>)?\s*$/.exec(text)?.[1];
  if (!inner) return undefined;
  let value: { readonly name?: unknown; readonly arguments?: unknown; readonly parameters?: unknown };
  try {
    value = JSON.parse(inner);
  } catch {
    return undefined;
  }
  const given = value.arguments ?? value.parameters;
  if (typeof value.name !== "string" || !names.has(value.name)) return undefined;
  if (typeof given !== "object" || given === null || Array.isArray(given)) return undefined;
  return { name: value.name, arguments: JSON.stringify(given) };
}

/** Whether a text may still become a call. */
export function mayBecomeCall(text: string): boolean {
  const start = text.trimStart();
  return !start || start.startsWith("{") || "<tool_call>".startsWith(start.slice(0, 11));
}

/**
 * Reads the messages of a chat request. Only text so far: parts of another kind are refused by name.
 */
import type { ChatMessage } from "../../formats/index.ts";
import { refuse } from "./api-error.ts";
import { Fields } from "./fields.ts";

const isEmptyList = (value: unknown) => Array.isArray(value) && value.length === 0;

function contentOf(fields: Fields): string {
  const content = fields.value("content");
  const param = fields.param("content");
  if (typeof content === "string") return content;
  if (content === undefined) return fields.missing("content");
  if (!Array.isArray(content)) return refuse(param, `${param} must be a text or a list of text parts`, "invalid_type");
  return content
    .map((part, i) => {
      const inner = new Fields(part, `${param}[${i}]`);
      const type = inner.requiredText("type");
      if (type !== "text")
        refuse(
          inner.param("type"),
          `${inner.param("type")} is ${JSON.stringify(type)}; this server reads text only`,
          "unsupported_value",
        );
      const text = inner.requiredText("text");
      inner.done();
      return text;
    })
    .join("");
}

/** Calls in an earlier answer, as templates know them. */
function toolCallsOf(fields: Fields): readonly object[] | undefined {
  const list = fields.list("tool_calls");
  if (!list?.length) return undefined;
  return list.map((value, i) => {
    const call = new Fields(value, `${fields.param("tool_calls")}[${i}]`);
    const id = call.requiredText("id");
    call.oneOf("type", ["function"]);
    const inner = call.object("function") ?? call.missing("function");
    const name = inner.requiredText("name");
    const given = inner.requiredText("arguments");
    inner.done();
    call.done();
    let parsed: unknown;
    try {
      parsed = JSON.parse(given);
    } catch {
      refuse(inner.param("arguments"), `${inner.param("arguments")} is no JSON`);
    }
    return { id, type: "function", function: { name, arguments: parsed } };
  });
}

function messageOf(value: unknown, path: string): ChatMessage {
  const fields = new Fields(value, path);
  const role = fields.oneOf("role", ["system", "developer", "user", "assistant", "tool"]) ?? fields.missing("role");
  const name = fields.text("name");
  const calls = role === "assistant" ? toolCallsOf(fields) : undefined;
  // an answer that is a call has no text
  const content = calls && fields.value("content") === undefined ? "" : contentOf(fields);
  const answered = role === "tool" ? fields.requiredText("tool_call_id") : undefined;
  // what answers carry that come back as messages
  for (const empty of ["tool_calls", "annotations"])
    if (!calls || empty !== "tool_calls") fields.notSupported(empty, isEmptyList);
  for (const absent of ["function_call", "audio", "refusal"]) fields.notSupported(absent);
  fields.done();
  return {
    // models know the older name of the role
    role: role === "developer" ? "system" : role,
    content,
    ...(name !== undefined && { name }),
    ...(calls && { tool_calls: calls }),
    ...(answered !== undefined && { tool_call_id: answered }),
  };
}

/** The messages of a request. @throws {@link ApiError} 400 naming the message and field at fault. */
export function readMessages(fields: Fields): ChatMessage[] {
  const messages = fields.list("messages") ?? fields.missing("messages");
  if (!messages.length) refuse("messages", "messages is empty; give at least one message");
  return messages.map((message, i) => messageOf(message, `messages[${i}]`));
}

/**
 * Reads the messages of a chat request. Only text so far: parts of another kind and calls of tools are refused by name.
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

function messageOf(value: unknown, path: string): ChatMessage {
  const fields = new Fields(value, path);
  const role =
    fields.oneOf("role", ["system", "developer", "user", "assistant", "tool", "function"]) ?? fields.missing("role");
  if (role === "tool" || role === "function")
    refuse(
      fields.param("role"),
      `${fields.param("role")} is ${role}; this server does not support tools`,
      "unsupported_value",
    );
  const name = fields.text("name");
  const content = contentOf(fields);
  // what answers carry that come back as messages
  for (const empty of ["tool_calls", "annotations"]) fields.notSupported(empty, isEmptyList);
  for (const absent of ["function_call", "audio", "refusal"]) fields.notSupported(absent);
  fields.done();
  // models know the older name of the role
  return { role: role === "developer" ? "system" : role, content, ...(name !== undefined && { name }) };
}

/** The messages of a request. @throws {@link ApiError} 400 naming the message and field at fault. */
export function readMessages(fields: Fields): ChatMessage[] {
  const messages = fields.list("messages") ?? fields.missing("messages");
  if (!messages.length) refuse("messages", "messages is empty; give at least one message");
  return messages.map((message, i) => messageOf(message, `messages[${i}]`));
}

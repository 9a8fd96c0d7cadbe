/**
 * The child process of `template-sandbox.ts`: renders what it is sent, and ends when its parent does.
 */
import { renderChatTemplate } from "../../formats/tokenizer/chat-template.ts";
import { messageOf } from "../../util/index.ts";
import type { TemplateAnswer, TemplateRequest } from "./template-sandbox.ts";

function answer(message: TemplateAnswer): void {
  process.send?.(message);
}

process.on("disconnect", () => process.exit());
process.on("message", ({ template, input }: TemplateRequest) => {
  try {
    answer({ kind: "text", text: renderChatTemplate(template, input) });
  } catch (error) {
    answer({ kind: "error", message: messageOf(error) });
  }
});
answer({ kind: "ready" });

/**
 * From a conversation to prompt tokens: the model's own template, rendered in a sandbox, and what to leave out when the
 * conversation outgrows the context.
 */
import type { ChatMessage, Tokenizer } from "../formats/index.ts";
import { renderInSandbox } from "../runtime/node/template-sandbox.ts";
import { fail } from "../util/errors.ts";

/** Renders conversations for one model. */
export class ChatFormat {
  readonly #tokenizer: Tokenizer;
  readonly #template: string;

  constructor(tokenizer: Tokenizer, template: string) {
    this.#tokenizer = tokenizer;
    this.#template = template;
  }

  /** The prompt's text. @throws `template` when the model's template fails or takes more than two seconds. */
  render(messages: readonly ChatMessage[], tools?: readonly unknown[]): Promise<string> {
    const { bosId, eosIds } = this.#tokenizer.specials;
    return renderInSandbox(this.#template, {
      messages,
      tools,
      addGenerationPrompt: true,
      bosToken: bosId === undefined ? "" : this.#tokenizer.textOf(bosId),
      eosToken: eosIds.length ? this.#tokenizer.textOf(eosIds[0]!) : "",
    });
  }

  /**
   * Prompt tokens of a conversation.
   * @param room most tokens that the prompt may have. @param overflow whether to drop the oldest turns until it fits.
   * @throws `context-overflow` when it does not fit and nothing may be (or is left to be) dropped.
   */
  async tokens(
    messages: readonly ChatMessage[],
    room: number,
    overflow: "error" | "drop-oldest",
    tools?: readonly unknown[],
  ): Promise<number[]> {
    let kept = [...messages];
    for (;;) {
      const ids = this.#tokenizer.encode(await this.render(kept, tools), { parseSpecial: true });
      if (ids.length <= room) return ids;
      const oldest = kept.findIndex((message, i) => message.role !== "system" && i < kept.length - 1);
      if (overflow === "error" || oldest < 0)
        fail(
          "context-overflow",
          `the conversation has ${ids.length} tokens and ${room} fit the context; shorten it${overflow === "error" ? ' or choose contextOverflow "drop-oldest"' : ""}`,
        );
      // an answer without its question would confuse the model, so both go
      const next = kept.findIndex((message, i) => i > oldest && message.role === "user");
      kept = kept.filter((_, i) => i < oldest || i >= (next < 0 ? kept.length - 1 : next));
    }
  }
}

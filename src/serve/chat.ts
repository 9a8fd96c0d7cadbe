/**
 * From a conversation to prompt tokens: the model's own template, rendered in a sandbox, and what to leave out when the
 * conversation outgrows the context.
 */
import { createHash } from "node:crypto";
import { builtInTemplates, type ChatMessage, renderChatTemplate, type Tokenizer } from "../formats/index.ts";
import { renderInSandbox } from "../runtime/node/template-sandbox.ts";
import { fail } from "../util/errors.ts";
import { templateKnowsTools, toolsInWords } from "./tool-messages.ts";

/** A conversation as a prompt. */
export interface ChatPrompt {
  readonly tokens: readonly number[];
  /** The messages that the prompt holds. */
  readonly messages: readonly ChatMessage[];
  /** How many of the oldest messages were left out. */
  readonly dropped: number;
}

/** How a conversation is fitted into the context. */
export interface FitOptions {
  /** Most tokens that the prompt may have. */
  readonly room: number;
  readonly overflow: "error" | "drop-oldest";
  /** JSON schemas of the tools that the model may call. */
  readonly tools?: readonly unknown[];
}

/**
 * Templates that were read and found harmless, by SHA-256: they need no process of their own, which would cost a start
 * 0.2 s. That of SmolLM2; those that ship with the library join them.
 */
const harmless = new Set(["872be49dbb638044ad01b60388f48d469ff2980e5f0dccdc22ec907db54d0788"]);

function isHarmless(template: string): boolean {
  return (
    Object.values(builtInTemplates).includes(template) ||
    harmless.has(createHash("sha256").update(template).digest("hex"))
  );
}

/** Renders conversations for one model. */
export class ChatFormat {
  readonly #tokenizer: Tokenizer;
  readonly #template: string;
  readonly #harmless: boolean;

  constructor(tokenizer: Tokenizer, template: string) {
    this.#tokenizer = tokenizer;
    this.#template = template;
    this.#harmless = isHarmless(template);
  }

  /** The prompt's text. @throws `template` when the model's template fails or takes more than two seconds. */
  async render(messages: readonly ChatMessage[], tools?: readonly unknown[]): Promise<string> {
    const { bosId, eosIds } = this.#tokenizer.specials;
    const render = this.#harmless ? renderChatTemplate : renderInSandbox;
    const known = templateKnowsTools(this.#template);
    return render(this.#template, {
      messages: known ? messages : toolsInWords(messages, tools ?? []),
      tools: known ? tools : undefined,
      addGenerationPrompt: true,
      bosToken: bosId === undefined ? "" : this.#tokenizer.textOf(bosId),
      eosToken: eosIds.length ? this.#tokenizer.textOf(eosIds[0]!) : "",
    });
  }

  /**
   * Prompt of a conversation. When the oldest turns have to go, some more go with them, until a quarter of the room is
   * free: else every further turn would drop another one, and the whole prompt would be computed anew each time. System
   * messages and the last message always stay.
   * @throws `context-overflow` when it does not fit and nothing may be (or is left to be) dropped.
   */
  async fit(messages: readonly ChatMessage[], { room, overflow, tools }: FitOptions): Promise<ChatPrompt> {
    let kept = [...messages];
    let wanted = room;
    for (;;) {
      const tokens = this.#tokenizer.encode(await this.render(kept, tools), { parseSpecial: true });
      const oldest = kept.findIndex((message, i) => message.role !== "system" && i < kept.length - 1);
      if (tokens.length <= wanted || (tokens.length <= room && oldest < 0))
        return { tokens, messages: kept, dropped: messages.length - kept.length };
      if (overflow === "error" || oldest < 0)
        fail(
          "context-overflow",
          `the conversation has ${tokens.length} tokens and ${room} fit the context; shorten it${overflow === "error" ? ' or choose contextOverflow "drop-oldest"' : ""}`,
        );
      wanted = Math.floor(room * 0.75);
      // an answer without its question would confuse the model, so both go
      const user = kept.findIndex((message, i) => i > oldest && message.role === "user");
      const next = user < 0 ? kept.length - 1 : user;
      kept = kept.filter((message, i) => i < oldest || i >= next || message.role === "system");
    }
  }
}

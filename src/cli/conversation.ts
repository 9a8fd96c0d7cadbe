/**
 * A conversation and its commands, apart from any terminal: what was said, what `/reset` and its like do, and what is told
 * about an answer.
 */
import type { GenerateOptions, GenerationStats } from "../decode/options.ts";
import type { ChatMessage } from "../formats/index.ts";
import type { Model } from "../serve/model.ts";
import { BletchleyError } from "../util/errors.ts";

/** What the user typed, understood. */
export type Input =
  | { readonly kind: "message"; readonly text: string }
  | { readonly kind: "command"; readonly name: string; readonly rest: string }
  | { readonly kind: "nothing" };

/** Commands and what they do. */
export const chatCommands: readonly (readonly [usage: string, what: string])[] = [
  ["/help", "show this"],
  ["/reset", "forget the conversation"],
  ["/retry", "answer the last message again"],
  ["/system TEXT", "give the model instructions (none without TEXT) and forget the conversation"],
  ["/exit", "leave; so do Ctrl-D, and Ctrl-C twice"],
];

/** Reads a line: a command begins with `/`, a message that shall begin with one is written with two. */
export function readLine(line: string): Input {
  const text = line.trim();
  if (!text) return { kind: "nothing" };
  if (text.startsWith("//")) return { kind: "message", text: text.slice(1) };
  const command = /^\/([a-z]*)(?:\s+([\s\S]*))?$/i.exec(text);
  // a path such as /usr/bin is a message
  if (!command) return { kind: "message", text };
  return { kind: "command", name: command[1]!.toLowerCase(), rest: command[2] ?? "" };
}

/** How an answer went. */
export interface Answered {
  /** `stopped` when the signal ended it; the part that was said stays in the conversation. */
  readonly ending: "stop" | "length" | "stopped";
  readonly stats?: GenerationStats;
  /** How many of the oldest messages no longer fitted. */
  readonly dropped: number;
}

/** What was said so far. */
export class Conversation {
  readonly #model: Model;
  readonly #options: GenerateOptions;
  #system: string | undefined;
  #messages: readonly ChatMessage[] = [];

  constructor(model: Model, options: GenerateOptions, system?: string) {
    this.#model = model;
    this.#options = options;
    this.#system = system;
  }

  /** The messages after the instructions. */
  get messages(): readonly ChatMessage[] {
    return this.#messages;
  }

  /** Forgets everything but the instructions. */
  reset(): void {
    this.#messages = [];
  }

  /** Gives other instructions and starts anew. */
  instruct(system: string | undefined): void {
    this.#system = system;
    this.reset();
  }

  /** Takes back the last message and its answer, and returns the message, if there is one. */
  takeBack(): string | undefined {
    const last = this.#messages.findLastIndex(({ role }) => role === "user");
    if (last < 0) return undefined;
    const text = this.#messages[last]!.content as string;
    this.#messages = this.#messages.slice(0, last);
    return text;
  }

  /**
   * Says something and passes the answer on, piece by piece. When the conversation outgrows the context its oldest turns
   * are left out for good. A message whose answer failed is forgotten.
   * @param onDropped told before the answer how many messages were left out. @throws what {@link Model.chat} throws, but
   * for `aborted`.
   */
  async say(
    text: string,
    write: (piece: string, proposedBy?: string) => void,
    signal: AbortSignal,
    onDropped?: (count: number) => void,
  ): Promise<Answered> {
    const calledAt = performance.now();
    const system: ChatMessage[] = this.#system === undefined ? [] : [{ role: "system", content: this.#system }];
    const asked: ChatMessage[] = [...system, ...this.#messages, { role: "user", content: text }];
    const options: GenerateOptions = { ...this.#options, contextOverflow: "drop-oldest", signal };
    const { tokens, messages, dropped } = await this.#model.chatPrompt(asked, options);
    if (dropped) onDropped?.(dropped);
    let answer = "";
    let ending: Answered["ending"] = "stopped";
    let stats: GenerationStats | undefined;
    const preparedMs = performance.now() - calledAt;
    try {
      for await (const chunk of this.#model.generate(tokens, options)) {
        answer += chunk.text;
        write(chunk.text, chunk.proposedBy);
        if (chunk.finishReason) ending = chunk.finishReason;
        if (chunk.stats) stats = { ...chunk.stats, timeToFirstTokenMs: chunk.stats.timeToFirstTokenMs + preparedMs };
      }
    } catch (thrown) {
      if (!(thrown instanceof BletchleyError) || thrown.code !== "aborted") throw thrown;
    }
    this.#messages = [...messages.slice(system.length), { role: "assistant", content: answer }];
    return { ending, stats, dropped };
  }
}

/** One line about an answer: `42 tokens · 95.3 tokens/s · first token 0.21 s · context 310 of 8192`. */
export function describeAnswer({ stats, ending }: Answered, contextLength: number): string {
  if (!stats) return "stopped";
  const { completionTokens, promptTokens, decodeTokensPerSecond, timeToFirstTokenMs, drafting } = stats;
  return [
    `${completionTokens} token${completionTokens === 1 ? "" : "s"}`,
    ...(decodeTokensPerSecond ? [`${decodeTokensPerSecond.toFixed(1)} tokens/s`] : []),
    ...(drafting?.drafted ? [`${drafting.tokensPerStep.toFixed(2)} tokens a step`] : []),
    `first token ${(timeToFirstTokenMs / 1000).toFixed(2)} s`,
    `context ${promptTokens + completionTokens} of ${contextLength}`,
    ...(ending === "length" ? ["cut at the limit"] : []),
  ].join(" · ");
}

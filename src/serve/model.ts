/**
 * A loaded model as its users see it: text in, text out. Joins the tokenizer and templates (this thread) with the decoder
 * (a worker).
 */
import {
  type FinishReason,
  type GenerateOptions,
  type GenerationChunk,
  type GenerationStats,
  generate,
} from "../decode/index.ts";
import type { ChatMessage, Tokenizer } from "../formats/index.ts";
import type { DecoderConfig, Sequence } from "../lm/index.ts";
import type { ResolvedModel } from "../sources/index.ts";
import { fail } from "../util/errors.ts";
import { ChatFormat } from "./chat.ts";
import type { EngineClient } from "./engine/client.ts";
import { SequencePool } from "./sequence-pool.ts";

/** A finished generation. */
export interface Generation {
  readonly text: string;
  readonly tokens: readonly number[];
  readonly finishReason: FinishReason;
  readonly stats: GenerationStats;
}

/** A loaded model. Calls may run at the same time; their steps take turns. */
export class Model {
  readonly #engine: EngineClient;
  readonly #pool: SequencePool;
  readonly #chat: ChatFormat;
  /** Where the model came from. */
  readonly source: ResolvedModel;
  readonly tokenizer: Tokenizer;
  /** Longest sequence. */
  readonly contextLength: number;

  /** @internal Use {@link loadModel}. */
  constructor(
    engine: EngineClient,
    source: ResolvedModel,
    tokenizer: Tokenizer,
    template: string,
    contextLength: number,
  ) {
    this.#engine = engine;
    this.#pool = new SequencePool(engine);
    this.#chat = new ChatFormat(tokenizer, template);
    this.source = source;
    this.tokenizer = tokenizer;
    this.contextLength = contextLength;
  }

  /** Architecture. */
  get config(): DecoderConfig {
    return this.#engine.config;
  }

  /** Name of the weight form in use. */
  get form(): string {
    return this.#engine.form;
  }

  /**
   * Continues a text, piece by piece.
   * @param prompt text, or token ids as they are. @throws `context-overflow`, `argument`, `aborted`, `disposed`.
   */
  async *generate(
    prompt: string | readonly number[],
    options: GenerateOptions = {},
  ): AsyncGenerator<GenerationChunk, void, void> {
    const tokens = typeof prompt === "string" ? this.tokenizer.encode(prompt, { addSpecial: true }) : prompt;
    // an empty text is continued from the beginning of sequence (or what stands for it)
    const { bosId, eosIds } = this.tokenizer.specials;
    const start = bosId ?? eosIds[0];
    yield* this.#run(tokens.length || start === undefined ? tokens : [start], options);
  }

  /** Answers a conversation, piece by piece. */
  async *chat(
    messages: readonly ChatMessage[],
    options: GenerateOptions & { readonly tools?: readonly unknown[] } = {},
  ): AsyncGenerator<GenerationChunk, void, void> {
    if (!messages.length) fail("argument", "the conversation is empty; give it at least one message");
    const reserve = Math.min(options.maxTokens ?? 256, this.contextLength >> 1);
    const overflow = options.contextOverflow ?? "error";
    const room = overflow === "error" ? this.contextLength - 1 : this.contextLength - reserve;
    yield* this.#run(await this.#chat.tokens(messages, room, overflow, options.tools), options);
  }

  /** Collects a generation. */
  async collect(chunks: AsyncIterable<GenerationChunk>): Promise<Generation> {
    let text = "";
    const tokens: number[] = [];
    let last: GenerationChunk | undefined;
    for await (const chunk of chunks) {
      text += chunk.text;
      tokens.push(...chunk.tokens);
      last = chunk;
    }
    return { text, tokens, finishReason: last!.finishReason!, stats: last!.stats! };
  }

  async *#run(prompt: readonly number[], options: GenerateOptions): AsyncGenerator<GenerationChunk, void, void> {
    if (prompt.length >= this.contextLength)
      fail(
        "context-overflow",
        `the prompt has ${prompt.length} tokens and the context holds ${this.contextLength}; shorten it or load the model with a larger contextLength`,
      );
    const sequence: Sequence = await this.#pool.take(prompt);
    const fed = [...prompt];
    try {
      for await (const chunk of generate(
        { sequence, tokenizer: this.tokenizer, prompt, contextLength: this.contextLength },
        options,
      )) {
        fed.push(...chunk.tokens);
        yield chunk;
      }
    } finally {
      if (!this.#engine.closed) await this.#pool.give(sequence, fed);
    }
  }

  /** Ends the engine and frees everything; running generations fail with `disposed`. */
  async dispose(): Promise<void> {
    await this.#engine.dispose();
  }

  /** Same as {@link dispose}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

/**
 * A loaded model as its users see it: text in, text out. Joins the tokenizer and templates (this thread) with the decoder
 * (a worker).
 */
import {
  type Constraint,
  checkOptions,
  checkSpeculation,
  type FinishReason,
  type GenerateOptions,
  type GenerationChunk,
  type GenerationStats,
  generate,
  type Speculation,
  scoreTokens,
  type TokenLogprob,
} from "../decode/index.ts";
import type { ChatMessage, Tokenizer } from "../formats/index.ts";
import type { DecoderConfig, Sequence, SequenceModel } from "../lm/index.ts";
import type { ResolvedModel } from "../sources/index.ts";
import { BletchleyError, fail, throwIfAborted } from "../util/errors.ts";
import { type AnswerFormat, AnswerFormats } from "./answer-format.ts";
import { ChatFormat, type ChatPrompt } from "./chat.ts";
import { SequencePool } from "./sequence-pool.ts";

/** A finished generation. */
export interface Generation {
  readonly text: string;
  readonly tokens: readonly number[];
  /** One entry a token, when they were asked for. */
  readonly logprobs?: readonly TokenLogprob[];
  readonly finishReason: FinishReason;
  readonly stats: GenerationStats;
}

/** Options of a generation by a model. */
export interface ModelOptions extends GenerateOptions {
  /** What the text must look like. */
  readonly format?: AnswerFormat;
}

/** Options of an answer in a conversation. */
export interface ChatOptions extends ModelOptions {
  /** JSON schemas of the tools that the model may call. */
  readonly tools?: readonly unknown[];
}

/** What runs a model's steps: a worker, or anything else that can open sequences. */
export interface ModelEngine extends SequenceModel {
  /** Name of the weight form. */
  readonly form: string;
  /** Whether it has ended. */
  readonly closed: boolean;
  dispose(): Promise<void>;
}

/** Idle sequences that a model keeps for prompts that begin like an earlier one. */
const idleSequences = 8;
/** Tokens that they hold together, in contexts. */
const idleContexts = 2;
/** Room that a conversation leaves for its answer when `maxTokens` does not say it. */
const answerRoom = 256;

/** A loaded model. Calls may run at the same time; their steps take turns. */
export class Model {
  readonly #engine: ModelEngine;
  readonly #pool: SequencePool;
  readonly #chat: ChatFormat;
  readonly #formats: AnswerFormats;
  /** Where the model came from. */
  readonly source: ResolvedModel;
  readonly tokenizer: Tokenizer;
  /** Longest sequence, in tokens. */
  readonly contextLength: number;
  #speculation: Speculation | undefined;
  readonly #kept: AsyncDisposable[] = [];

  /** @internal Use {@link loadModel}. */
  constructor(
    engine: ModelEngine,
    source: ResolvedModel,
    tokenizer: Tokenizer,
    template: string,
    contextLength: number,
  ) {
    this.#engine = engine;
    this.#pool = new SequencePool(engine, { sequences: idleSequences, tokens: idleContexts * contextLength });
    this.#chat = new ChatFormat(tokenizer, template);
    this.#formats = new AnswerFormats(tokenizer);
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

  /** How tokens are drafted; plain decoding when undefined. Every way gives the same texts, and only the speed differs. */
  get speculation(): Speculation | undefined {
    return this.#speculation;
  }

  /** @throws `argument` for drafters and a verifier that do not fit each other. */
  set speculation(speculation: Speculation | undefined) {
    if (speculation) checkSpeculation(speculation);
    this.#speculation = speculation;
  }

  /** Whether the model was disposed, or its engine has ended. */
  get disposed(): boolean {
    return this.#engine.closed;
  }

  /**
   * Continues a text, piece by piece.
   * @param prompt text, or token ids as they are. @throws `context-overflow`, `argument`, `aborted`, `disposed`.
   */
  async *generate(
    prompt: string | readonly number[],
    options: ModelOptions = {},
  ): AsyncGenerator<GenerationChunk, void, void> {
    yield* this.#run(this.promptTokens(prompt), options, performance.now());
  }

  /** Token ids that {@link generate} continues: those of a text, and at least what stands for the beginning. */
  promptTokens(prompt: string | readonly number[]): readonly number[] {
    const tokens = typeof prompt === "string" ? this.tokenizer.encode(prompt, { addSpecial: true }) : prompt;
    const { bosId, eosIds } = this.tokenizer.specials;
    const start = bosId ?? eosIds[0];
    return tokens.length || start === undefined ? tokens : [start];
  }

  /**
   * Answers a conversation, piece by piece.
   * @throws `context-overflow`, `argument`, `template`, `aborted`, `disposed`.
   */
  async *chat(
    messages: readonly ChatMessage[],
    options: ChatOptions = {},
  ): AsyncGenerator<GenerationChunk, void, void> {
    const calledAt = performance.now();
    yield* this.#run((await this.chatPrompt(messages, options)).tokens, options, calledAt);
  }

  /**
   * The prompt that {@link chat} answers, and what it had to leave out; {@link generate} takes its tokens. With
   * `contextOverflow: "drop-oldest"` the oldest turns go until the rest leaves room for `maxTokens` (256 when absent) and
   * some of the turns to come; system messages and the last message stay.
   * @throws `argument` for a conversation without messages, `context-overflow`, `template`.
   */
  async chatPrompt(
    messages: readonly ChatMessage[],
    options: Pick<ChatOptions, "contextOverflow" | "maxTokens" | "tools"> = {},
  ): Promise<ChatPrompt> {
    if (!messages.length) fail("argument", "the conversation is empty; give it at least one message");
    const { contextOverflow: overflow = "error", maxTokens = answerRoom, tools } = options;
    const reserve = overflow === "error" ? 1 : Math.min(maxTokens, this.contextLength >> 1);
    return this.#chat.fit(messages, { room: this.contextLength - reserve, overflow, tools });
  }

  /**
   * Log-probability of every token of a text given those before it; the first one has none.
   * @param top how many of the likeliest alternatives to report. @throws `context-overflow`, `argument`, `aborted`.
   */
  async score(
    text: string | readonly number[],
    { top = 0, signal }: { readonly top?: number; readonly signal?: AbortSignal } = {},
  ): Promise<(TokenLogprob | undefined)[]> {
    const tokens = this.promptTokens(text);
    if (tokens.length > this.contextLength) this.#overflow(tokens.length);
    this.#checkTokens(tokens);
    const sequence = await this.#engine.open();
    try {
      const scores = await scoreTokens(sequence, tokens, top, signal);
      // whoever scores a prompt often goes on from it
      await this.#pool.give(sequence, tokens);
      return scores;
    } catch (thrown) {
      await sequence.close().catch(() => {});
      throw thrown;
    }
  }

  /** Collects a generation. */
  async collect(chunks: AsyncIterable<GenerationChunk>): Promise<Generation> {
    let text = "";
    const tokens: number[] = [];
    const logprobs: TokenLogprob[] = [];
    let last: GenerationChunk | undefined;
    for await (const chunk of chunks) {
      text += chunk.text;
      tokens.push(...chunk.tokens);
      logprobs.push(...(chunk.logprobs ?? []));
      last = chunk;
    }
    const { finishReason, stats } = last ?? {};
    if (!finishReason || !stats) return fail("argument", "the generation ended before its last piece");
    return { text, tokens, ...(logprobs.length && { logprobs }), finishReason, stats };
  }

  async *#run(
    prompt: readonly number[],
    { format, ...options }: ModelOptions,
    calledAt: number,
  ): AsyncGenerator<GenerationChunk, void, void> {
    const { tokenizer, contextLength } = this;
    // before a sequence is taken: one that fails loses its cache
    checkOptions(options, tokenizer.vocabSize);
    this.#checkTokens(prompt);
    throwIfAborted(options.signal);
    if (prompt.length >= contextLength) this.#overflow(prompt.length);
    if (format && options.constraint) fail("argument", "format and constraint both limit the text; give one of them");
    const constraint = format && this.constraint(format);
    const speculation = options.draft === false ? undefined : this.#speculation;
    const whole = speculation?.drafters.some(({ readsWholeText }) => readsWholeText);
    const sequence = await (whole ? this.#engine.open() : this.#pool.take(prompt));
    const fed = [...prompt];
    let sound = true;
    try {
      const input = { sequence, tokenizer, prompt, contextLength, calledAt, speculation };
      for await (const chunk of generate(input, constraint ? { ...options, constraint } : options)) {
        fed.push(...chunk.tokens);
        yield chunk;
      }
    } catch (thrown) {
      sound = thrown instanceof BletchleyError && thrown.code === "aborted";
      throw thrown;
    } finally {
      if (!this.#engine.closed) await (sound ? this.#pool.give(sequence, fed) : sequence.close().catch(() => {}));
    }
  }

  #checkTokens(tokens: readonly number[]): void {
    const { vocabSize } = this.#engine.config;
    const wrong = tokens.find((token) => !Number.isInteger(token) || token < 0 || token >= vocabSize);
    if (wrong !== undefined)
      fail("argument", `the prompt has token ${wrong}; ids are whole numbers from 0 to ${vocabSize - 1}`);
  }

  #overflow(tokens: number): never {
    return fail(
      "context-overflow",
      `the prompt has ${tokens} tokens and the context holds ${this.contextLength}; shorten it or load the model with a larger contextLength`,
    );
  }

  /**
   * A constraint for one text that must look like a format; compiled formats are kept.
   * @throws `argument` for a format that nothing satisfies, `unsupported` for what cannot be enforced while a text is written.
   */
  constraint(format: AnswerFormat): Constraint {
    return this.#formats.constraint(format);
  }

  /**
   * Opens a sequence of the decoder itself, for whoever wants to run steps by hand, such as the tuner; close it when done.
   * @throws `disposed`.
   */
  open(): Promise<Sequence> {
    return this.#engine.open();
  }

  /** Ties what a model's drafters hold to the model: it is freed with it. */
  keep(resource: AsyncDisposable): void {
    this.#kept.push(resource);
  }

  /** Ends the engine and frees everything; running generations fail with `disposed`. */
  async dispose(): Promise<void> {
    await this.#engine.dispose();
    for (const resource of this.#kept.splice(0)) await resource[Symbol.asyncDispose]();
  }

  /** Same as {@link dispose}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

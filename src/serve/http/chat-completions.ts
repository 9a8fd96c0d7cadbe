/**
 * `POST /v1/chat/completions`: reads the request, waits for a turn, and answers whole or in pieces.
 */
import type { GenerateOptions } from "../../decode/index.ts";
import type { ChatMessage } from "../../formats/index.ts";
import type { Model } from "../model.ts";
import { type Answer, answerHead, UsageCounter } from "./answer.ts";
import { ApiError, refuse } from "./api-error.ts";
import { readMessages } from "./chat-messages.ts";
import { maxChoices, nthOptions, shownLogprobs } from "./choices.ts";
import { Fields } from "./fields.ts";
import { answerLimit, readSampling, readStreaming } from "./sampling.ts";
import type { ServerState, Visit } from "./state.ts";
import { chatLogprobs } from "./token-text.ts";

/** A chat request that was read and found possible. */
export interface ChatRequest {
  readonly model: Model;
  readonly name: string;
  readonly messages: readonly ChatMessage[];
  readonly options: GenerateOptions;
  /** How many answers are wanted. */
  readonly count: number;
  readonly stream: boolean;
  readonly includeUsage: boolean;
}

/** What a request may ask for only if it asks for nothing. */
function refuseWhatIsNotThere(fields: Fields): void {
  const isEmpty = (value: unknown) => Array.isArray(value) && value.length === 0;
  fields.notSupported("tools", isEmpty);
  fields.notSupported("functions", isEmpty);
  fields.notSupported("tool_choice", (value) => value === "none" || value === "auto");
  fields.notSupported("function_call", (value) => value === "none" || value === "auto");
  fields.notSupported("response_format", (value) => (value as { type?: unknown }).type === "text");
  fields.notSupported("modalities", (value) => JSON.stringify(value) === '["text"]');
  fields.notSupported("store", (value) => value === false);
  fields.notSupported("service_tier", (value) => value === "auto" || value === "default");
  for (const name of [
    "parallel_tool_calls",
    "audio",
    "prediction",
    "web_search_options",
    "reasoning_effort",
    "verbosity",
  ])
    fields.notSupported(name);
}

/** Reads a chat request. @throws {@link ApiError} 400 naming the parameter at fault, 404 for an unknown model. */
export function readChatRequest(body: unknown, state: ServerState): ChatRequest {
  const fields = new Fields(body);
  const name = fields.requiredText("model");
  const model = state.generator(name);
  const messages = readMessages(fields);
  if (fields.has("max_tokens") && fields.has("max_completion_tokens"))
    refuse("max_tokens", "max_tokens and max_completion_tokens are two names of one limit; give one of them");
  const limit = fields.integer("max_completion_tokens", 1, 2 ** 31) ?? fields.integer("max_tokens", 1, 2 ** 31);
  const logprobs = fields.boolean("logprobs") ?? false;
  const top = fields.integer("top_logprobs", 0, 20);
  if (top !== undefined && !logprobs) refuse("top_logprobs", "top_logprobs has no meaning unless logprobs is true");
  const options: GenerateOptions = {
    ...readSampling(fields, model.tokenizer.vocabSize, state.defaults),
    maxTokens: answerLimit(limit, state.defaults),
    logprobs: logprobs ? (top ?? 0) : undefined,
  };
  const count = fields.integer("n", 1, maxChoices) ?? 1;
  const streaming = readStreaming(fields);
  refuseWhatIsNotThere(fields);
  fields.accept("user", "metadata", "safety_identifier", "prompt_cache_key");
  fields.done();
  return { model, name, messages, options, count, ...streaming };
}

/** Tokens of the conversation. @throws {@link ApiError} 400 when it does not fit the context. */
async function promptOf({ model, messages }: ChatRequest): Promise<readonly number[]> {
  try {
    return (await model.chatPrompt(messages)).tokens;
  } catch (thrown) {
    if ((thrown as { code?: unknown }).code !== "context-overflow") throw thrown;
    throw new ApiError(400, (thrown as Error).message, {
      param: "messages",
      code: "context_length_exceeded",
      cause: thrown,
    });
  }
}

/** The request's answer in pieces, one chunk object each. */
async function* chunks(
  request: ChatRequest,
  prompt: readonly number[],
  { signal }: Visit,
): AsyncGenerator<object, void, void> {
  const { model, name, options, count, includeUsage } = request;
  const counter = new UsageCounter();
  counter.prompt(prompt.length);
  const head = { ...answerHead("chatcmpl", model, name), object: "chat.completion.chunk" };
  const chunk = (index: number, delta: object, finish: string | null, logprobs: object | null) => ({
    ...head,
    choices: [{ index, delta, logprobs, finish_reason: finish }],
    ...(includeUsage && { usage: null }),
  });
  for (let index = 0; index < count; index++) {
    yield chunk(index, { role: "assistant", content: "", refusal: null }, null, null);
    for await (const piece of model.generate(prompt, nthOptions(options, index, signal))) {
      const shown = shownLogprobs(model, piece);
      if (piece.text || shown.length)
        yield chunk(index, { content: piece.text }, null, shown.length ? chatLogprobs(model.tokenizer, shown) : null);
      if (piece.finishReason) yield chunk(index, {}, piece.finishReason, null);
      if (piece.stats) counter.answer(piece.stats, index === 0);
    }
  }
  if (includeUsage) yield { ...head, choices: [], usage: counter.usage };
}

/** The request's answer as one object. */
async function whole(request: ChatRequest, prompt: readonly number[], { signal }: Visit): Promise<object> {
  const { model, name, options, count } = request;
  const counter = new UsageCounter();
  counter.prompt(prompt.length);
  const choices: object[] = [];
  for (let index = 0; index < count; index++) {
    let content = "";
    let finish: string | undefined;
    const logprobs = [];
    for await (const piece of model.generate(prompt, nthOptions(options, index, signal))) {
      content += piece.text;
      logprobs.push(...shownLogprobs(model, piece));
      finish = piece.finishReason;
      if (piece.stats) counter.answer(piece.stats, index === 0);
    }
    choices.push({
      index,
      message: { role: "assistant", content, refusal: null },
      logprobs: options.logprobs === undefined ? null : chatLogprobs(model.tokenizer, logprobs),
      finish_reason: finish,
    });
  }
  return { ...answerHead("chatcmpl", model, name), object: "chat.completion", choices, usage: counter.usage };
}

/** Prepares the answer to a chat request; nothing is generated until it is asked for. */
export async function chatCompletion(body: unknown, state: ServerState, visit: Visit): Promise<Answer> {
  const request = readChatRequest(body, state);
  const prompt = await promptOf(request);
  return request.stream
    ? { events: () => chunks(request, prompt, visit) }
    : { whole: () => whole(request, prompt, visit) };
}

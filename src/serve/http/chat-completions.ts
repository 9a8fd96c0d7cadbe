/**
 * `POST /v1/chat/completions`: reads the request, waits for a turn, and answers whole or in pieces.
 */
import { randomBytes } from "node:crypto";
import type { ChatMessage } from "../../formats/index.ts";
import type { Model, ModelOptions } from "../model.ts";
import { mayBecomeCall, readCall, type ToolCall } from "../tool-messages.ts";
import { type Answer, answerHead, UsageCounter } from "./answer.ts";
import { ApiError, refuse } from "./api-error.ts";
import { readMessages } from "./chat-messages.ts";
import { maxChoices, nthOptions, shownLogprobs } from "./choices.ts";
import { Fields } from "./fields.ts";
import { answerFormat, readResponseFormat, readTools, type ToolRequest } from "./response-format.ts";
import { answerLimit, readSampling, readStreaming } from "./sampling.ts";
import type { ServerState, Visit } from "./state.ts";
import { chatLogprobs } from "./token-text.ts";

/** A chat request that was read and found possible. */
export interface ChatRequest {
  readonly model: Model;
  readonly name: string;
  readonly messages: readonly ChatMessage[];
  readonly options: ModelOptions;
  readonly tools: ToolRequest;
  /** How many answers are wanted. */
  readonly count: number;
  readonly stream: boolean;
  readonly includeUsage: boolean;
}

/** What a request may ask for only if it asks for nothing. */
function refuseWhatIsNotThere(fields: Fields): void {
  const isEmpty = (value: unknown) => Array.isArray(value) && value.length === 0;
  fields.notSupported("functions", isEmpty);
  fields.notSupported("function_call", (value) => value === "none" || value === "auto");
  fields.notSupported("modalities", (value) => JSON.stringify(value) === '["text"]');
  fields.notSupported("store", (value) => value === false);
  fields.notSupported("service_tier", (value) => value === "auto" || value === "default");
  for (const name of ["audio", "prediction", "web_search_options", "reasoning_effort", "verbosity"])
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
  const tools = readTools(fields);
  const format = answerFormat(model, readResponseFormat(fields), tools);
  const options: ModelOptions = {
    ...readSampling(fields, model.tokenizer.vocabSize, state.defaults),
    maxTokens: answerLimit(limit, state.defaults),
    logprobs: logprobs ? (top ?? 0) : undefined,
    format,
  };
  const count = fields.integer("n", 1, maxChoices) ?? 1;
  const streaming = readStreaming(fields);
  refuseWhatIsNotThere(fields);
  fields.accept("user", "metadata", "safety_identifier", "prompt_cache_key");
  fields.done();
  return { model, name, messages, options, tools, count, ...streaming };
}

/** Tokens of the conversation. @throws {@link ApiError} 400 when it does not fit the context. */
async function promptOf({ model, messages, tools: { tools } }: ChatRequest): Promise<readonly number[]> {
  try {
    return (await model.chatPrompt(messages, tools.length ? { tools } : {})).tokens;
  } catch (thrown) {
    if ((thrown as { code?: unknown }).code !== "context-overflow") throw thrown;
    throw new ApiError(400, (thrown as Error).message, {
      param: "messages",
      code: "context_length_exceeded",
      cause: thrown,
    });
  }
}

const namesOf = ({ tools }: ToolRequest) => new Set(tools.map(({ function: { name } }) => name));

/** A call as answers have it. */
function callObject(call: ToolCall) {
  return { id: `call_${randomBytes(12).toString("hex")}`, type: "function", function: call } as const;
}

/** The request's answer in pieces, one chunk object each. */
async function* chunks(
  request: ChatRequest,
  prompt: readonly number[],
  { signal }: Visit,
): AsyncGenerator<object, void, void> {
  const { model, name, options, count, includeUsage, tools } = request;
  const counter = new UsageCounter();
  counter.prompt(prompt.length);
  const head = { ...answerHead("chatcmpl", model, name), object: "chat.completion.chunk" };
  const chunk = (index: number, delta: object, finish: string | null, logprobs: object | null) => ({
    ...head,
    choices: [{ index, delta, logprobs, finish_reason: finish }],
    ...(includeUsage && { usage: null }),
  });
  for (let index = 0; index < count; index++) {
    yield chunk(index, { role: "assistant", content: tools.mode === "call" ? null : "", refusal: null }, null, null);
    // what may be a call is held back until it shows
    let held = "";
    let holding = tools.mode !== "none";
    for await (const piece of model.generate(prompt, nthOptions(options, index, signal))) {
      const shown = shownLogprobs(model, piece);
      const logprobs = shown.length ? chatLogprobs(model.tokenizer, shown) : null;
      if (piece.stats) counter.answer(piece.stats, index === 0);
      if (holding) {
        held += piece.text;
        const call = piece.finishReason ? readCall(held, namesOf(tools)) : undefined;
        if (call) {
          yield chunk(index, { tool_calls: [{ index: 0, ...callObject(call) }] }, null, null);
          yield chunk(index, {}, "tool_calls", null);
          continue;
        }
        holding = !piece.finishReason && (tools.mode === "call" || mayBecomeCall(held));
        if (holding) continue;
        if (held) yield chunk(index, { content: held }, null, logprobs);
      } else if (piece.text || logprobs) yield chunk(index, { content: piece.text }, null, logprobs);
      if (piece.finishReason) yield chunk(index, {}, piece.finishReason, null);
    }
  }
  if (includeUsage) yield { ...head, choices: [], usage: counter.usage };
}

/** The request's answer as one object. */
async function whole(request: ChatRequest, prompt: readonly number[], { signal }: Visit): Promise<object> {
  const { model, name, options, count, tools } = request;
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
    const call = tools.mode === "none" ? undefined : readCall(content, namesOf(tools));
    choices.push({
      index,
      message: call
        ? { role: "assistant", content: null, refusal: null, tool_calls: [callObject(call)] }
        : { role: "assistant", content, refusal: null },
      logprobs: options.logprobs === undefined ? null : chatLogprobs(model.tokenizer, logprobs),
      finish_reason: call ? "tool_calls" : finish,
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

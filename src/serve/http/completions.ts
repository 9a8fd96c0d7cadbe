/**
 * `POST /v1/completions`: continues texts or token ids as they are, with echo, log-probabilities of the prompt, and the
 * best of several.
 */
import type { Generation, Model, ModelOptions } from "../model.ts";
import { type Answer, answerHead, UsageCounter } from "./answer.ts";
import { ApiError, refuse } from "./api-error.ts";
import { maxChoices, nthOptions, shownLogprobs, textsOrTokens } from "./choices.ts";
import { Fields } from "./fields.ts";
import { answerFormat, readTextFormat } from "./response-format.ts";
import { answerLimit, readSampling, readStreaming } from "./sampling.ts";
import type { ServerState, Visit } from "./state.ts";
import { type TextLogprobs, TextLogprobWriter } from "./token-text.ts";

/** Most prompts of one request. */
const maxPrompts = 128;
/** Tokens of an answer when the request does not say, as the API has it. */
const usualLimit = 16;

interface Prompt {
  readonly tokens: readonly number[];
  /** What an echo repeats. */
  readonly text: string;
  /** How many tokens at its beginning stand for the beginning of a text and not for a part of it. */
  readonly leading: number;
}

interface CompletionRequest {
  readonly model: Model;
  readonly name: string;
  readonly prompts: readonly Prompt[];
  readonly options: ModelOptions;
  /** Most tokens of each answer; 0 only echoes. */
  readonly limit: number;
  readonly count: number;
  /** Candidates for each prompt, of which the `count` likeliest are answered. */
  readonly candidates: number;
  readonly echo: boolean;
  readonly stream: boolean;
  readonly includeUsage: boolean;
}

function promptOf(model: Model, value: string | readonly number[], limit: number): Prompt {
  const tokens = model.promptTokens(value);
  const { contextLength, tokenizer } = model;
  if (tokens.length + Math.min(limit, 1) > contextLength)
    throw new ApiError(
      400,
      `the prompt has ${tokens.length} tokens and the context holds ${contextLength}, one of them for the answer; shorten it`,
      { param: "prompt", code: "context_length_exceeded" },
    );
  const wrong = tokens.find((token) => !Number.isInteger(token) || token < 0 || token >= tokenizer.vocabSize);
  if (wrong !== undefined)
    refuse("prompt", `the prompt has token ${wrong}; ids are whole numbers from 0 to ${tokenizer.vocabSize - 1}`);
  const text = typeof value === "string" ? value : tokenizer.decode(value, { skipSpecial: true });
  const leading = typeof value === "string" && tokens[0] === tokenizer.specials.bosId ? 1 : 0;
  return { tokens, text, leading };
}

function readCompletionRequest(body: unknown, state: ServerState): CompletionRequest {
  const fields = new Fields(body);
  const name = fields.requiredText("model");
  const model = state.generator(name);
  const limit = answerLimit(fields.integer("max_tokens", 0, 2 ** 31) ?? usualLimit, state.defaults)!;
  const prompts = textsOrTokens(fields.value("prompt") ?? "", "prompt", maxPrompts).map((value) =>
    promptOf(model, value, limit),
  );
  const count = fields.integer("n", 1, maxChoices) ?? 1;
  const candidates = fields.integer("best_of", 1, maxChoices) ?? count;
  if (candidates < count) refuse("best_of", `best_of is ${candidates} and n is ${count}; best_of must not be smaller`);
  const logprobs = fields.integer("logprobs", 0, 20);
  const format = answerFormat(model, readTextFormat(fields), { tools: [], mode: "none" });
  const options: ModelOptions = {
    ...readSampling(fields, model.tokenizer.vocabSize, state.defaults),
    logprobs,
    format,
  };
  const streaming = readStreaming(fields);
  if (streaming.stream && candidates > count)
    refuse("best_of", "the best of several cannot be streamed: which one it is shows at the end");
  const echo = fields.boolean("echo") ?? false;
  fields.notSupported("suffix", (value) => value === "");
  fields.accept("user");
  fields.done();
  return { model, name, prompts, options, limit, count, candidates, echo, ...streaming };
}

interface Choice {
  readonly text: string;
  readonly logprobs: TextLogprobs | null;
  readonly finish_reason: string | null;
}

/** What comes before the generation: the echoed prompt. */
async function echoed(
  request: CompletionRequest,
  prompt: Prompt,
  writer: TextLogprobWriter,
  signal: AbortSignal,
): Promise<Choice> {
  const { model, options } = request;
  if (options.logprobs === undefined) return { text: prompt.text, logprobs: null, finish_reason: null };
  const scores = await model.score(prompt.tokens, { top: options.logprobs, signal });
  const logprobs = writer.write(prompt.tokens.slice(prompt.leading), scores.slice(prompt.leading));
  return { text: prompt.text, logprobs, finish_reason: null };
}

/** One answer in pieces, and its statistics. */
async function* answer(
  request: CompletionRequest,
  prompt: Prompt,
  index: number,
  signal: AbortSignal,
  count: (stats: Generation["stats"]) => void,
): AsyncGenerator<Choice, void, void> {
  const { model, options, limit, echo } = request;
  const writer = new TextLogprobWriter(model.tokenizer);
  if (echo) yield await echoed(request, prompt, writer, signal);
  if (!limit) {
    yield { text: "", logprobs: null, finish_reason: "length" };
    return;
  }
  for await (const piece of model.generate(prompt.tokens, {
    ...nthOptions(options, index, signal),
    maxTokens: limit,
  })) {
    const shown = shownLogprobs(model, piece);
    const logprobs = shown.length
      ? writer.write(
          shown.map(({ token }) => token),
          shown,
        )
      : null;
    if (piece.text || logprobs || piece.finishReason)
      yield { text: piece.text, logprobs, finish_reason: piece.finishReason ?? null };
    if (piece.stats) count(piece.stats);
  }
}

async function* chunks(request: CompletionRequest, { signal }: Visit): AsyncGenerator<object, void, void> {
  const { model, name, prompts, count, includeUsage } = request;
  const head = { ...answerHead("cmpl", model, name), object: "text_completion" };
  const counter = new UsageCounter();
  for (const [p, prompt] of prompts.entries()) {
    counter.prompt(prompt.tokens.length);
    for (let i = 0; i < count; i++)
      for await (const choice of answer(request, prompt, i, signal, (stats) => counter.answer(stats, i === 0)))
        yield { ...head, choices: [{ index: p * count + i, ...choice }], ...(includeUsage && { usage: null }) };
  }
  if (includeUsage) yield { ...head, choices: [], usage: counter.usage };
}

/** A finished answer and how likely the model found its tokens on average. */
interface Candidate {
  readonly choice: Choice;
  readonly meanLogprob: number;
}

function joined(pieces: readonly Choice[], wanted: boolean): Choice {
  const lists = pieces.flatMap(({ logprobs }) => logprobs ?? []);
  return {
    text: pieces.map(({ text }) => text).join(""),
    logprobs: wanted
      ? {
          tokens: lists.flatMap(({ tokens }) => tokens),
          token_logprobs: lists.flatMap(({ token_logprobs }) => token_logprobs),
          top_logprobs: lists.flatMap(({ top_logprobs }) => top_logprobs),
          text_offset: lists.flatMap(({ text_offset }) => text_offset),
        }
      : null,
    finish_reason: pieces.at(-1)!.finish_reason,
  };
}

async function whole(request: CompletionRequest, { signal }: Visit): Promise<object> {
  const { model, name, prompts, count, candidates, options } = request;
  const counter = new UsageCounter();
  const choices: object[] = [];
  const ranked = candidates > count;
  // ranking needs the log-probabilities, asked for or not
  const measured =
    ranked && options.logprobs === undefined ? { ...request, options: { ...options, logprobs: 0 } } : request;
  for (const prompt of prompts) {
    counter.prompt(prompt.tokens.length);
    const found: Candidate[] = [];
    for (let i = 0; i < candidates; i++) {
      const pieces: Choice[] = [];
      for await (const piece of answer(measured, prompt, i, signal, (stats) => counter.answer(stats, i === 0)))
        pieces.push(piece);
      const own = pieces.slice(request.echo ? 1 : 0).flatMap(({ logprobs }) => logprobs?.token_logprobs ?? []);
      const meanLogprob = own.reduce<number>((sum, logprob) => sum + (logprob ?? 0), 0) / Math.max(1, own.length);
      found.push({ choice: joined(pieces, options.logprobs !== undefined), meanLogprob });
    }
    if (ranked) found.sort((a, b) => b.meanLogprob - a.meanLogprob);
    for (const { choice } of found.slice(0, count)) choices.push({ index: choices.length, ...choice });
  }
  return { ...answerHead("cmpl", model, name), object: "text_completion", choices, usage: counter.usage };
}

/** Prepares the answer to a completion request; nothing is generated until it is asked for. */
export async function textCompletion(body: unknown, state: ServerState, visit: Visit): Promise<Answer> {
  const request = readCompletionRequest(body, state);
  return request.stream ? { events: () => chunks(request, visit) } : { whole: () => whole(request, visit) };
}

/**
 * The parameters that chat and text completions share: how tokens are chosen and where to stop.
 */
import type { GenerateOptions } from "../../decode/index.ts";
import { refuse } from "./api-error.ts";
import type { Fields } from "./fields.ts";

/** Most stop texts of a request. */
const maxStops = 16;

/** What requests that say nothing get. */
export interface SamplingDefaults
  extends Pick<
    GenerateOptions,
    "temperature" | "topK" | "topP" | "minP" | "typicalP" | "repetitionPenalty" | "presencePenalty" | "frequencyPenalty"
  > {
  /** Most tokens of one answer; requests may ask for less, not for more. */
  readonly maxTokens?: number;
}

function stopTexts(fields: Fields): readonly string[] | undefined {
  const value = fields.value("stop");
  if (value === undefined) return undefined;
  const texts: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (texts.length > maxStops) refuse("stop", `stop has ${texts.length} texts; at most ${maxStops} are possible`);
  for (const text of texts)
    if (typeof text !== "string" || !text)
      refuse("stop", "stop must be a text or a list of texts, none of them empty", "invalid_type");
  return texts as readonly string[];
}

function logitBias(fields: Fields, vocabSize: number): Record<number, number> | undefined {
  const given = fields.object("logit_bias");
  if (!given) return undefined;
  const bias: Record<number, number> = {};
  for (const [token] of given.entries()) {
    if (!/^\d{1,9}$/.test(token) || Number(token) >= vocabSize)
      refuse(given.param(token), `logit_bias names token ${token}; ids are whole numbers from 0 to ${vocabSize - 1}`);
    bias[Number(token)] = given.number(token, -100, 100)!;
  }
  return bias;
}

/**
 * Reads the shared parameters. `top_k`, `min_p`, `typical_p`, `repetition_penalty` and `ignore_eos` go beyond the OpenAI
 * API. A request that chooses a temperature or `top_p` of its own gets none of the server's filters on top.
 * @throws {@link ApiError} 400 naming the parameter.
 */
export function readSampling(fields: Fields, vocabSize: number, defaults: SamplingDefaults): GenerateOptions {
  const asked = {
    temperature: fields.number("temperature", 0, 2),
    topP: fields.number("top_p", 0, 1),
    topK: fields.integer("top_k", 0, 2 ** 31),
    minP: fields.number("min_p", 0, 1),
    typicalP: fields.number("typical_p", 0, 1),
  };
  const own = asked.temperature !== undefined || asked.topP !== undefined;
  const { temperature, topP, topK, minP, typicalP } = defaults;
  const base = own ? { temperature: asked.temperature ?? 1 } : { temperature, topP, topK, minP, typicalP };
  const given = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));
  return {
    ...base,
    ...given,
    repetitionPenalty: fields.number("repetition_penalty", 0.01, 100) ?? defaults.repetitionPenalty,
    presencePenalty: fields.number("presence_penalty", -2, 2) ?? defaults.presencePenalty,
    frequencyPenalty: fields.number("frequency_penalty", -2, 2) ?? defaults.frequencyPenalty,
    seed: fields.integer("seed", Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
    ignoreEos: fields.boolean("ignore_eos"),
    stop: stopTexts(fields),
    logitBias: logitBias(fields, vocabSize),
  };
}

/** The limit that holds for a request: what it asks for, but never more than the server allows. */
export function answerLimit(asked: number | undefined, { maxTokens }: SamplingDefaults): number | undefined {
  return asked === undefined || maxTokens === undefined ? (asked ?? maxTokens) : Math.min(asked, maxTokens);
}

/** Reads `stream` and `stream_options`. */
export function readStreaming(fields: Fields): { readonly stream: boolean; readonly includeUsage: boolean } {
  const stream = fields.boolean("stream") ?? false;
  const options = fields.object("stream_options");
  if (options && !stream) refuse("stream_options", "stream_options has no meaning unless stream is true");
  const includeUsage = options?.boolean("include_usage") ?? false;
  options?.notSupported("include_obfuscation", (value) => value === false);
  options?.done();
  return { stream, includeUsage };
}

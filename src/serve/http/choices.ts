/**
 * What requests with several inputs or several answers share.
 */
import type { GenerateOptions, GenerationChunk } from "../../decode/index.ts";
import type { Model } from "../model.ts";
import { refuse } from "./api-error.ts";

/** Most answers to one prompt. */
export const maxChoices = 128;

const isTokens = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length > 0 && value.every((token) => typeof token === "number");

/** The texts or token lists of a field that takes one or many of either. */
export function textsOrTokens(value: unknown, param: string, most: number): readonly (string | readonly number[])[] {
  if (typeof value === "string" || isTokens(value)) return [value];
  if (!Array.isArray(value) || !value.length || !value.every((entry) => typeof entry === "string" || isTokens(entry)))
    return refuse(
      param,
      `${param} must be a text, a list of texts, a list of token ids or a list of such lists`,
      "invalid_type",
    );
  if (value.length > most) refuse(param, `${param} has ${value.length} entries; at most ${most} are possible`);
  return value;
}

/** A seeded request with several answers wants several, and wants them again. */
export function nthOptions(options: GenerateOptions, index: number, signal: AbortSignal): GenerateOptions {
  const { seed } = options;
  if (seed === undefined || !index) return { ...options, signal };
  // the largest seed has none above it
  return { ...options, signal, seed: Number.isSafeInteger(seed + index) ? seed + index : seed - index };
}

/** Log-probabilities of the tokens that a piece's text shows; what ended the turn has no text. */
export function shownLogprobs(model: Model, { tokens, logprobs = [], finishReason }: GenerationChunk) {
  const ends = model.tokenizer.specials.eosIds;
  return finishReason === "stop" ? logprobs.filter((_, i) => !ends.includes(tokens[i]!)) : logprobs;
}

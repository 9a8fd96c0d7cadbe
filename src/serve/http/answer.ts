/**
 * What the answers of all routes have in common: their two shapes, their head, and their counts.
 */
import { randomBytes } from "node:crypto";
import type { GenerationStats } from "../../decode/index.ts";
import type { Model } from "../model.ts";

/** What a route answers: one object, or events. Nothing is computed until it is asked for. */
export type Answer =
  | { readonly whole: () => Promise<object> }
  | { readonly events: () => AsyncGenerator<object, void, void> };

/** Tokens of a request, as the API counts them. */
export interface ApiUsage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number };
}

/** Adds up the answers to some prompts; a prompt with several answers counts once. */
export class UsageCounter {
  #prompt = 0;
  #completion = 0;
  #cached = 0;

  /** Counts a prompt. */
  prompt(tokens: number): void {
    this.#prompt += tokens;
  }

  /** Counts an answer. @param first whether it is the first one to its prompt. */
  answer(
    { completionTokens, cachedTokens }: Pick<GenerationStats, "completionTokens" | "cachedTokens">,
    first: boolean,
  ): void {
    this.#completion += completionTokens;
    if (first) this.#cached += cachedTokens;
  }

  /** What was counted. */
  get usage(): ApiUsage {
    return {
      prompt_tokens: this.#prompt,
      completion_tokens: this.#completion,
      total_tokens: this.#prompt + this.#completion,
      prompt_tokens_details: { cached_tokens: this.#cached },
    };
  }
}

/** What every piece of one answer repeats. */
export function answerHead(prefix: string, model: Model, name: string) {
  return {
    id: `${prefix}-${randomBytes(12).toString("hex")}`,
    created: Math.floor(Date.now() / 1000),
    model: name,
    // answers with the same seed can only be equal with the same weights in the same form
    system_fingerprint: `${model.source.sha256.slice(0, 12)}-${model.form}`,
  } as const;
}

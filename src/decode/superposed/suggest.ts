/**
 * Suggestions for what to write next, as text: superposed drafts of a loaded model.
 */
import type { Tokenizer } from "../../formats/index.ts";
import type { Sequence } from "../../lm/index.ts";
import { fail } from "../../util/errors.ts";
import { type SuperposedDraft, type SuperposedOptions, superposedDrafts } from "./superposed.ts";

/** What suggestions come from; a loaded `Model` is one. */
export interface SuggestingModel {
  readonly tokenizer: Tokenizer;
  /** Longest sequence, in tokens. */
  readonly contextLength: number;
  /** Token ids of a text to be continued. */
  promptTokens(prompt: string | readonly number[]): readonly number[];
  /** Opens an empty sequence. */
  open(): Promise<Sequence>;
}

/** A possible continuation. */
export interface Suggestion extends SuperposedDraft {
  readonly text: string;
}

/**
 * Several short continuations of a text, the best first, for the price of decoding one.
 * @param prompt text, or token ids as they are. @throws `context-overflow`, `argument`, `aborted`, `disposed`.
 * @example
 * await using model = await loadModel("smollm2");
 * const ngrams = NgramCounts.fromDocuments(texts.map((text) => model.tokenizer.encode(text)));
 * for (const { text } of await suggest(model, "Thank you for", { drafts: 3, tokens: 8, ngrams })) console.log(text);
 */
export async function suggest(
  model: SuggestingModel,
  prompt: string | readonly number[],
  options: SuperposedOptions = {},
): Promise<Suggestion[]> {
  const { tokenizer, contextLength } = model;
  const tokens = model.promptTokens(prompt);
  if (tokens.length + (options.tokens ?? 10) > contextLength)
    fail(
      "context-overflow",
      `a prompt of ${tokens.length} tokens and ${options.tokens ?? 10} more; the context holds ${contextLength}; shorten the prompt`,
    );
  const sequence = await model.open();
  try {
    const { drafts } = await superposedDrafts(sequence, tokens, { ends: tokenizer.specials.eosIds, ...options });
    return drafts.map((draft) => ({ ...draft, text: tokenizer.decode(draft.tokens, { skipSpecial: true }) }));
  } finally {
    await sequence.close();
  }
}

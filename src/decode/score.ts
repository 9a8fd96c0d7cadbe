/**
 * How likely a model finds a given text, token by token: what perplexities, echoed prompts and comparisons of answers need.
 */
import type { Sequence } from "../lm/index.ts";
import { fail, throwIfAborted } from "../util/errors.ts";
import type { TokenLogprob } from "./options.ts";
import { tokenLogprob } from "./sampler.ts";

/**
 * Log-probability of every token given those before it; the first one has none. The tokens are committed to the sequence.
 * @param sequence an empty one. @param top how many of the likeliest alternatives to report.
 * @throws `argument` for a sequence that is not empty or a token that does not exist, `aborted`.
 */
export async function scoreTokens(
  sequence: Sequence,
  tokens: readonly number[],
  top = 0,
  signal?: AbortSignal,
): Promise<(TokenLogprob | undefined)[]> {
  if (sequence.length)
    fail("argument", `scoring starts from an empty sequence; this one holds ${sequence.length} tokens`);
  const scores: (TokenLogprob | undefined)[] = tokens.length ? [undefined] : [];
  for (let at = 0; at < tokens.length; ) {
    throwIfAborted(signal);
    const count = Math.min(sequence.room, tokens.length - at);
    const { logits } = await sequence.step({ tokens: tokens.slice(at, at + count) });
    await sequence.commit(Array.from({ length: count }, (_, i) => i));
    const width = logits.shape.at(-1)!;
    const data = logits.data as Float32Array;
    for (let i = 0; i < count && at + i + 1 < tokens.length; i++)
      scores.push(tokenLogprob(data.subarray(i * width, (i + 1) * width), tokens[at + i + 1]!, top));
    at += count;
  }
  return scores;
}

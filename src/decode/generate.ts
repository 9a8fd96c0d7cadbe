/**
 * The decode loop: step, choose, commit, tell. Everything that could differ (the model, where it runs, how a token is
 * chosen) comes in through interfaces.
 */
import { StreamDecoder, type Tokenizer } from "../formats/index.ts";
import { prefill, type Sequence } from "../lm/index.ts";
import { fail, throwIfAborted } from "../util/errors.ts";
import {
  checkOptions,
  type FinishReason,
  type GenerateOptions,
  type GenerationChunk,
  type TokenLogprob,
} from "./options.ts";
import { Sampler, tokenLogprob } from "./sampler.ts";
import { StopFilter } from "./stop.ts";

/** What a generation runs on. */
export interface GenerationInput {
  readonly sequence: Sequence;
  readonly tokenizer: Tokenizer;
  /** All tokens of the prompt; those that `sequence` holds already are its beginning. */
  readonly prompt: readonly number[];
  /** Longest sequence that the model can hold. */
  readonly contextLength: number;
  /** When the caller was asked, by `performance.now()`; the time to the first token counts from then. Default now. */
  readonly calledAt?: number;
}

/**
 * Generates from a prompt, piece by piece. Tokens that were yielded are committed to the sequence except for the last.
 * @throws `context-overflow` when the prompt leaves no room, `argument` for impossible options, `aborted`.
 */
export async function* generate(
  input: GenerationInput,
  options: GenerateOptions = {},
): AsyncGenerator<GenerationChunk, void, void> {
  const { sequence, tokenizer, prompt, contextLength, calledAt = performance.now() } = input;
  checkOptions(options, tokenizer.vocabSize);
  const { signal, ignoreEos = false, logprobs } = options;
  throwIfAborted(signal);
  if (!prompt.length) fail("argument", "the prompt is empty; give it at least one token");
  const room = contextLength - prompt.length;
  if (room < 1)
    fail(
      "context-overflow",
      `the prompt has ${prompt.length} tokens and the context holds ${contextLength}; shorten it or choose contextOverflow "drop-oldest" for a chat`,
    );
  const limit = Math.min(options.maxTokens ?? room, room);
  const sampler = new Sampler(options, prompt);
  const decoder = new StreamDecoder(tokenizer, { skipSpecial: true });
  const stops = new StopFilter(typeof options.stop === "string" ? [options.stop] : (options.stop ?? []));
  const ends = new Set(ignoreEos ? [] : tokenizer.specials.eosIds);
  const cachedTokens = sequence.length;
  const started = performance.now();
  let logits = await prefill(sequence, prompt.slice(cachedTokens), () => throwIfAborted(signal));
  const firstAt = performance.now();
  let count = 0;
  for (;;) {
    throwIfAborted(signal);
    const token = sampler.sample(logits);
    sampler.accept(token);
    count++;
    const entry: TokenLogprob | undefined = logprobs === undefined ? undefined : tokenLogprob(logits, token, logprobs);
    const ended = ends.has(token);
    let text = ended ? "" : stops.push(decoder.push(token));
    let finishReason: FinishReason | undefined;
    if (ended || stops.stopped) finishReason = "stop";
    else if (count >= limit) finishReason = "length";
    if (finishReason && !stops.stopped) {
      text += stops.push(decoder.flush()) + stops.flush();
      if (stops.stopped) finishReason = "stop";
    }
    const seconds = (performance.now() - firstAt) / 1000;
    const usage = { promptTokens: prompt.length, completionTokens: count, cachedTokens };
    yield {
      text,
      tokens: [token],
      ...(entry ? { logprobs: [entry] } : {}),
      ...(finishReason
        ? {
            finishReason,
            usage,
            stats: {
              ...usage,
              timeToFirstTokenMs: firstAt - calledAt,
              prefillTokensPerSecond: ((prompt.length - cachedTokens) / (firstAt - started)) * 1000,
              decodeTokensPerSecond: count > 1 ? (count - 1) / seconds : 0,
              steps: count - 1,
            },
          }
        : {}),
    };
    if (finishReason) return;
    throwIfAborted(signal);
    const step = await sequence.step({ tokens: [token] });
    await sequence.commit([0]);
    logits = step.logits.data as Float32Array;
  }
}

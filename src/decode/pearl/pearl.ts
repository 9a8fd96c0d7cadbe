/**
 * PEARL (Liu et al. 2024, arXiv 2408.11850) as a way to generate: two loaded models that work at the same time, each on its own part
 * of the processor, and the text of one of them.
 */
import { StreamDecoder, type Tokenizer } from "../../formats/index.ts";
import type { Sequence } from "../../lm/index.ts";
import { fail, throwIfAborted } from "../../util/errors.ts";
import { Random } from "../../util/random.ts";
import { checkOptions, type FinishReason, type GenerateOptions, type GenerationChunk } from "../options.ts";
import { Sampler } from "../sampler.ts";
import { StopFilter } from "../stop.ts";
import { TokenChooser } from "../token-chooser.ts";
import { DraftLane } from "./draft-lane.ts";
import { bothStrategies, PearlLoop, type PearlStatistics, type PearlStrategies } from "./pearl-loop.ts";
import type { SpanListener } from "./spans.ts";

/** A model that takes part; a loaded `Model` is one. */
export interface PearlModel {
  readonly tokenizer: Tokenizer;
  /** Longest sequence, in tokens. */
  readonly contextLength: number;
  /** Token ids of a text to be continued. */
  promptTokens(prompt: string | readonly number[]): readonly number[];
  /** Opens an empty sequence. */
  open(): Promise<Sequence>;
}

/** Who works together, and how. */
export interface PearlInput {
  /** The model whose text it is. */
  readonly target: PearlModel;
  /** A faster model with the same tokens: a smaller one, or the same in a coarser weight form. */
  readonly draft: PearlModel;
  /** Tokens that the draft model writes at a time; about as many as it writes while the target takes one step. 4 by default. */
  readonly window?: number;
  /** What runs at the same time; everything by default. */
  readonly strategies?: PearlStrategies;
  /** Is told who was busy when. */
  readonly onSpan?: SpanListener;
}

/** A piece of a text. */
export interface PearlChunk extends GenerationChunk {
  /** Set on the last piece. */
  readonly pearl?: PearlStatistics;
}

/** Default of the window. */
const defaultWindow = 4;
/** Stream of the draft model's random numbers, which are not those of the text. */
const draftStream = 0x9ea71;

function checkPair({ target, draft, window = defaultWindow }: PearlInput): void {
  if (target.tokenizer.vocabSize !== draft.tokenizer.vocabSize)
    fail(
      "argument",
      `the draft model has ${draft.tokenizer.vocabSize} tokens and the target ${target.tokenizer.vocabSize}; PEARL needs two models with the same tokenizer`,
    );
  if (!Number.isInteger(window) || window < 1 || window > 32)
    fail("argument", `window is ${window}; it must be a whole number from 1 to 32`);
}

/**
 * Continues a prompt with the target model's text, piece by piece: greedily the very tokens that it would write alone, sampled the same
 * distribution. While it checks, the draft model writes on. Only verified tokens are handed out; every piece is one token.
 *
 * Each model needs an engine of its own, with its share of the cores.
 * @param prompt text, or token ids as they are, such as those of `Model.chatPrompt`.
 * @throws `context-overflow`, `argument`, `aborted`, `disposed`.
 * @example
 * await using target = await loadModel("smollm2", { form: "f32", threads: 1 });
 * await using draft = await loadModel("smollm2", { form: "int8", threads: 1 });
 * for await (const { text } of pearl({ target, draft }, "Once upon a time", { maxTokens: 64 })) process.stdout.write(text);
 */
export async function* pearl(
  input: PearlInput,
  prompt: string | readonly number[],
  options: GenerateOptions = {},
): AsyncGenerator<PearlChunk, void, void> {
  const calledAt = performance.now();
  const { target, draft, window = defaultWindow, strategies = bothStrategies, onSpan } = input;
  checkPair(input);
  const { tokenizer } = target;
  checkOptions(options, tokenizer.vocabSize);
  const { signal, ignoreEos = false, constraint } = options;
  throwIfAborted(signal);
  const tokens = target.promptTokens(prompt);
  if (!tokens.length) fail("argument", "the prompt is empty; give it at least one token");
  const contextLength = Math.min(target.contextLength, draft.contextLength);
  const room = contextLength - tokens.length;
  if (room < 1)
    fail(
      "context-overflow",
      `the prompt has ${tokens.length} tokens and the context holds ${contextLength}; shorten it or load the models with a larger contextLength`,
    );
  const limit = Math.min(options.maxTokens ?? room, room);
  const ends = new Set(ignoreEos && !constraint ? [] : tokenizer.specials.eosIds);
  const seed = options.seed ?? Math.floor(Math.random() * 2 ** 48);
  const lane = new DraftLane({
    open: () => draft.open(),
    sampling: options,
    random: new Random(seed, draftStream),
    ends,
    onSpan,
    signal,
  });
  const sequence = await target.open();
  const loop = new PearlLoop({
    target: sequence,
    draft: lane,
    chooser: new TokenChooser(new Sampler({ ...options, seed }, tokens), ends, constraint, limit),
    prompt: tokens,
    window,
    limit,
    strategies,
    logprobs: options.logprobs,
    onSpan,
    signal,
  });
  const decoder = new StreamDecoder(tokenizer, { skipSpecial: true });
  const stops = new StopFilter(typeof options.stop === "string" ? [options.stop] : (options.stop ?? []));
  const started = performance.now();
  let firstAt = started;
  let count = 0;
  try {
    for await (const verified of loop.run()) {
      for (const { token, drafted, logprob } of verified) {
        throwIfAborted(signal);
        if (!count++) firstAt = performance.now();
        const ended = ends.has(token);
        let text = ended ? "" : stops.push(decoder.push(token));
        let finishReason: FinishReason | undefined;
        if (ended || stops.stopped) finishReason = "stop";
        else if (count >= limit) finishReason = "length";
        if (finishReason && !stops.stopped) {
          text += stops.push(decoder.flush()) + stops.flush();
          if (stops.stopped) finishReason = "stop";
        }
        const usage = { promptTokens: tokens.length, completionTokens: count, cachedTokens: 0 };
        const { statistics } = loop;
        yield {
          text,
          tokens: [token],
          ...(logprob && { logprobs: [logprob] }),
          ...(drafted && { proposedBy: "pearl" }),
          ...(finishReason && {
            finishReason,
            usage,
            stats: {
              ...usage,
              timeToFirstTokenMs: firstAt - calledAt,
              prefillTokensPerSecond: (tokens.length / (firstAt - started)) * 1000,
              decodeTokensPerSecond: count > 1 ? ((count - 1) / (performance.now() - firstAt)) * 1000 : 0,
              steps: statistics.targetSteps,
            },
            pearl: statistics,
          }),
        };
        if (finishReason) return;
      }
    }
  } finally {
    await Promise.allSettled([sequence.close(), lane.close()]);
  }
}

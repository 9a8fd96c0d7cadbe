/**
 * What a caller may ask of a generation, and what it gets back piece by piece: the public contract of every way to
 * generate (library, command line, server).
 */
import { fail } from "../util/errors.ts";
import type { Constraint } from "./constraints/constraint.ts";
import type { DraftStatistics } from "./speculate/statistics.ts";

/** How the next token is chosen. */
export interface SamplingOptions {
  /** 0 (the default) is greedy; 1 leaves the model's distribution as it is. */
  readonly temperature?: number;
  /** Keep only the `topK` most likely tokens; 0 keeps all. */
  readonly topK?: number;
  /** Keep the smallest set of tokens with at least this probability (Holtzman et al. 2020); 1 keeps all. */
  readonly topP?: number;
  /** Keep tokens with at least `minP` times the probability of the likeliest (Nguyen et al. 2024); 0 keeps all. */
  readonly minP?: number;
  /** Keep tokens whose surprise is closest to the entropy, up to this mass (Meister et al. 2023); 1 keeps all. Filters
   * apply in the order top-k, typical, top-p, min-p, each to what the one before has left. */
  readonly typicalP?: number;
  /** Divides (or multiplies, if negative) the logits of tokens that occurred (Keskar et al. 2019); 1 for none. */
  readonly repetitionPenalty?: number;
  /** Subtracted from the logits of tokens that were generated. */
  readonly presencePenalty?: number;
  /** Subtracted once per time a token was generated. */
  readonly frequencyPenalty?: number;
  /** Added to the logits of tokens by id; −100 is as good as a ban. */
  readonly logitBias?: Readonly<Record<number, number>>;
  /** Makes a sampled generation repeatable. */
  readonly seed?: number;
}

/** Options of a generation. */
export interface GenerateOptions extends SamplingOptions {
  /** Most tokens to generate; up to the end of the context when absent. */
  readonly maxTokens?: number;
  /** Texts that end the generation; they are not part of the result's text (its tokens may still spell them). */
  readonly stop?: string | readonly string[];
  /** Report the log-probability of each token and of this many likeliest alternatives. */
  readonly logprobs?: number;
  /** Go on after an end-of-sequence token. */
  readonly ignoreEos?: boolean;
  /** Stops the generation; the iteration then throws `aborted`. */
  readonly signal?: AbortSignal;
  /**
   * What happens when a prompt and its answer do not fit the context: `error` refuses, `drop-oldest` leaves out the oldest
   * turns of a chat (system messages stay). `error` by default.
   */
  readonly contextOverflow?: "error" | "drop-oldest";
  /**
   * What limits the tokens, in its state at the beginning of the answer; it is moved along with the text. End-of-sequence tokens
   * then end the answer even under `ignoreEos`, and one that nears `maxTokens` is completed the shortest way.
   */
  readonly constraint?: Constraint;
  /** `false` decodes plainly although the model has drafters or the constraint has suggestions. */
  readonly draft?: boolean;
}

/** Why a generation ended. */
export type FinishReason = "stop" | "length";

/** Log-probability of a token, from the model's own distribution before penalties and temperature. */
export interface TokenLogprob {
  readonly token: number;
  readonly logprob: number;
  /** The likeliest alternatives, most likely first. */
  readonly top: readonly { readonly token: number; readonly logprob: number }[];
}

/** Tokens that a generation used. */
export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Prompt tokens that were still in the cache. */
  readonly cachedTokens: number;
}

/** Times of a generation. */
export interface GenerationStats extends Usage {
  /** From the call to the first token: making the prompt and waiting for the engine included. */
  readonly timeToFirstTokenMs: number;
  /** Prompt tokens that were computed, per second. */
  readonly prefillTokensPerSecond: number;
  /** Tokens after the first, per second. */
  readonly decodeTokensPerSecond: number;
  /** Steps of the model after the prompt. */
  readonly steps: number;
  /** What drafting did, when there were drafters or a constraint. */
  readonly drafting?: DraftStatistics;
}

/** A piece of a generation. */
export interface GenerationChunk {
  /** Text that these tokens completed; may be empty while a character is incomplete. */
  readonly text: string;
  readonly tokens: readonly number[];
  readonly logprobs?: readonly TokenLogprob[];
  /** Which drafter proposed the tokens (several are joined by `+`, `constraint` means that there was no choice, `schema` that it is the next name that is declared); absent for
   * tokens that the model chose by itself. */
  readonly proposedBy?: string;
  /** Set on the last piece. */
  readonly finishReason?: FinishReason;
  /** Set on the last piece. */
  readonly usage?: Usage;
  /** Set on the last piece. */
  readonly stats?: GenerationStats;
}

/** Bounds of the numeric options: smallest and largest. */
const bounds = {
  temperature: [0, 100],
  topK: [0, 2 ** 31],
  topP: [0, 1],
  minP: [0, 1],
  typicalP: [0, 1],
  repetitionPenalty: [1e-3, 1e3],
  presencePenalty: [-100, 100],
  frequencyPenalty: [-100, 100],
  maxTokens: [1, 2 ** 31],
  logprobs: [0, 100],
} as const;

/** Whole numbers among the options. */
const whole = ["topK", "maxTokens", "logprobs", "seed"] as const;

/**
 * Refuses impossible options.
 * @param vocabSize number of token ids, when it is known. @throws `argument` naming the option, its value and its bounds.
 */
export function checkOptions(options: GenerateOptions, vocabSize = Number.POSITIVE_INFINITY): void {
  for (const [name, [low, high]] of Object.entries(bounds)) {
    const value = options[name as keyof typeof bounds];
    if (value === undefined) continue;
    if (typeof value !== "number" || !(value >= low && value <= high))
      fail("argument", `${name} is ${value}; it must be a number from ${low} to ${high}`);
  }
  for (const name of whole)
    if (options[name] !== undefined && !Number.isSafeInteger(options[name]))
      fail("argument", `${name} is ${options[name]}; it must be a whole number`);
  const { stop, logitBias, contextOverflow } = options;
  for (const text of typeof stop === "string" ? [stop] : (stop ?? []))
    if (typeof text !== "string" || !text) fail("argument", `stop has ${JSON.stringify(text)}; it must be text`);
  for (const [token, bias] of Object.entries(logitBias ?? {})) {
    if (!/^\d{1,9}$/.test(token) || Number(token) >= vocabSize)
      fail("argument", `logitBias names token ${token}; ids are whole numbers from 0 to ${vocabSize - 1}`);
    if (!Number.isFinite(bias)) fail("argument", `logitBias of token ${token} is ${bias}; it must be a finite number`);
  }
  if (contextOverflow !== undefined && contextOverflow !== "error" && contextOverflow !== "drop-oldest")
    fail("argument", `contextOverflow is ${contextOverflow}; it must be "error" or "drop-oldest"`);
}

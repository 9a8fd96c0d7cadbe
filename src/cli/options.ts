/**
 * Options that several commands share, and how their values are read. Imports nothing heavy: every start pays for it.
 */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { GenerateOptions } from "../decode/options.ts";
import { defaultAnswerTokens, defaultSampling } from "./default-sampling.ts";

/** Reads a number within bounds. */
export function numberFrom(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!text.trim() || !(value >= low && value <= high))
      throw new InvalidArgumentError(`It must be a number from ${low} to ${high}.`);
    return value;
  };
}

/** Reads a whole number within bounds. */
export function wholeFrom(low: number, high = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^[+-]?\d+$/.test(text.trim()) || !(value >= low && value <= high))
      throw new InvalidArgumentError(
        high === Number.MAX_SAFE_INTEGER
          ? `It must be a whole number of at least ${low}.`
          : `It must be a whole number from ${low} to ${high}.`,
      );
    return value;
  };
}

function biasFrom(text: string, previous: Readonly<Record<number, number>> = {}): Record<number, number> {
  const match = /^(\d+)=([+-]?(?:\d+\.?\d*|\.\d+))$/.exec(text);
  if (!match) throw new InvalidArgumentError("Write it as ID=BIAS, such as 198=-100.");
  return { ...previous, [Number(match[1])]: Number(match[2]) };
}

const collect = (text: string, previous: readonly string[] = []): string[] => [...previous, text];

/** What the options of {@link addModelOptions} yield. */
export interface ModelFlags {
  readonly form?: string;
  readonly threads?: number;
  readonly context?: number;
  readonly offline?: boolean;
  /** `false` for plain decoding of a tuned model. */
  readonly draft?: boolean;
}

/** Adds the options that say how a model is loaded. */
export function addModelOptions(command: Command): Command {
  return command
    .option("--no-draft", "decode token by token, whatever tuning has found")
    .option("--form <name>", "weight form, such as int8 or f32")
    .option("--threads <n>", "threads of the engine; all cores by default", wholeFrom(1, 1024))
    .option("--context <n>", "longest sequence in tokens; the model's own limit by default", wholeFrom(2, 2 ** 24))
    .option("--offline", "use only what is on this machine");
}

/** What the options of {@link addSamplingOptions} yield. */
export interface SamplingFlags {
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly typicalP?: number;
  readonly repetitionPenalty?: number;
  readonly presencePenalty?: number;
  readonly frequencyPenalty?: number;
  readonly seed?: number;
  readonly stop?: readonly string[];
  readonly logitBias?: Readonly<Record<number, number>>;
}

/** Adds the options that say how tokens are chosen and when to stop. */
export function addSamplingOptions(command: Command): Command {
  const { temperature, topP } = defaultSampling;
  const usual = `${temperature}, with --top-p ${topP}, unless one of the two is given`;
  return command
    .option(
      "-n, --max-tokens <n>",
      `most tokens of an answer (${defaultAnswerTokens} in chat and generate)`,
      wholeFrom(1, 2 ** 31),
    )
    .option(
      "-t, --temperature <x>",
      `0 takes the likeliest token, 1 samples as the model says (${usual})`,
      numberFrom(0, 100),
    )
    .option("--top-k <n>", "sample from the n likeliest tokens only", wholeFrom(0, 2 ** 31))
    .option("--top-p <p>", "sample from the likeliest tokens that make up this probability", numberFrom(0, 1))
    .option("--min-p <p>", "leave out tokens less likely than p times the likeliest", numberFrom(0, 1))
    .option("--typical-p <p>", "sample from the most typical tokens that make up this probability", numberFrom(0, 1))
    .option(
      "--repetition-penalty <x>",
      "make tokens that occurred less likely; 1 does nothing",
      numberFrom(0.001, 1000),
    )
    .option("--presence-penalty <x>", "lower the logits of tokens that were generated", numberFrom(-100, 100))
    .option("--frequency-penalty <x>", "the same, once for each time", numberFrom(-100, 100))
    .option("--seed <n>", "make a sampled answer repeatable", wholeFrom(Number.MIN_SAFE_INTEGER))
    .addOption(
      new Option("--stop <text>", "end the answer before this text; may be given several times").argParser(collect),
    )
    .addOption(
      new Option("--logit-bias <id=bias>", "add to the logit of a token; may be given several times").argParser(
        biasFrom,
      ),
    );
}

/** The same with an end to every answer, for commands that print them. */
export function answerOptionsOf(flags: SamplingFlags): GenerateOptions {
  return { ...samplingOf(flags), maxTokens: flags.maxTokens ?? defaultAnswerTokens };
}

/** Generation options of the flags; the usual way of sampling where none was chosen. */
export function samplingOf(flags: SamplingFlags): GenerateOptions {
  const { maxTokens, topK, minP, typicalP, repetitionPenalty, presencePenalty, frequencyPenalty, seed, stop } = flags;
  const own = flags.temperature !== undefined || flags.topP !== undefined;
  const { temperature, topP } = own ? { temperature: flags.temperature ?? 1, topP: flags.topP } : defaultSampling;
  return {
    maxTokens,
    temperature,
    topP,
    topK,
    minP,
    typicalP,
    repetitionPenalty,
    presencePenalty,
    frequencyPenalty,
    seed,
    stop,
    logitBias: flags.logitBias,
  };
}

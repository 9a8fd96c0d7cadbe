/**
 * Decodes prompts in several ways that take turns prompt by prompt, and sums up what each did.
 */
import { type LexicalUnitDecodingOptions, lexicalUnitDecoding } from "bletchley/decode";
import type { SequenceModel } from "bletchley/lm";

/** A way of decoding. */
export interface Way {
  readonly model: SequenceModel;
  /** 0 decodes one token at a time. */
  readonly placeholders: number;
  readonly minConfidence?: number;
  readonly verify?: boolean;
}

/** One prompt in one way. */
export interface Trial {
  readonly tokens: readonly number[];
  /** Tokens that each step added. */
  readonly spans: readonly number[];
  /** From the end of the first step to the end of the last. */
  readonly milliseconds: number;
  /** Spans that the guard against repetitions ended, and tokens that were taken back. */
  readonly guarded: number;
  readonly rejected: number;
}

/** Trials by way, in the order of the prompts. */
export type Trials = Readonly<Record<string, readonly Trial[]>>;

/** What all ways have in common. */
export type Common = Pick<LexicalUnitDecodingOptions, "placeholder" | "maxTokens" | "ends" | "signal">;

async function decode({ model, ...way }: Way, prompt: readonly number[], common: Common): Promise<Trial> {
  const sequence = await model.open();
  const tokens: number[] = [];
  const spans: number[] = [];
  let [guarded, rejected, start] = [0, 0, 0];
  for await (const step of lexicalUnitDecoding(sequence, prompt, { ...common, ...way })) {
    // the first step also reads the prompt
    if (!spans.length) start = performance.now();
    tokens.push(...step.tokens);
    spans.push(step.tokens.length);
    if (step.guarded) guarded++;
    rejected += step.rejected;
  }
  const milliseconds = performance.now() - start;
  await sequence.close();
  return { tokens, spans, milliseconds, guarded, rejected };
}

/** Decodes every prompt in every way; the ways begin in another order at each prompt. */
export async function runWays(
  ways: Readonly<Record<string, Way>>,
  prompts: readonly (readonly number[])[],
  common: Common,
  onPrompt?: (done: number) => void,
): Promise<Trials> {
  const names = Object.keys(ways);
  const trials: Record<string, Trial[]> = Object.fromEntries(names.map((name) => [name, []]));
  // the first steps of a process are slower
  for (const name of names) await decode(ways[name]!, prompts[0]!, common);
  for (const [i, prompt] of prompts.entries()) {
    for (let k = 0; k < names.length; k++) {
      const name = names[(i + k) % names.length]!;
      trials[name]!.push(await decode(ways[name]!, prompt, common));
    }
    onPrompt?.(i + 1);
  }
  return trials;
}

/** What a way did over all prompts. */
export interface WaySummary {
  readonly tokensPerSecond: number;
  readonly tokensPerStep: number;
  /** Milliseconds of a step. */
  readonly stepMs: number;
  /** Shares of the steps, by the number of tokens that they added less one. */
  readonly spans: readonly number[];
  /** Spans that the guard ended and tokens that were taken back, of a hundred steps. */
  readonly guarded: number;
  readonly rejected: number;
}

/** Sums up trials. */
export function summarizeWay(trials: readonly Trial[]): WaySummary {
  const sum = (f: (trial: Trial) => number) => trials.reduce((total, trial) => total + f(trial), 0);
  const steps = sum(({ spans }) => spans.length);
  const milliseconds = sum((trial) => trial.milliseconds);
  const spans: number[] = [];
  for (const trial of trials)
    for (const span of trial.spans) {
      while (spans.length < span) spans.push(0);
      spans[span - 1]! += 1 / steps;
    }
  return {
    tokensPerSecond: (1000 * sum(({ tokens, spans: [first = 0] }) => tokens.length - first)) / milliseconds,
    tokensPerStep: sum(({ tokens }) => tokens.length) / steps,
    stepMs: milliseconds / (steps - trials.length),
    spans,
    guarded: (100 * sum((trial) => trial.guarded)) / steps,
    rejected: (100 * sum((trial) => trial.rejected)) / steps,
  };
}

/** Number of prompts whose texts differ between two ways. */
export function differing(a: readonly Trial[], b: readonly Trial[]): number {
  return a.filter(({ tokens }, i) => String(tokens) !== String(b[i]!.tokens)).length;
}

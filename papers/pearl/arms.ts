/**
 * The ways of decoding that PEARL is compared with, prompt by prompt in turns, and what each of them did.
 */
import type { Model } from "bletchley";
import {
  type PearlModel,
  type PearlStrategies,
  type PearlWorker,
  pearl,
  type SamplingOptions,
  type Span,
} from "bletchley/decode";

/** Both parts at the same time, one of them, or none: the models then take turns. */
export const strategies = {
  both: { preVerify: true, postVerify: true },
  withoutPreVerify: { preVerify: false, postVerify: true },
  withoutPostVerify: { preVerify: true, postVerify: false },
  turns: { preVerify: false, postVerify: false },
} as const satisfies Record<string, PearlStrategies>;

/** A way of decoding: a model alone, or two together. */
export interface Arm {
  readonly name: string;
  readonly target: Model;
  readonly draft?: PearlModel;
  readonly window?: number;
  readonly strategies?: PearlStrategies;
}

/** One prompt under one arm. Times are of what follows the prompt, in milliseconds. */
export interface ArmRecord {
  readonly tokens: readonly number[];
  /** Tokens that the time was taken for. */
  readonly timed: number;
  readonly milliseconds: number;
  readonly targetSteps: number;
  readonly busy: Readonly<Record<PearlWorker, number>>;
  readonly tested: number;
  readonly accepted: number;
  readonly runs: readonly number[];
}

/** A record with the steps behind it. */
export interface TracedRecord {
  readonly record: ArmRecord;
  readonly spans: readonly Span[];
}

/** Decodes a prompt. */
export async function runArm(
  arm: Arm,
  prompt: readonly number[],
  maxTokens: number,
  options: SamplingOptions & { readonly signal?: AbortSignal } = {},
): Promise<TracedRecord> {
  const { target, draft, window, strategies } = arm;
  const spans: Span[] = [];
  const tokens: number[] = [];
  if (!draft) {
    const { tokens, stats } = await target.collect(target.generate(prompt, { ...options, maxTokens }));
    const timed = tokens.length - 1;
    const milliseconds = timed ? (timed / stats.decodeTokensPerSecond) * 1000 : 0;
    const busy = { target: milliseconds, draft: 0 };
    return {
      record: { tokens, timed, milliseconds, targetSteps: stats.steps, busy, tested: 0, accepted: 0, runs: [] },
      spans,
    };
  }
  const input = { target, draft, window, strategies, onSpan: (span: Span) => spans.push(span) };
  let record: ArmRecord | undefined;
  for await (const chunk of pearl(input, prompt, { ...options, maxTokens })) {
    tokens.push(...chunk.tokens);
    if (!chunk.pearl) continue;
    const busy = (worker: PearlWorker) =>
      spans.reduce((sum, span) => sum + (span.worker === worker ? span.end - span.start : 0), 0);
    const { targetSteps, tested, accepted, runs } = chunk.pearl;
    record = {
      tokens,
      timed: tokens.length,
      milliseconds: performance.now() - Math.min(...spans.map(({ start }) => start)),
      targetSteps,
      busy: { target: busy("target"), draft: busy("draft") },
      tested,
      accepted,
      runs,
    };
  }
  return { record: record!, spans };
}

/** Sums over some records. */
export interface ArmSummary {
  readonly tokensPerSecond: number;
  readonly tokensPerTargetStep: number;
  readonly idle: Readonly<Record<PearlWorker, number>>;
  /** Share of the drafted tokens that were accepted among those that were tested. */
  readonly acceptance: number;
  /** Accepted tokens in a row, on average. */
  readonly meanRun: number;
}

/** Sums up the records of an arm. */
export function summarizeArm(records: readonly ArmRecord[]): ArmSummary {
  const sum = (f: (record: ArmRecord) => number) => records.reduce((total, record) => total + f(record), 0);
  const milliseconds = sum((record) => record.milliseconds);
  const timed = sum((record) => record.timed);
  const tested = sum((record) => record.tested);
  const accepted = sum((record) => record.accepted);
  return {
    tokensPerSecond: (timed / milliseconds) * 1000,
    tokensPerTargetStep: timed / sum((record) => record.targetSteps),
    idle: {
      target: 1 - sum(({ busy }) => busy.target) / milliseconds,
      draft: 1 - sum(({ busy }) => busy.draft) / milliseconds,
    },
    acceptance: tested ? accepted / tested : 0,
    // the run at the end of an answer counts as one that ended
    meanRun: tested ? accepted / (tested - accepted + records.length) : 0,
  };
}

/** Decodes all prompts under all arms, which begin in another order at each prompt. */
export async function compareArms(
  arms: readonly Arm[],
  prompts: readonly (readonly number[])[],
  maxTokens: number,
  options: SamplingOptions & { readonly signal?: AbortSignal; readonly onPrompt?: (done: number) => void } = {},
): Promise<{ records: Record<string, ArmRecord[]>; spans: Record<string, readonly Span[]> }> {
  const { onPrompt, ...others } = options;
  const records: Record<string, ArmRecord[]> = Object.fromEntries(arms.map(({ name }) => [name, []]));
  const spans: Record<string, readonly Span[]> = {};
  // the first steps of an engine are slower
  for (const arm of arms) await runArm(arm, prompts[0]!.slice(0, 32), 8, others);
  for (const [i, prompt] of prompts.entries()) {
    for (let k = 0; k < arms.length; k++) {
      const arm = arms[(i + k) % arms.length]!;
      const traced = await runArm(arm, prompt, maxTokens, others);
      records[arm.name]!.push(traced.record);
      // the first answer is drawn
      spans[arm.name] ??= traced.spans;
    }
    onPrompt?.(i + 1);
  }
  return { records, spans };
}

/**
 * The tuner: measures what steps cost, tries every way of drafting on the user's prompts, and chooses the fastest; plain decoding is
 * always a candidate. The choice is then checked against plain decoding on prompts that took no part in it.
 */
import { fail, throwIfAborted } from "../../util/errors.ts";
import type { ProgressListener } from "../../util/progress.ts";
import type { GenerationStats } from "../options.ts";
import { Calibration } from "../speculate/calibration.ts";
import type { CostCurve } from "../speculate/cost-curve.ts";
import type { Speculation } from "../speculate/speculation.ts";
import { type ModelDrafters, makeDrafters, usualCandidates } from "./candidates.ts";
import type { CandidateResult, TuningProfile } from "./profile.ts";

/** What is tuned: something that decodes a prompt one way or another. */
export interface Tunable {
  readonly vocabSize: number;
  /** Measured cost of steps. */
  readonly costs: CostCurve;
  /** Drafters that it has besides the usual ones; what they take is part of what they are judged by. */
  readonly drafters?: ModelDrafters;
  /** Decodes a prompt greedily. */
  decode(prompt: string, speculation: Speculation | undefined, maxTokens: number): Promise<GenerationStats>;
}

/** How thorough tuning is. */
export interface TuneOptions {
  /** At least two; the first half (every other one) chooses, the second half checks. */
  readonly prompts: readonly string[];
  /** Tokens decoded per prompt; 64 by default. */
  readonly maxTokens?: number;
  /** The usual ones by default, and each of the target's own drafters by itself. */
  readonly candidates?: readonly (readonly string[])[];
  readonly signal?: AbortSignal;
  readonly onProgress?: ProgressListener;
}

/** What {@link tune} finds, before anything is said of model and machine. */
export type Tuned = Pick<TuningProfile, "candidates" | "chosen" | "calibration" | "check" | "costs">;

/** A candidate must promise this much to be preferred to plain decoding. */
const leastGain = 1.02;

/** Sums over some generations, and the time that the cost curve says their steps take. */
class Tally {
  tokens = 0;
  steps = 0;
  rows = 0;
  milliseconds = 0;
  predictedMs = 0;
  readonly depths: { proposed: number; accepted: number }[] = [];

  add(stats: GenerationStats, costs: CostCurve): void {
    const decoded = stats.completionTokens - 1;
    if (decoded < 1) return;
    const context = stats.promptTokens + decoded / 2;
    const { drafting } = stats;
    this.tokens += decoded;
    this.steps += stats.steps;
    this.milliseconds += (decoded / stats.decodeTokensPerSecond) * 1000;
    const byRows = drafting?.byRows ?? { 1: stats.steps };
    for (const [rows, count] of Object.entries(byRows)) {
      this.rows += Number(rows) * count;
      this.predictedMs += costs.milliseconds(Number(rows), context) * count;
    }
    this.predictedMs += (drafting?.draftMs ?? 0) + (drafting?.verifyMs ?? 0);
    drafting?.byDepth.forEach(({ proposed, accepted }, i) => {
      while (this.depths.length <= i) this.depths.push({ proposed: 0, accepted: 0 });
      this.depths[i]!.proposed += proposed;
      this.depths[i]!.accepted += accepted;
    });
  }

  get predictedRate(): number {
    return this.tokens / this.predictedMs;
  }

  get rate(): number {
    return (this.tokens / this.milliseconds) * 1000;
  }
}

/**
 * Chooses how to decode.
 * @throws `argument` for fewer than two prompts, `aborted`.
 */
export async function tune(target: Tunable, options: TuneOptions): Promise<Tuned> {
  const { prompts, maxTokens = 64, signal, onProgress } = options;
  const { costs, vocabSize, drafters: own = {} } = target;
  const { candidates = [...usualCandidates, ...Object.keys(own).map((name) => [name])] } = options;
  if (prompts.length < 2)
    fail("argument", `${prompts.length} prompts to tune on; give at least two, of which half choose and half check`);
  const choosing = prompts.filter((_, i) => i % 2 === 0);
  const checking = prompts.filter((_, i) => i % 2 === 1);
  const all = candidates.some((names) => !names.length) ? candidates : [[], ...candidates];
  const setups = all.map((names) => ({
    names,
    tally: new Tally(),
    speculation: names.length
      ? { drafters: makeDrafters(names, vocabSize, own), costs, calibration: new Calibration() }
      : undefined,
  }));
  // twice, because drafters learn: the first round is forgotten, the second is what a running engine is like
  const rounds = 2;
  const total = setups.length * choosing.length * rounds;
  let done = 0;
  for (let round = 0; round < rounds; round++)
    for (const prompt of choosing)
      for (const { tally, speculation } of setups) {
        throwIfAborted(signal);
        if (round === 0 && !speculation) {
          done++;
          continue;
        }
        const half = round === 0 ? prompt : continuationOf(prompt);
        const stats = await target.decode(half, speculation, maxTokens);
        if (round > 0) tally.add(stats, costs);
        onProgress?.({ task: "trying ways of drafting", done: ++done, total, unit: "steps" });
      }
  const plain = setups.find(({ names }) => !names.length)!;
  const results: CandidateResult[] = setups.map(({ names, tally }) => ({
    drafters: names,
    tokensPerStep: tally.tokens / Math.max(1, tally.steps),
    rowsPerStep: tally.rows / Math.max(1, tally.steps),
    predictedSpeedup: tally.predictedRate / plain.tally.predictedRate,
    acceptanceByDepth: tally.depths.map(({ proposed, accepted }) => accepted / Math.max(1, proposed)),
  }));
  const best = results.reduce((a, b) => (b.predictedSpeedup > a.predictedSpeedup ? b : a));
  const promising = best.predictedSpeedup >= leastGain ? setups[results.indexOf(best)]! : plain;
  const check = await checkChoice(target, promising.speculation, checking, options);
  const { predictedSpeedup } = results[setups.indexOf(promising)]!;
  // what the check refutes gives way; its figures stay, for whoever wants to know why
  const chosen = check.measuredSpeedup < 1 ? plain : promising;
  return {
    costs: costs.table,
    candidates: results,
    chosen: chosen.names,
    calibration: chosen.speculation?.calibration.counts() ?? {},
    check: { ...check, predictedSpeedup },
  };
}

/** A prompt that is asked for the second time, so that its answer is another one. */
const continuationOf = (prompt: string) => `${prompt}\n\nAnswer in your own words, with an example.`;

async function checkChoice(
  target: Tunable,
  speculation: Speculation | undefined,
  prompts: readonly string[],
  { maxTokens = 64, signal, onProgress }: TuneOptions,
): Promise<Omit<Tuned["check"], "predictedSpeedup">> {
  const plain = new Tally();
  const tuned = new Tally();
  for (const [i, prompt] of prompts.entries()) {
    throwIfAborted(signal);
    const arms = [
      { tally: plain, how: undefined },
      { tally: tuned, how: speculation },
    ];
    for (const { tally, how } of i % 2 ? arms.toReversed() : arms)
      tally.add(await target.decode(prompt, how, maxTokens), target.costs);
    onProgress?.({ task: "checking the choice", done: i + 1, total: prompts.length, unit: "steps" });
  }
  return {
    prompts: prompts.length,
    measuredSpeedup: tuned.rate / plain.rate,
    plainTokensPerSecond: plain.rate,
    tunedTokensPerSecond: tuned.rate,
  };
}

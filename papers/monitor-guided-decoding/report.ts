/**
 * What the completions say, as measurements: scores by arm, exact checks, costs.
 */
import type { PaperContext } from "bletchley/papers";
import { allArms, type Trial } from "./arms.ts";
import { scoreAt } from "./metrics.ts";

/** All completions of a set of points. */
export interface PointSet {
  readonly trials: readonly Trial[];
  /** Identifiers that were written under a limit. */
  readonly checked: number;
  /** Those that a fresh analyser does not list. */
  readonly unsound: number;
  /** Points whose true continuation the compiler objects to. */
  readonly broken: number;
}

/** What completions are scored by. */
export type Score = "compiles" | "nextIdentifier" | "identifiers" | "tokens";

/** Scores by their names in the paper. */
export const scoreNames: Readonly<Record<Score, string>> = {
  compiles: "CR",
  nextIdentifier: "NIM",
  identifiers: "ISM",
  tokens: "PM",
};

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** The score of an arm at `k` samples, in percent; undefined for an arm that was not run. */
export function scoreOf({ trials }: PointSet, arm: string, score: Score, k = 1): number | undefined {
  const byPoint = new Map<number, number[]>();
  for (const trial of trials)
    if (trial.arm === arm) byPoint.set(trial.point, [...(byPoint.get(trial.point) ?? []), trial[score]]);
  return byPoint.size ? 100 * mean([...byPoint.values()].map((values) => scoreAt(k, values))) : undefined;
}

/** The sets that were completed; that of real code may be absent. */
export interface Sets {
  readonly synthetic: PointSet;
  readonly real: PointSet | undefined;
}

/** Measures scores, with the bars on them. */
export function reportScores(context: PaperContext, { synthetic, real }: Sets): void {
  const smoke = context.profile === "smoke";
  const paper: Partial<Record<Score, string>> = {
    compiles: "35.7 → 44.6 (350M), 44.7 → 55.3 (1.1B)",
    nextIdentifier: "68.9 → 76.2 (350M), 75.7 → 82.3 (1.1B)",
    identifiers: "26.1 → 28.2 (350M)",
    tokens: "21.8 → 23.4 (350M)",
  };
  const gain = (set: PointSet, where: string, score: Score, points: number | undefined, times = 0): void => {
    const value = scoreOf(set, "MGD", score)!;
    const baseline = scoreOf(set, "plain", score)!;
    const bar = `≥ plain + ${points} points${times ? ` and ≥ ${times}×` : ""}`;
    context.measure({
      name: `${scoreNames[score]}@1, MGD, ${where}`,
      value,
      baseline,
      unit: "%",
      paper: paper[score],
      ...(!smoke &&
        points !== undefined && { bar, expect: (v: number, b: number) => v >= b + points && v >= times * b }),
      // real points are drawn from whatever sources are checked out
      ...(where !== "made-up" && { tolerance: Number.POSITIVE_INFINITY }),
    });
  };
  gain(synthetic, "made-up", "compiles", 15, 1.2);
  if (real) gain(real, "real", "compiles", 6);
  gain(synthetic, "made-up", "nextIdentifier", 15);
  if (real) gain(real, "real", "nextIdentifier", 6);
  for (const score of ["identifiers", "tokens"] as const) {
    gain(synthetic, "made-up", score, undefined);
    if (real) gain(real, "real", score, undefined);
  }
  const types = scoreOf(synthetic, "types", "compiles")!;
  const mgd = scoreOf(synthetic, "MGD", "compiles")!;
  context.measure({
    name: "CR@1, types + MGD, made-up, against the better one alone",
    value: scoreOf(synthetic, "types + MGD", "compiles")!,
    baseline: Math.max(types, mgd),
    unit: "%",
    paper: "56.8 against 48.1 and 55.3 (SantaCoder)",
    ...(!smoke && {
      bar: "≥ the better one − 1 point",
      expect: (value: number, better: number) => value >= better - 1,
    }),
  });
  const k = Math.max(...synthetic.trials.map(({ sample }) => sample)) + 1;
  for (const { name } of allArms) {
    const baseline = name === "plain" ? undefined : scoreOf(synthetic, "plain", "compiles", k);
    const value = scoreOf(synthetic, name, "compiles", k);
    if (value === undefined) continue;
    context.measure({ name: `CR@${k}, ${name}, made-up`, value, baseline, unit: "%" });
    const nim = scoreOf(synthetic, name, "nextIdentifier")!;
    if (name !== "MGD" && name !== "plain") context.measure({ name: `NIM@1, ${name}, made-up`, value: nim, unit: "%" });
    const own = synthetic.trials.filter(({ arm }) => arm === name);
    context.measure({
      name: `tokens of a completion, ${name}, made-up`,
      value: mean(own.map(({ generated }) => generated.length)),
      unit: "tokens",
    });
    context.measure({
      name: `completions that close their function, ${name}, made-up`,
      value: 100 * mean(own.map(({ finished }) => (finished ? 1 : 0))),
      unit: "%",
    });
  }
}

/** What must hold exactly. */
export interface ExactChecks {
  readonly drafted: number;
  readonly differing: number;
  readonly prose: number;
  readonly disturbed: number;
  readonly lists: number;
  readonly wrong: number;
}

/** Measures what must hold exactly. */
export function reportChecks(
  context: PaperContext,
  { synthetic, real, checks, vocabSize }: Sets & { readonly checks: ExactChecks; readonly vocabSize: number },
): void {
  const none = (name: string, value: number, unit: string): void =>
    context.measure({ name, value, unit, bar: "0", expect: (found) => found === 0, tolerance: 0 });
  const all = [synthetic, ...(real ? [real] : [])];
  const checked = all.reduce((sum, set) => sum + set.checked, 0);
  context.measure({
    name: "identifiers written under a limit",
    value: checked,
    unit: "identifiers",
    tolerance: Number.POSITIVE_INFINITY,
    bar: "> 0",
    expect: (value) => value > 0,
  });
  const unsound = all.reduce((sum, set) => sum + set.unsound, 0);
  none("identifiers written under a limit that a fresh analyser does not list", unsound, "identifiers");
  const broken = all.reduce((sum, set) => sum + set.broken, 0);
  none("points whose true continuation does not compile", broken, "points");
  none(`beginnings of prose (${checks.prose}) that monitors change or limit`, checks.disturbed, "prompts");
  none(
    `lists of names (${checks.lists}) whose mask of ${vocabSize} tokens differs from the definition`,
    checks.wrong,
    "lists",
  );
  none(`points (${checks.drafted}) that a drafter completes differently under a monitor`, checks.differing, "points");
}

/** The middle value. */
function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

/** Measures what monitors cost: greedy completions, whose analyses are all new. */
export function reportCost(context: PaperContext, { trials }: PointSet): void {
  const smoke = context.profile === "smoke";
  const own = trials.filter(({ arm, sample }) => arm === "MGD" && sample === 0);
  const sum = (of: (trial: Trial) => number) => own.reduce((total, trial) => total + of(trial), 0);
  const analysisMs = sum(({ monitored }) => monitored!.analysisMs);
  const maskMs = sum(({ monitored }) => monitored!.maskMs);
  const timing = (name: string, value: number, unit: string, most: number): void =>
    context.measure({
      name,
      value,
      unit,
      tolerance: Number.POSITIVE_INFINITY,
      ...(!smoke && { bar: `≤ ${most} ${unit}`, expect: (found: number) => found <= most }),
    });
  timing("median time of an analysis", median(own.flatMap(({ analyses }) => analyses)), "ms", 30);
  timing(
    "mean time of building a mask",
    maskMs /
      Math.max(
        1,
        sum(({ monitored }) => monitored!.masks),
      ),
    "ms",
    1,
  );
  timing(
    "share of the generation's time that analyses and masks take",
    (100 * (analysisMs + maskMs)) / sum(({ milliseconds }) => milliseconds),
    "%",
    25,
  );
  context.measure({
    name: "analyses in a completion",
    value: sum(({ analyses }) => analyses.length) / own.length,
    unit: "analyses",
    tolerance: Number.POSITIVE_INFINITY,
  });
}

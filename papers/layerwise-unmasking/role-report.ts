/**
 * What the classifiers of roles show: their scores, and the bars on them.
 */
import type { PaperContext } from "bletchley/papers";
import type { LabelScores } from "bletchley/train";
import type { ArmResult } from "./role-arms.ts";

/** Results by configuration, one for each seed; a map, because objects put keys that look like numbers first. */
export type RoleResults = ReadonlyMap<string, readonly ArmResult[]>;

/** Scores by configuration. */
export type Scores = ReadonlyMap<string, LabelScores>;

const meanOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Mean scores over seeds. */
export function meanScores(scores: readonly LabelScores[]): LabelScores {
  const sums = scores[0]!.confusion.map((row, t) =>
    row.map((_, p) => scores.reduce((sum, { confusion }) => sum + confusion[t]![p]!, 0)),
  );
  return {
    accuracy: meanOf(scores.map(({ accuracy }) => accuracy)),
    macroF1: meanOf(scores.map(({ macroF1 }) => macroF1)),
    f1: scores[0]!.f1.map((_, c) => meanOf(scores.map(({ f1 }) => f1[c]!))),
    counts: scores[0]!.counts,
    confusion: sums,
  };
}

/** The configurations in which nothing and in which everything is unmasked. */
function endsOf(names: readonly string[]): readonly [causal: string, full: string] {
  return [names.find((name) => !name.includes("1"))!, names.find((name) => !name.includes("0"))!];
}

/** Mean scores on a part, by configuration. */
export function scoresOn(results: RoleResults, part: "validation" | "test" | "otherFiles"): Scores {
  return new Map([...results].map(([name, seeds]) => [name, meanScores(seeds.map((result) => result[part]))]));
}

/** The configuration that a test accepts with the best accuracy on validation windows. */
export function pickOnValidation(results: RoleResults, accepts: (name: string) => boolean): string {
  const scores = scoresOn(results, "validation");
  const names = [...scores.keys()].filter(accepts);
  return names.reduce((best, name) => (scores.get(name)!.accuracy > scores.get(best)!.accuracy ? name : best));
}

/** Reports scores, and whether unmasking pays and where. */
export function measureRoles(context: PaperContext, results: RoleResults): void {
  const judged = context.profile !== "smoke";
  const names = [...results.keys()];
  const [causal, full] = endsOf(names);
  const [test, other] = [scoresOn(results, "test"), scoresOn(results, "otherFiles")];
  for (const name of names) {
    const baseline = (scores: LabelScores, of: "accuracy" | "macroF1") =>
      name === causal ? {} : { baseline: scores[of] };
    for (const [where, scores] of [
      ["test windows", test],
      ["windows of other files", other],
    ] as const) {
      context.measure({
        name: `roles: accuracy on ${where}, ${name}`,
        value: scores.get(name)!.accuracy,
        ...baseline(scores.get(causal)!, "accuracy"),
        unit: "",
      });
      context.measure({
        name: `roles: macro-F1 on ${where}, ${name}`,
        value: scores.get(name)!.macroF1,
        ...baseline(scores.get(causal)!, "macroF1"),
        unit: "",
      });
    }
    context.measure({
      name: `roles: time of a training, ${name}`,
      value: meanOf(results.get(name)!.map(({ seconds }) => seconds)),
      unit: "s",
      tolerance: Number.POSITIVE_INFINITY,
    });
  }
  const unmasked = pickOnValidation(results, (name) => name !== causal);
  const partly = pickOnValidation(results, (name) => name !== causal && name !== full);
  context.log(`picked on validation windows: ${unmasked}; of those that are not unmasked everywhere ${partly}`);
  context.measure({
    name: `roles: macro-F1 on test windows of the unmasked configuration that validation picks`,
    value: test.get(unmasked)!.macroF1,
    baseline: test.get(causal)!.macroF1,
    unit: "",
    paper: "gains over the causal decoder on every task",
    ...(judged && { bar: "≥ causal + 0.08", expect: (value: number, baseline: number) => value >= baseline + 0.08 }),
  });
  context.measure({
    name: `roles: accuracy on test windows of the unmasked configuration that validation picks`,
    value: test.get(unmasked)!.accuracy,
    baseline: test.get(causal)!.accuracy,
    unit: "",
    ...(judged && { bar: "≥ causal + 0.04", expect: (value: number, baseline: number) => value >= baseline + 0.04 }),
  });
  context.measure({
    name: `roles: accuracy on test windows of the partly unmasked configuration that validation picks, against everything unmasked`,
    value: test.get(partly)!.accuracy,
    baseline: test.get(full)!.accuracy,
    unit: "",
    paper: "matched or beaten",
    ...(judged && { bar: "≥ 1111 − 0.002", expect: (value: number, baseline: number) => value >= baseline - 0.002 }),
  });
}

/** Reports what pre-training is for. */
export function measureScratch(context: PaperContext, results: RoleResults, scratch: RoleResults): void {
  const judged = context.profile !== "smoke";
  const [trained, fresh] = [scoresOn(results, "test"), scoresOn(scratch, "test")];
  const names = [...scratch.keys()];
  const [causal, full] = endsOf(names);
  for (const name of names)
    context.measure({
      name: `roles: macro-F1 on test windows without pre-training, ${name}`,
      value: fresh.get(name)!.macroF1,
      baseline: trained.get(name)!.macroF1,
      unit: "",
    });
  context.measure({
    name: `roles: accuracy on test windows of ${full}, pre-trained against not`,
    value: trained.get(full)!.accuracy,
    baseline: fresh.get(full)!.accuracy,
    unit: "",
    ...(judged && { bar: "≥ not + 0.15", expect: (value: number, baseline: number) => value >= baseline + 0.15 }),
  });
  context.measure({
    name: `roles: accuracy on test windows without pre-training, ${full} against ${causal}`,
    value: fresh.get(full)!.accuracy,
    baseline: fresh.get(causal)!.accuracy,
    unit: "",
    paper: "no effect",
    ...(judged && { bar: "≤ causal + 0.02", expect: (value: number, baseline: number) => value <= baseline + 0.02 }),
  });
}

/**
 * How much right context is worth is a dial here: names whose type a cue word behind them tells with a known probability. A causal reader has
 * an exact ceiling.
 */
import { type CueSentence, causalCueCeiling, cueTypes, cueVocabulary, drawCueSentences } from "bletchley/data";
import { TokenClassifier } from "bletchley/lm";
import { initialize } from "bletchley/nn";
import type { PaperContext } from "bletchley/papers";
import { bestTags, noLabel, spanScores, spansOf } from "bletchley/train";
import { NDArray } from "bletchley/util";
import { newDecoder } from "./pretrain.ts";
import { type Labelled, Tuner } from "./tuner.ts";

/** Tags of words; their numbers are the labels. */
export const cueTags: readonly string[] = ["O", ...cueTypes.flatMap((type) => [`B-${type}`, `I-${type}`])];

/** Longest sentence. */
const longest = 16;
/** Number of padding; words follow. */
const pad = 0;

function arraysOf(sentences: readonly CueSentence[]): Labelled {
  const ids = new Map(cueVocabulary.map((word, i) => [word, i + 1]));
  const rows = <T>(of: (sentence: CueSentence) => readonly T[], number: (x: T) => number, rest: number) =>
    NDArray.from(
      sentences.flatMap((sentence) => {
        const own = of(sentence).map(number);
        return [...own, ...Array<number>(longest - own.length).fill(rest)];
      }),
      [sentences.length, longest],
      "i64",
    );
  return {
    from: rows(
      ({ words }) => words,
      (word) => ids.get(word)!,
      pad,
    ),
    mask: rows(
      ({ words }) => words,
      () => 1,
      0,
    ),
    labels: rows(
      ({ tags }) => tags,
      (tag) => cueTags.indexOf(tag),
      noLabel,
    ),
  };
}

/** How well names are labelled. */
export interface DialResult {
  /** Share of names with the right span and type. */
  readonly accuracy: number;
  /** Strict F1 of spans, by the best label of each word, and by the best legal sequence of tags. */
  readonly f1: number;
  readonly f1Legal: number;
  /** Sentences whose labels, word by word, are no legal tags. */
  readonly illegal: number;
}

/** Results by configuration and share of cues behind the name. */
export type DialResults = Readonly<Record<string, Readonly<Record<string, DialResult>>>>;

/** Configurations that are compared. */
export const dialConfigurations = ["0000", "1111"] as const;

/** Trains and measures readers for some settings of the dial. */
export async function runDial(
  context: PaperContext,
  rightShares: readonly number[],
  sizes: { readonly training: number; readonly test: number; readonly epochs: number },
): Promise<DialResults> {
  const shape = { layers: 4, width: 64 };
  const recipe = { epochs: sizes.epochs, batch: 64, learningRate: 4e-3 };
  const out: Record<string, Record<string, DialResult>> = {};
  const classifier = new TokenClassifier(newDecoder(shape, cueVocabulary.length + 1, 0), {
    labels: cueTags.length,
  });
  initialize(classifier.score, 0);
  await using tuner = await Tuner.open(classifier, recipe, longest);
  for (const rightShare of rightShares) {
    const seed = context.seed + 1;
    const training = arraysOf(drawCueSentences({ count: sizes.training, rightShare, seed }));
    const sentences = drawCueSentences({ count: sizes.test, rightShare, seed: seed + 1000 });
    const test = arraysOf(sentences);
    for (const configuration of dialConfigurations) {
      const name = `dial ${rightShare}, ${configuration}`;
      const result = await context.stage(name, async () => {
        const fresh = newDecoder(shape, cueVocabulary.length + 1, seed);
        const values = new Map([...fresh.parameters()].map(([path, { value }]) => [path, value]));
        for (const [path, parameter] of classifier.decoder.parameters()) parameter.value = values.get(path);
        initialize(classifier.score, seed);
        await tuner.train({
          configuration,
          data: training,
          seed,
          signal: context.signal,
          onStep: (done, total) => context.progress(name, done, total),
        });
        return score(sentences, await tuner.logits(configuration, test));
      });
      context.log(`${name}: ${result.accuracy.toFixed(4)}, ceiling ${causalCueCeiling(rightShare).toFixed(4)}`);
      out[configuration] = { ...out[configuration], [rightShare]: result };
    }
  }
  return out;
}

function score(sentences: readonly CueSentence[], logits: readonly (readonly number[])[]): DialResult {
  const truth = sentences.map(({ tags }) => tags);
  const rows = sentences.map(({ words }, i) =>
    words.map((_, w) => logits[i]!.slice(w * cueTags.length, (w + 1) * cueTags.length)),
  );
  const byWord = rows.map((words) => words.map((row) => cueTags[row.indexOf(Math.max(...row))]!));
  const legal = rows.map((words) => bestTags(words, cueTags).map((tag) => cueTags[tag]!));
  const same = (a: readonly string[], b: readonly string[]) => a.join(" ") === b.join(" ");
  const key = (tags: readonly string[]) => JSON.stringify(spansOf(tags));
  return {
    accuracy: truth.filter((tags, i) => key(tags) === key(byWord[i]!)).length / truth.length,
    f1: spanScores(byWord, truth).f1,
    f1Legal: spanScores(legal, truth).f1,
    illegal: byWord.filter((tags, i) => !same(tags, legal[i]!)).length,
  };
}

/** Reports what the dial shows. */
export function measureDial(context: PaperContext, results: DialResults, rightShares: readonly number[]): void {
  const judged = context.profile !== "smoke";
  const [causal, full] = dialConfigurations.map((name) => results[name]!) as [DialResults[string], DialResults[string]];
  for (const share of rightShares) {
    const ceiling = causalCueCeiling(share);
    const [a, b] = [causal[share]!, full[share]!];
    context.measure({
      name: `cue sentences, ρ ${share}: accuracy of 0000 against the ceiling of causal readers`,
      value: a.accuracy,
      baseline: ceiling,
      unit: "",
      ...(judged && { bar: "≤ ceiling + 0.03", expect: (value: number, most: number) => value <= most + 0.03 }),
    });
    context.measure({
      name: `cue sentences, ρ ${share}: accuracy of 1111`,
      value: b.accuracy,
      baseline: a.accuracy,
      unit: "",
      ...(judged && share === 1 && { bar: "≥ 0.97", expect: (value: number) => value >= 0.97 }),
    });
    if (share === 0)
      context.measure({
        name: "cue sentences, ρ 0: difference between 1111 and 0000",
        value: Math.abs(b.accuracy - a.accuracy),
        unit: "",
        paper: "no effect",
        ...(judged && { bar: "≤ 0.01", expect: (value: number) => value <= 0.01 }),
        tolerance: Number.POSITIVE_INFINITY,
      });
    for (const [name, result] of [
      ["0000", a],
      ["1111", b],
    ] as const)
      context.measure({
        name: `cue sentences, ρ ${share}: strict F1 of ${name}, best legal tags against the best of each word`,
        value: result.f1Legal,
        baseline: result.f1,
        unit: "",
      });
  }
}

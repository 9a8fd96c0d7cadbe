/**
 * Labels of tokens: one for each word at its first token, a loss that passes over the rest, and scores of single labels. Knows token ids and
 * numbers of labels; no model, no text format.
 */
import { crossEntropy, reshape, type Tensor } from "../tensor/index.ts";
import { fail } from "../util/errors.ts";

/** The label of tokens that have none: they cost nothing and are not scored. */
export const noLabel = -100;

/**
 * Mean cross entropy over tokens that have a label.
 * @param logits `[batch, n, labels]`, read at the token itself. @param labels `i64[batch, n]`, {@link noLabel} where there is none.
 */
export function tokenLabelLoss(logits: Tensor, labels: Tensor): Tensor {
  return crossEntropy(reshape(logits, [-1, logits.shape[2]!]), reshape(labels, [-1]), { ignoreIndex: noLabel });
}

/** Tokens with their labels. */
export interface LabelledTokens {
  readonly tokens: readonly number[];
  /** {@link noLabel} for all but the first token of each word. */
  readonly labels: readonly number[];
  /** Place of each word's first token; words that did not fit are left out. */
  readonly firsts: readonly number[];
}

/** Options of {@link labelWords}. */
export interface LabelWordsOptions {
  /** Tokens of a word, with the space before it if there is one. */
  readonly encode: (word: string) => readonly number[];
  /** Most tokens; words that do not fit whole are left out. */
  readonly maxTokens: number;
  /**
   * What stands between a word and the one before it; a space by default. Nothing stands before the first. A single space at its end goes
   * with the word, as tokenizers have it; what is before that gets no label, since a reader from left to right has not seen the word there.
   */
  readonly separator?: (index: number) => string;
}

/** Splits words into tokens; the first token of each carries the word's label. @throws `argument` for unequal numbers of words and labels. */
export function labelWords(
  words: readonly string[],
  labels: readonly number[],
  { encode, maxTokens, separator = () => " " }: LabelWordsOptions,
): LabelledTokens {
  if (words.length !== labels.length)
    fail("argument", `labelWords: there are ${words.length} words and ${labels.length} labels`);
  const tokens: number[] = [];
  const marks: number[] = [];
  const firsts: number[] = [];
  for (const [i, word] of words.entries()) {
    const gap = i ? separator(i) : "";
    const glued = gap.endsWith(" ") ? " " : "";
    const before = gap === glued ? [] : encode(gap.slice(0, gap.length - glued.length));
    const ids = encode(glued + word);
    if (tokens.length + before.length + ids.length > maxTokens) break;
    // a word that the tokenizer makes nothing of has no place to be labelled at
    if (!ids.length) continue;
    firsts.push(tokens.length + before.length);
    marks.push(...Array<number>(before.length).fill(noLabel), labels[i]!);
    marks.push(...Array<number>(ids.length - 1).fill(noLabel));
    tokens.push(...before, ...ids);
  }
  return { tokens, labels: marks, firsts };
}

/** How well labels were found. */
export interface LabelScores {
  /** Share of labelled tokens that are right; the micro-averaged F1 where every token is a span of its own. */
  readonly accuracy: number;
  /** Mean F1 over the labels that occur. */
  readonly macroF1: number;
  /** F1 by label; 0 for one that is neither there nor predicted. */
  readonly f1: readonly number[];
  /** How often each label occurs. */
  readonly counts: readonly number[];
  /** `confusion[truth][prediction]`. */
  readonly confusion: readonly (readonly number[])[];
}

/** Scores predicted labels where there is a true one. @throws `argument` for unequal lengths, labels out of range, or no label at all. */
export function labelScores(predicted: ArrayLike<number>, truth: ArrayLike<number>, classes: number): LabelScores {
  if (predicted.length !== truth.length)
    fail("argument", `labelScores: ${predicted.length} predictions for ${truth.length} labels`);
  const confusion = Array.from({ length: classes }, () => Array<number>(classes).fill(0));
  let [right, all] = [0, 0];
  for (let i = 0; i < truth.length; i++) {
    const [t, p] = [Number(truth[i]), Number(predicted[i])];
    if (t === noLabel) continue;
    const row = confusion[t] ?? fail("argument", `labelScores: label ${t} is none of ${classes}`);
    if (!(p in row)) fail("argument", `labelScores: prediction ${p} is none of ${classes} labels`);
    row[p]!++;
    all++;
    if (t === p) right++;
  }
  if (!all) fail("argument", "labelScores: no token has a label");
  const counts = confusion.map((row) => row.reduce((sum, n) => sum + n, 0));
  const f1 = confusion.map((row, c) => {
    const found = confusion.reduce((sum, other) => sum + other[c]!, 0);
    return counts[c]! + found ? (2 * row[c]!) / (counts[c]! + found) : 0;
  });
  const there = f1.filter((_, c) => counts[c]! > 0);
  return { accuracy: right / all, macroF1: there.reduce((sum, x) => sum + x, 0) / there.length, f1, counts, confusion };
}

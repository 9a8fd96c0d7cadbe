/**
 * The two domains of the experiment: programs, which are judged by running them, and grade-school problems, which are judged by how likely
 * another model finds what was written.
 */
import { draftLogprobs } from "bletchley/decode";
import { prefill, type SequenceModel } from "bletchley/lm";
import { Judge, type Verdict } from "./judge.ts";
import { drawProgram, type Program } from "./programs.ts";
import type { Trained } from "./train.ts";
import type { Trial } from "./ways.ts";

/** Which prompts: those that settings are chosen on, or those that are reported. */
export type Part = "validation" | "test";

/** How good some texts are. */
export interface Quality {
  /** The larger the better, and comparable by ratio. */
  readonly value: number;
  /** Further numbers by name. */
  readonly more: Readonly<Record<string, number>>;
}

/** A kind of text, and how it is judged. */
export interface Domain {
  readonly name: "code" | "problems";
  readonly documents: readonly string[];
  readonly prompts: Readonly<Record<Part, readonly string[]>>;
  /** Most tokens of a continuation. */
  readonly maxTokens: number;
  /** What the quality is. */
  readonly measure: string;
  /** The least acceptable ratio of qualities, and that of speeds and tokens a step that the claim needs. */
  readonly bars: { readonly quality: number; readonly speed: number; readonly tokensPerStep: number };
  /** Judges continuations of a part's prompts. @param plain the model that was trained plainly. */
  judge(part: Part, trials: readonly Trial[], trained: Trained, plain: SequenceModel): Promise<Quality>;
}

/** Numbers of prompts. */
export type PromptCounts = Readonly<Record<Part, number>>;

/** Where the numbers of programs begin, so that no part has one of another. */
const firstOf = { training: 0, validation: 1_000_000, test: 2_000_000 } as const;

/** Programs: quality is the share that parses and passes its checks. */
export function codeDomain(seed: number, training: number, counts: PromptCounts): Domain {
  const draw = (part: keyof typeof firstOf, count: number) =>
    Array.from({ length: count }, (_, i) => drawProgram(seed, firstOf[part] + i));
  const programs: Record<Part, readonly Program[]> = {
    validation: draw("validation", counts.validation),
    test: draw("test", counts.test),
  };
  const promptsOf = (part: Part) => programs[part].map(({ prompt }) => prompt);
  let judge: Promise<Judge> | undefined;
  return {
    name: "code",
    documents: draw("training", training).map(({ prompt, solution }) => prompt + solution),
    prompts: { validation: promptsOf("validation"), test: promptsOf("test") },
    maxTokens: 200,
    measure: "programs that pass their checks",
    bars: { quality: 0.97, speed: 1.3, tokensPerStep: 1.6 },
    async judge(part, trials, { tokenizer }) {
      judge ??= Judge.open();
      const verdicts: Verdict[] = [];
      for (const [i, { tokens }] of trials.entries())
        verdicts.push(await (await judge).verdict(programs[part][i]!, tokenizer.decode(tokens, { skipSpecial: true })));
      const share = (verdict: string) => verdicts.filter((other) => other === verdict).length / verdicts.length;
      return { value: share("passes"), more: { "does not parse": share("does not parse") } };
    },
  };
}

interface Problem {
  readonly question: string;
  readonly answer: string;
}

/** Problems as text; the calculator's notes (`<<48/2=24>>`) are no language. */
function problemsOf(jsonLines: string): Problem[] {
  return jsonLines
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Problem)
    .map(({ question, answer }) => ({ question, answer: answer.replace(/<<[^>]*>>/g, "").replace(/\n####.*$/, "") }));
}

/** Problems: quality is one over the perplexity of the text under the plain model. */
export function problemDomain(training: string, test: string, counts: PromptCounts): Domain {
  const questions = problemsOf(test).map(({ question }) => question);
  const prompts = {
    test: questions.slice(0, counts.test),
    validation: questions.slice(counts.test, counts.test + counts.validation),
  };
  return {
    name: "problems",
    documents: problemsOf(training).map(({ question, answer }) => `${question}\n${answer}\n`),
    prompts,
    maxTokens: 64,
    measure: "1 / perplexity under the plain model",
    bars: { quality: 1 / 1.05, speed: 1.15, tokensPerStep: 1.25 },
    async judge(part, trials, { tokenizer, endOfText }, plain) {
      let [nats, count] = [0, 0];
      const pairs = { all: 0, different: 0 };
      for (const [i, { tokens }] of trials.entries()) {
        const sequence = await plain.open();
        const first = await prefill(sequence, [endOfText, ...tokenizer.encode(prompts[part][i]!)]);
        nats -= (await draftLogprobs(sequence, first, [tokens]))[0]!;
        count += tokens.length;
        await sequence.close();
        const bigrams = tokens.slice(1).map((token, at) => `${tokens[at]},${token}`);
        pairs.all += bigrams.length;
        pairs.different += new Set(bigrams).size;
      }
      const perplexity = Math.exp(nats / count);
      return { value: 1 / perplexity, more: { perplexity, "distinct-2": pairs.different / pairs.all } };
    },
  };
}

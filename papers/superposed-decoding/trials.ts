/**
 * Runs the ways of continuing over prefixes, and sums up what they did: how likely the plain model finds the drafts, whether one of them
 * is what really followed, how different they are, and what they took.
 */
import type { Model } from "bletchley";
import { type NgramCounts, Sampler, type SuperposedOptions, superposedDrafts } from "bletchley/decode";
import type { Sequence } from "bletchley/lm";
import { beamSearch, type Continued, decodeOne, natsPerToken, sampleTogether, without } from "./continuations.ts";
import type { Prefix } from "./prefixes.ts";

/** A way of continuing. @param open opens an empty sequence. */
export type Way = (open: () => Promise<Sequence>, prefix: readonly number[], index: number) => Promise<Continued>;

/** One prefix under one way. */
export interface Trial {
  readonly drafts: readonly (readonly number[])[];
  readonly steps: number;
  readonly milliseconds: number;
  /** Of each draft, under the plain model. */
  readonly nats: readonly number[];
}

/** Trials by way, in the order of the prefixes. */
export type Trials = Readonly<Record<string, readonly Trial[]>>;

/** Nucleus sampling as the paper has it. */
const nucleus = { temperature: 0.6, topP: 0.9 } as const;

/** The ways that superposed decoding is compared with. */
export function otherWays(tokens: number, drafts: number, seed: number): Record<string, Way> {
  const samplings = (index: number) =>
    Array.from({ length: drafts }, (_, i) => ({ ...nucleus, seed: (seed * 10_000 + index) * 100 + i }));
  return {
    greedy: async (open, prefix) => decodeOne(await open(), prefix, tokens),
    "nucleus, one by one": async (open, prefix, index) => {
      const all: Continued[] = [];
      for (const options of samplings(index)) {
        const sampler = new Sampler(options);
        all.push(await decodeOne(await open(), prefix, tokens, (logits) => sampler.sample(logits)));
      }
      return { drafts: all.flatMap((one) => one.drafts), steps: all.reduce((sum, { steps }) => sum + steps, 0) };
    },
    "nucleus, in a batch": async (open, prefix, index) =>
      sampleTogether(await open(), prefix, tokens, samplings(index)),
    beam: async (open, prefix) => beamSearch(await open(), prefix, tokens, drafts),
  };
}

/** Superposed decoding with some options. */
export function superposed(options: SuperposedOptions & { readonly ngrams?: NgramCounts }): Way {
  return async (open, prefix) => {
    const { drafts, steps } = await superposedDrafts(await open(), prefix, options);
    return { drafts: drafts.map(({ tokens }) => tokens), steps };
  };
}

/** Continues every prefix in every way; the ways begin in another order at each prefix. */
export async function runTrials(
  model: Model,
  banned: readonly number[],
  ways: Readonly<Record<string, Way>>,
  prefixes: readonly Prefix[],
  onPrefix?: (done: number) => void,
): Promise<Trials> {
  const names = Object.keys(ways);
  const trials: Record<string, Trial[]> = Object.fromEntries(names.map((name) => [name, []]));
  const opened: Sequence[] = [];
  const open = async () => {
    const sequence = without(banned, await model.open());
    opened.push(sequence);
    return sequence;
  };
  const closeAll = () => Promise.all(opened.splice(0).map((sequence) => sequence.close()));
  for (const [i, { tokens }] of prefixes.entries()) {
    const found: Record<string, Omit<Trial, "nats">> = {};
    for (let k = 0; k < names.length; k++) {
      const name = names[(i + k) % names.length]!;
      const start = performance.now();
      const { drafts, steps } = await ways[name]!(open, tokens, i);
      found[name] = { drafts, steps, milliseconds: performance.now() - start };
      await closeAll();
    }
    const nats = await natsPerToken(
      await open(),
      tokens,
      names.flatMap((name) => found[name]!.drafts),
    );
    await closeAll();
    let at = 0;
    for (const name of names) {
      const trial = found[name]!;
      trials[name]!.push({ ...trial, nats: nats.slice(at, at + trial.drafts.length) });
      at += trial.drafts.length;
    }
    onPrefix?.(i + 1);
  }
  return trials;
}

/** What a way did over all prefixes. */
export interface TrialSummary {
  /** Perplexity of the likeliest draft of each prefix, and of all drafts. */
  readonly best: number;
  readonly mean: number;
  readonly milliseconds: number;
  readonly steps: number;
  readonly distinct: number;
  /** Edits that turn one draft into another, of every pair. */
  readonly edits: number;
  /** Percentage of prefixes where one of the first `k` drafts begins with the next `length` tokens of the text. */
  coverage(k: number, length: number): number;
}

function editDistance(a: readonly number[], b: readonly number[]): number {
  let row = b.map((_, j) => j);
  row.push(b.length);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1), row[j]! + 1, next[j - 1]! + 1));
    row = next;
  }
  return row[b.length]!;
}

/** Sums up trials. */
export function summarizeTrials(trials: readonly Trial[], prefixes: readonly Prefix[]): TrialSummary {
  const meanOf = <T>(items: readonly T[], f: (item: T) => number) =>
    items.reduce((sum, item) => sum + f(item), 0) / items.length;
  return {
    best: Math.exp(meanOf(trials, ({ nats }) => Math.min(...nats))),
    mean: Math.exp(meanOf(trials, ({ nats }) => meanOf(nats, (x) => x))),
    milliseconds: meanOf(trials, ({ milliseconds }) => milliseconds),
    steps: meanOf(trials, ({ steps }) => steps),
    distinct: meanOf(trials, ({ drafts }) => new Set(drafts.map(String)).size),
    edits: meanOf(trials, ({ drafts }) => {
      const pairs = drafts.flatMap((a, i) => drafts.slice(i + 1).map((b) => editDistance(a, b)));
      return pairs.length ? meanOf(pairs, (x) => x) : 0;
    }),
    coverage: (k, length) =>
      100 *
      meanOf(
        trials.map(({ drafts }, i) => ({ drafts, truth: prefixes[i]!.truth })),
        ({ drafts, truth }) =>
          drafts.slice(0, k).some((draft) => truth.slice(0, length).every((token, j) => draft[j] === token)) ? 1 : 0,
      ),
  };
}

/**
 * The model's part of a search: likely next tokens of a program's beginning, and its completion. Both remember what they have seen, in
 * one tree of prefixes: completing a program passes through states whose next tokens a search asks for later.
 */
import { fail, throwIfAborted } from "../../util/errors.ts";
import { topLogits } from "../drafters/top-logits.ts";
import { logSumExp } from "../sampler.ts";
import type { CompleteProgram, PlanningProblem } from "./planner.ts";

/** Likely next tokens, the likeliest first, with their probabilities among all tokens. */
export interface TopTokens {
  readonly tokens: readonly number[];
  readonly probabilities: readonly number[];
}

/** A prefix in the cache. */
interface Prefix {
  top?: TopTokens;
  /** Completions of width above one are known for the very prefix they began with. */
  completion?: CompleteProgram;
  readonly next: Map<number, Prefix>;
}

/** How many tokens are looked at, and how programs are completed. */
export interface ContinuationOptions {
  /** Tokens that {@link Continuations.top} returns. */
  readonly count: number;
  /** Width of the beam that completes programs; 1 is greedy. */
  readonly beam: number;
  /** Whether anything is remembered. */
  readonly caches: boolean;
}

/** The likeliest tokens of some logits; impossible ones (minus infinity) are left out. @throws `nan` when none is left. */
export function topTokens(logits: Float32Array, count: number): TopTokens {
  const ids = new Int32Array(Math.min(count, logits.length));
  const values = new Float32Array(ids.length);
  topLogits(logits, ids, values);
  if (!Number.isFinite(values[0])) fail("nan", `the largest logit is ${values[0]}: no token can follow`);
  const total = logSumExp(logits);
  const possible = values.filter((value) => value > Number.NEGATIVE_INFINITY).length;
  return {
    tokens: [...ids.subarray(0, possible)],
    probabilities: Array.from(values.subarray(0, possible), (value) => Math.exp(value - total)),
  };
}

/** Likely tokens and completions of one problem's programs. */
export class Continuations {
  readonly #problem: PlanningProblem;
  readonly #options: ContinuationOptions;
  readonly #root: Prefix = { next: new Map() };
  generations = 0;
  generatedTokens = 0;
  modelSteps = 0;
  topTokenHits = 0;
  completionHits = 0;

  constructor(problem: PlanningProblem, options: ContinuationOptions) {
    this.#problem = problem;
    this.#options = options;
  }

  /** Whether a program cannot go on. */
  isTerminal(program: readonly number[]): boolean {
    return program.length >= this.#problem.horizon || this.#problem.ends.has(program[program.length - 1] ?? -1);
  }

  /** A program that cannot go on, without the token that ends it. */
  asComplete(program: readonly number[]): CompleteProgram {
    const finished = this.#problem.ends.has(program[program.length - 1] ?? -1);
    return { tokens: finished ? program.slice(0, -1) : [...program], finished };
  }

  /** Logits after a program's beginning; asked of the model each time. */
  async logits(program: readonly number[]): Promise<Float32Array> {
    throwIfAborted(this.#problem.signal);
    this.modelSteps++;
    return this.#problem.model.logits([...this.#problem.prompt, ...program]);
  }

  /** Likely tokens after a program's beginning. */
  async top(program: readonly number[]): Promise<TopTokens> {
    return this.#top(program, this.#prefixOf(program));
  }

  /** The whole program that the model makes of a beginning. */
  async complete(program: readonly number[]): Promise<CompleteProgram> {
    if (this.isTerminal(program)) return this.asComplete(program);
    return this.#options.beam === 1 ? this.#completeGreedily(program) : this.#completeByBeam(program);
  }

  async #completeGreedily(program: readonly number[]): Promise<CompleteProgram> {
    const tokens = [...program];
    const stepsBefore = this.modelSteps;
    for (let prefix = this.#prefixOf(tokens); !this.isTerminal(tokens); ) {
      const token = (await this.#top(tokens, prefix)).tokens[0]!;
      tokens.push(token);
      prefix = this.#child(prefix, token);
    }
    this.#count(this.modelSteps - stepsBefore);
    return this.asComplete(tokens);
  }

  async #completeByBeam(program: readonly number[]): Promise<CompleteProgram> {
    const prefix = this.#prefixOf(program);
    if (prefix.completion) {
      this.#count(0);
      return prefix.completion;
    }
    const stepsBefore = this.modelSteps;
    const [best] = await beamSearch(this, program, this.#options.beam);
    this.#count(this.modelSteps - stepsBefore);
    if (this.#options.caches) prefix.completion = best!;
    return best!;
  }

  /** Notes a completion that took `steps` steps of the model. */
  #count(steps: number): void {
    if (steps) this.generations++;
    else this.completionHits++;
    this.generatedTokens += steps;
  }

  async #top(program: readonly number[], prefix: Prefix): Promise<TopTokens> {
    if (prefix.top) {
      this.topTokenHits++;
      return prefix.top;
    }
    const top = topTokens(await this.logits(program), this.#options.count);
    if (this.#options.caches) prefix.top = top;
    return top;
  }

  #prefixOf(program: readonly number[]): Prefix {
    let prefix = this.#root;
    for (const token of program) prefix = this.#child(prefix, token);
    return prefix;
  }

  #child(prefix: Prefix, token: number): Prefix {
    // without caches every prefix is a new one, which knows nothing
    if (!this.#options.caches) return { next: new Map() };
    let child = prefix.next.get(token);
    if (!child) {
      child = { next: new Map() };
      prefix.next.set(token, child);
    }
    return child;
  }
}

/** A program in a beam. */
interface Hypothesis {
  readonly tokens: readonly number[];
  readonly logprob: number;
}

/** The likeliest programs that a beam finds from a beginning, by the sum of their log-probabilities, best first. */
export async function beamSearch(
  continuations: Continuations,
  program: readonly number[],
  width: number,
): Promise<CompleteProgram[]> {
  let alive: Hypothesis[] = [{ tokens: [...program], logprob: 0 }];
  let finished: Hypothesis[] = [];
  while (alive.length) {
    const grown: Hypothesis[] = [];
    for (const { tokens, logprob } of alive) {
      const top = topTokens(await continuations.logits(tokens), width);
      top.tokens.forEach((token, i) => {
        grown.push({ tokens: [...tokens, token], logprob: logprob + Math.log(top.probabilities[i]!) });
      });
    }
    // stable: on ties the better parent and the likelier token come first
    grown.sort((a, b) => b.logprob - a.logprob);
    const kept = grown.slice(0, width);
    finished = [...finished, ...kept.filter(({ tokens }) => continuations.isTerminal(tokens))]
      .sort((a, b) => b.logprob - a.logprob)
      .slice(0, width);
    const worst = finished.length === width ? finished[width - 1]!.logprob : Number.NEGATIVE_INFINITY;
    // longer programs are never likelier
    alive = kept.filter(({ tokens, logprob }) => !continuations.isTerminal(tokens) && logprob > worst);
  }
  return finished.map(({ tokens }) => continuations.asComplete(tokens));
}

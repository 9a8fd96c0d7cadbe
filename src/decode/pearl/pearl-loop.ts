/**
 * PEARL's loop (Liu et al. 2024, arXiv 2408.11850): the target model checks while the draft model writes on. Token ids only; what is handed
 * out is verified, and distributed as if the target model had written alone.
 */
import type { Sequence } from "../../lm/index.ts";
import { throwIfAborted } from "../../util/errors.ts";
import type { TokenLogprob } from "../options.ts";
import { tokenLogprob } from "../sampler.ts";
import type { TokenChooser } from "../token-chooser.ts";
import { speculativeSampling } from "../verifiers/rejection.ts";
import { type Chance, chanceOf } from "../verifiers/walk.ts";
import { type Drafted, type DraftLane, feed } from "./draft-lane.ts";
import type { SpanListener } from "./spans.ts";

/** What runs at the same time. Without both parts the models take turns, which is speculative decoding with chains. */
export interface PearlStrategies {
  /** The target checks the first token of a new batch while the draft model writes the rest of it. */
  readonly preVerify: boolean;
  /** The draft model writes the next batch while the target checks the last one. */
  readonly postVerify: boolean;
}

/** PEARL as the paper has it. */
export const bothStrategies: PearlStrategies = { preVerify: true, postVerify: true };

/** A token that is certain, and where it came from. */
export interface Verified {
  readonly token: number;
  /** Whether the draft model wrote it. */
  readonly drafted: boolean;
  readonly logprob?: TokenLogprob;
}

/** What the loop did. */
export interface PearlStatistics {
  /** Steps of the target model after the prompt. */
  readonly targetSteps: number;
  /** Tokens that the draft model wrote. */
  readonly written: number;
  /** Tokens of the draft model that were tested, and that were accepted. */
  readonly tested: number;
  readonly accepted: number;
  /** Accepted tokens in a row, for every run that a rejection ended. */
  readonly runs: readonly number[];
}

/** What the loop works with. */
export interface PearlLoopInput {
  /** Holds nothing, or a beginning of the prompt. */
  readonly target: Sequence;
  readonly draft: DraftLane;
  readonly chooser: TokenChooser;
  readonly prompt: readonly number[];
  /** Tokens that the draft model writes at a time. */
  readonly window: number;
  /** Tokens to generate at most. */
  readonly limit: number;
  readonly strategies: PearlStrategies;
  /** Alternatives of each token to report the log-probabilities of; none when absent. */
  readonly logprobs?: number;
  readonly onSpan?: SpanListener;
  readonly signal?: AbortSignal;
}

/** Waits for both, also when one fails: calls on a sequence must have ended before it is closed. */
async function both<A, B>(a: A | Promise<A>, b: Promise<B>): Promise<[A, B]> {
  const [first, second] = await Promise.allSettled([a, b]);
  if (first.status === "rejected") throw first.reason;
  if (second.status === "rejected") throw second.reason;
  return [first.value, second.value];
}

/** One text. */
export class PearlLoop {
  readonly #input: PearlLoopInput;
  /** Prompt and verified tokens. */
  readonly #tokens: number[];
  readonly #chance: Chance;
  /** What the draft model wrote after them, not verified yet. */
  #pending: readonly Drafted[] = [];
  #fresh: Verified[] = [];
  #targetSteps = 0;
  #written = 0;
  #tested = 0;
  #accepted = 0;
  #run = 0;
  readonly #runs: number[] = [];

  constructor(input: PearlLoopInput) {
    this.#input = input;
    this.#tokens = [...input.prompt];
    this.#chance = chanceOf(() => input.chooser.sampler.uniform());
  }

  /** What was done so far. */
  get statistics(): PearlStatistics {
    return {
      targetSteps: this.#targetSteps,
      written: this.#written,
      tested: this.#tested,
      accepted: this.#accepted,
      runs: [...this.#runs],
    };
  }

  /** Tokens in the order of the text, as soon as they are verified; some at a time. @throws `aborted`. */
  async *run(): AsyncGenerator<readonly Verified[], void, void> {
    const { target, draft, prompt, strategies, window, limit, signal } = this.#input;
    const read = prompt.slice(0, -1);
    const unread = read.slice(target.length);
    await both(unread.length ? feed(target, unread, undefined, signal) : undefined, draft.read(read));
    while (!this.#ended) {
      throwIfAborted(signal);
      const left = limit - (this.#tokens.length - prompt.length) - this.#pending.length;
      const count = this.#pending.length && !strategies.postVerify ? 0 : Math.min(window, left);
      const text = [...this.#tokens, ...this.#pending.map(({ token }) => token)];
      if (!this.#pending.length && !strategies.preVerify && count) {
        this.#pending = await this.#write(text, count);
        continue;
      }
      const [last, batch] = await both(this.#check(), this.#write(text, count));
      if (last && !this.#ended) {
        this.#pending = [];
        const [first, ...rest] = batch;
        if (!first) this.#choose(last);
        else if (this.#test(first, last)) this.#pending = rest;
      }
      if (!this.#pending.length) await draft.rollback(this.#tokens.length - 1);
      if (this.#fresh.length) {
        const fresh = this.#fresh;
        this.#fresh = [];
        yield fresh;
      }
    }
  }

  get #ended(): boolean {
    const { chooser, prompt, limit } = this.#input;
    return chooser.ended || this.#tokens.length - prompt.length >= limit;
  }

  async #write(text: readonly number[], count: number): Promise<readonly Drafted[]> {
    if (!count) return [];
    const written = await this.#input.draft.write(text, count);
    this.#written += written.length;
    return written;
  }

  /**
   * Runs the target model over what it has not read, and tests the pending tokens.
   * @returns logits after the last of them; `undefined` when one was rejected, or ended the text.
   */
  async #check(): Promise<Float32Array | undefined> {
    const { target, onSpan, signal } = this.#input;
    const pending = this.#pending;
    const unread = [...this.#tokens.slice(target.length), ...pending.map(({ token }) => token)];
    const known = unread.length - pending.length;
    // rows before a block's boundary and those behind it take two steps; the first ones are tested before the others run
    for (let at = 0; ; ) {
      throwIfAborted(signal);
      const count = Math.min(target.room, unread.length - at);
      // the row of the last verified token is the first that anything is asked of
      const first = Math.max(0, known - 1 - at);
      const start = performance.now();
      const { logits } = await target.step({
        tokens: unread.slice(at, at + count),
        wanted: Array.from({ length: Math.max(0, count - first) }, (_, i) => first + i),
      });
      onSpan?.({ worker: "target", start, end: performance.now(), rows: count });
      this.#targetSteps++;
      const width = logits.shape[1]!;
      const rowOf = (i: number) => (logits.data as Float32Array).subarray((i - first) * width, (i - first + 1) * width);
      for (let i = first; i < count; i++) {
        const test = pending[at + i + 1 - known];
        if (test && this.#test(test, rowOf(i)) && !this.#ended) continue;
        // everything up to here is verified; what comes after it is not
        await target.commit([...Array(i + 1).keys()]);
        if (test) this.#pending = [];
        return test ? undefined : rowOf(i);
      }
      await target.commit([...Array(count).keys()]);
      at += count;
    }
  }

  /** Tests a token of the draft model; one that is rejected is replaced. @returns whether it was accepted. */
  #test({ token, distribution }: Drafted, logits: Float32Array): boolean {
    const { chooser } = this.#input;
    this.#tested++;
    let verified: number;
    // what a constraint forces is not drawn, as in plain decoding
    if (distribution && !chooser.forced().length) {
      const drawn = [{ node: 0, token }];
      const verdict = speculativeSampling.rule(chooser.distribution(logits), distribution, drawn, this.#chance);
      verified = "child" in verdict ? token : verdict.token;
      this.#take(verified, "child" in verdict, logits);
      return "child" in verdict;
    }
    verified = chooser.choose(logits);
    this.#take(verified, verified === token, logits);
    return verified === token;
  }

  /** Lets the target model choose by itself. */
  #choose(logits: Float32Array): void {
    this.#take(this.#input.chooser.choose(logits), undefined, logits);
  }

  #take(token: number, accepted: boolean | undefined, logits: Float32Array): void {
    const { chooser, logprobs } = this.#input;
    chooser.take(token);
    this.#tokens.push(token);
    this.#fresh.push({
      token,
      drafted: accepted ?? false,
      ...(logprobs !== undefined && { logprob: tokenLogprob(logits, token, logprobs) }),
    });
    if (accepted) {
      this.#accepted++;
      this.#run++;
    } else if (accepted === false) {
      this.#runs.push(this.#run);
      this.#run = 0;
    }
  }
}

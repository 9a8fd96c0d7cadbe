/**
 * Idle sequences of a model, kept because the next prompt often begins like the last one. Reuse cannot change a result:
 * what a token's numbers are does not depend on how its predecessors arrived.
 */
import type { Sequence, SequenceModel } from "../lm/index.ts";

interface Idle {
  readonly sequence: Sequence;
  readonly tokens: readonly number[];
}

function commonPrefix(a: readonly number[], b: readonly number[]): number {
  const most = Math.min(a.length, b.length);
  let i = 0;
  while (i < most && a[i] === b[i]) i++;
  return i;
}

/** Hands out sequences, preferring one that already holds the prompt's beginning. */
export class SequencePool {
  readonly #model: SequenceModel;
  readonly #capacity: number;
  #idle: Idle[] = [];

  /** @param capacity idle sequences to keep; each holds the cache of a whole conversation. */
  constructor(model: SequenceModel, capacity = 2) {
    this.#model = model;
    this.#capacity = capacity;
  }

  /** A sequence for a prompt; it holds some beginning of it, at least one token short. */
  async take(prompt: readonly number[]): Promise<Sequence> {
    let best = -1;
    let longest = 0;
    this.#idle.forEach(({ tokens }, i) => {
      const common = Math.min(commonPrefix(tokens, prompt), prompt.length - 1);
      if (common > longest) [best, longest] = [i, common];
    });
    if (best >= 0) {
      const [{ sequence }] = this.#idle.splice(best, 1) as [Idle];
      if (sequence.length === longest || (await sequence.truncate(longest))) return sequence;
      await sequence.close();
    }
    return this.#model.open();
  }

  /** Gives a sequence back. @param tokens what it was fed; those beyond its length are ignored. */
  async give(sequence: Sequence, tokens: readonly number[]): Promise<void> {
    this.#idle.push({ sequence, tokens: tokens.slice(0, sequence.length) });
    while (this.#idle.length > this.#capacity) await this.#idle.shift()!.sequence.close();
  }

  /** Closes all idle sequences. */
  async clear(): Promise<void> {
    const idle = this.#idle;
    this.#idle = [];
    for (const { sequence } of idle) await sequence.close();
  }
}

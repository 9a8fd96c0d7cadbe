/**
 * Idle sequences of a model, kept because the next prompt often begins like the last one. Reuse cannot change a result:
 * what a token's numbers are does not depend on how its predecessors arrived.
 */
import { blockLength, type Sequence, type SequenceModel } from "../lm/index.ts";

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

/** What an idle sequence may cost. */
export interface PoolLimits {
  /** Most idle sequences. */
  readonly sequences: number;
  /** Most tokens that they hold together; the last one given back is kept in any case. */
  readonly tokens: number;
}

/** Hands out sequences, preferring one that already holds the prompt's beginning. */
export class SequencePool {
  readonly #model: SequenceModel;
  readonly #limits: PoolLimits;
  /** Least recently used first. */
  #idle: Idle[] = [];

  constructor(model: SequenceModel, limits: PoolLimits) {
    this.#model = model;
    this.#limits = limits;
  }

  /** A sequence for a prompt; it holds some beginning of it, at least one token short. */
  async take(prompt: readonly number[]): Promise<Sequence> {
    let best = -1;
    let longest = 0;
    this.#idle.forEach(({ tokens }, i) => {
      const common = Math.min(commonPrefix(tokens, prompt), prompt.length - 1);
      if (common > longest) [best, longest] = [i, common];
    });
    const found = this.#idle[best];
    if (found && 2 * longest >= found.tokens.length) {
      this.#idle.splice(best, 1);
      return this.#cut(found.sequence, longest);
    }
    // a short beginning, such as the same instructions, must not cost another conversation its cache: copy it, or compute
    // it again where that is as cheap
    if (found && longest >= blockLength) return this.#cut(await found.sequence.fork(), longest);
    return this.#model.open();
  }

  async #cut(sequence: Sequence, length: number): Promise<Sequence> {
    if (sequence.length === length || (await sequence.truncate(length))) return sequence;
    await sequence.close();
    return this.#model.open();
  }

  /** Gives a sequence back. @param tokens what it was fed; those beyond its length are ignored. */
  async give(sequence: Sequence, tokens: readonly number[]): Promise<void> {
    this.#idle.push({ sequence, tokens: tokens.slice(0, sequence.length) });
    const held = () => this.#idle.reduce((sum, idle) => sum + idle.tokens.length, 0);
    while (this.#idle.length > this.#limits.sequences || (this.#idle.length > 1 && held() > this.#limits.tokens))
      await this.#idle.shift()!.sequence.close();
  }

  /** Closes all idle sequences. */
  async clear(): Promise<void> {
    const idle = this.#idle;
    this.#idle = [];
    for (const { sequence } of idle) await sequence.close();
  }
}

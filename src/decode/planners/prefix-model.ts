/**
 * What comes after any tokens: a decoder without the notion of a current position, as a search needs it that jumps between branches.
 * Behind it are a few sequences whose caches are cut back and lengthened; the longest common prefix is never computed again.
 */
import { prefill, type Sequence, type SequenceModel } from "../../lm/index.ts";
import { fail } from "../../util/errors.ts";
import type { Constraint } from "../constraints/constraint.ts";

/** A model that can be asked about any tokens. */
export interface PrefixModel {
  /** Logits of what follows `tokens`, `[vocabulary]`; the caller may keep them. Calls must not overlap. */
  logits(tokens: readonly number[]): Promise<Float32Array>;
}

/** Where sequences come from: a decoder in this thread, or a loaded model. */
export type SequenceSource = SequenceModel | { readonly contextLength: number; open(): Promise<Sequence> };

/** A sequence and what it holds. */
interface Branch {
  readonly sequence: Sequence;
  tokens: readonly number[];
}

function commonLength(a: readonly number[], b: readonly number[]): number {
  const most = Math.min(a.length, b.length);
  let length = 0;
  while (length < most && a[length] === b[length]) length++;
  return length;
}

/** A {@link PrefixModel} over a decoder. */
export class BranchingModel implements PrefixModel {
  readonly #model: Pick<SequenceSource, "open">;
  readonly #contextLength: number;
  readonly #most: number;
  /** Least recently used first. */
  readonly #branches: Branch[] = [];
  /** Rows that went through the model: new tokens, and those of branches that had been cut off. */
  rows = 0;

  /** @param sequences caches that are kept, each for one branch; more make returning to a branch cheaper. */
  constructor(model: SequenceSource, sequences = 4) {
    if (!Number.isSafeInteger(sequences) || sequences < 1)
      fail("argument", `a branching model with ${sequences} sequences; it needs at least one`);
    this.#model = model;
    this.#contextLength = "config" in model ? model.config.contextLength : model.contextLength;
    this.#most = sequences;
  }

  async logits(tokens: readonly number[]): Promise<Float32Array> {
    if (!tokens.length) fail("argument", "logits: there are no tokens; begin with a prompt");
    if (tokens.length > this.#contextLength)
      fail(
        "context-overflow",
        `${tokens.length} tokens, and the context holds ${this.#contextLength}; lower the horizon`,
      );
    const branch = await this.#branchFor(tokens);
    const known = branch.sequence.length;
    branch.tokens = tokens.slice(0, known);
    const logits = await prefill(branch.sequence, tokens.slice(known));
    branch.tokens = [...tokens];
    this.rows += tokens.length - known;
    return logits.slice();
  }

  /** Frees the caches; the model stays the caller's. */
  async close(): Promise<void> {
    for (const { sequence } of this.#branches.splice(0)) await sequence.close();
  }

  /** A branch that holds a part of `tokens`, the last one never included. */
  async #branchFor(tokens: readonly number[]): Promise<Branch> {
    let best: Branch | undefined;
    let shared = -1;
    for (const branch of this.#branches) {
      const common = Math.min(commonLength(branch.tokens, tokens), tokens.length - 1);
      if (common >= shared) {
        best = branch;
        shared = common;
      }
    }
    let branch = best;
    if (!branch || (branch.tokens.length > shared && this.#branches.length < this.#most)) {
      const sequence = branch && shared > 0 ? await branch.sequence.fork() : await this.#model.open();
      branch = { sequence, tokens: branch?.tokens ?? [] };
    } else this.#branches.splice(this.#branches.indexOf(branch), 1);
    if (branch.sequence.length > Math.max(shared, 0) && !(await branch.sequence.truncate(shared))) {
      // a sliding window has dropped what lies before
      await branch.sequence.close();
      branch = { sequence: await this.#model.open(), tokens: [] };
    }
    this.#branches.push(branch);
    return branch;
  }
}

/**
 * A model whose impossible tokens have a logit of minus infinity, so that a search never goes where a constraint forbids it.
 * @param constraint at its start; it is moved along, and must not be used by others meanwhile. @param promptLength tokens that it does not see.
 */
export function constrainedPrefixes(model: PrefixModel, constraint: Constraint, promptLength: number): PrefixModel {
  const mask = new Uint32Array(Math.ceil(constraint.vocabSize / 32));
  const taken: number[] = [];
  return {
    async logits(tokens) {
      const wanted = tokens.slice(promptLength);
      const common = commonLength(taken, wanted);
      constraint.rollback(taken.length - common);
      taken.length = common;
      for (const token of wanted.slice(common)) {
        if (!constraint.advance(token))
          fail("argument", `token ${token} after ${taken.length} others is forbidden by the constraint`);
        taken.push(token);
      }
      constraint.mask(mask);
      const logits = await model.logits(tokens);
      for (let id = 0; id < logits.length; id++)
        if (!((mask[id >> 5]! >>> (id & 31)) & 1)) logits[id] = Number.NEGATIVE_INFINITY;
      return logits;
    },
  };
}

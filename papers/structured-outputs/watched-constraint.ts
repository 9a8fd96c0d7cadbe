/**
 * A constraint as seen from outside: the time it takes, and one that keeps to itself what is forced. Knows nothing of formats.
 */
import type { Constraint } from "bletchley/decode";

/** What was seen of a constraint and all its copies. */
export interface Watch {
  /** Milliseconds spent in it. */
  milliseconds: number;
}

/** Another constraint, with the time of its work added up. */
export class WatchedConstraint implements Constraint {
  /**
   * @param inner the constraint itself
   * @param forces whether it tells what is forced and suggested; if not, the model chooses every token
   * @param watch where its time is added up
   */
  constructor(
    readonly inner: Constraint,
    readonly forces: boolean,
    readonly watch: Watch = { milliseconds: 0 },
  ) {}

  #timed<T>(work: () => T): T {
    const start = performance.now();
    try {
      return work();
    } finally {
      this.watch.milliseconds += performance.now() - start;
    }
  }

  /** Number of token ids. */
  get vocabSize(): number {
    return this.inner.vocabSize;
  }

  /** Tokens accepted since the start. */
  get length(): number {
    return this.inner.length;
  }

  /** Overwrites a mask with the tokens allowed next. */
  mask(mask: Uint32Array): void {
    this.#timed(() => this.inner.mask(mask));
  }

  /** Whether a token is allowed next. */
  allows(token: number): boolean {
    return this.#timed(() => this.inner.allows(token));
  }

  /** Takes a token. */
  advance(token: number): boolean {
    return this.#timed(() => this.inner.advance(token));
  }

  /** Takes back tokens. */
  rollback(count: number): void {
    this.#timed(() => this.inner.rollback(count));
  }

  /** Whether the text may end here. */
  isComplete(): boolean {
    return this.inner.isComplete();
  }

  /** Tokens that must come next; none when it keeps them to itself. */
  forced(): readonly number[] {
    return this.forces ? this.#timed(() => this.inner.forced()) : [];
  }

  /** Tokens that are likely; none when it keeps them to itself. */
  suggested(): readonly number[] {
    return this.forces ? this.#timed(() => this.inner.suggested?.() ?? []) : [];
  }

  /** Tokens of some shortest way to a complete text. */
  shortestCompletion(): readonly number[] {
    return this.#timed(() => this.inner.shortestCompletion());
  }

  /** A copy whose time is added to the same watch. */
  clone(): WatchedConstraint {
    return new WatchedConstraint(this.inner.clone(), this.forces, this.watch);
  }
}

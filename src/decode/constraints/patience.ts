/**
 * An end to work that would not end: schemas whose parts multiply out, patterns whose counters do. What runs looks at the clock now and
 * then, and gives up with an error that says so.
 */
import { fail } from "../../util/errors.ts";

/** How long one call may take. */
const usualLimitMs = 10_000;
/** Pieces of work between two looks at the clock. */
const stride = 1024;

/** The patience with one call. */
export class Patience {
  #deadline = Number.POSITIVE_INFINITY;
  #left = stride;
  readonly #limitMs: number;

  /** @param limitMs how long one call may take. */
  constructor(limitMs = usualLimitMs) {
    this.#limitMs = limitMs;
  }

  /** A call begins. */
  begin(): void {
    this.#deadline = performance.now() + this.#limitMs;
  }

  /** A piece of work was done. @throws `unsupported` when the call has taken too long. */
  spend(): void {
    if (--this.#left > 0) return;
    this.#left = stride;
    if (performance.now() > this.#deadline)
      fail(
        "unsupported",
        `the schema or pattern is too complex: one step of it took more than ${this.#limitMs / 1000} s; use fewer alternatives, or smaller counters within counters`,
      );
  }
}

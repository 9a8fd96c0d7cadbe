/**
 * An end to work that would not end: schemas whose parts multiply out, patterns whose counters do. What runs counts its pieces, looks
 * at the time now and then, and gives up with an error that says so. Knows nothing of the work.
 */
import { fail } from "../../util/errors.ts";

/** How much time of a processor one call may take. */
const usualLimitMs = 10_000;
/** Pieces of work between two looks at the time. */
const stride = 1024;

/** Times of a processor in microseconds, as Node.js tells them. */
interface Usage {
  readonly user: number;
  readonly system: number;
}

const runtime = (globalThis as { process?: { cpuUsage?(): Usage; threadCpuUsage?(): Usage } }).process;

/** Time that this thread, or else this process, has computed for, in milliseconds; undefined where nobody tells. */
function computedMs(): number | undefined {
  const usage = runtime?.threadCpuUsage?.() ?? runtime?.cpuUsage?.();
  return usage && (usage.user + usage.system) / 1000;
}

/**
 * The patience with one call. Where the runtime tells how long it has computed, what other processes do meanwhile does not
 * count; what other threads of this process do counts no more than the clock.
 */
export class Patience {
  #left = stride;
  #begun: { readonly clock: number; readonly computed: number | undefined } | undefined;
  readonly #limitMs: number;

  /** @param limitMs how long one call may compute. */
  constructor(limitMs = usualLimitMs) {
    this.#limitMs = limitMs;
  }

  /** A call begins. Costs nothing: short calls never look at the time. */
  begin(): void {
    this.#left = stride;
    this.#begun = undefined;
  }

  /**
   * Some work was done: one piece takes about a microsecond.
   * @throws `unsupported` when the call has taken too long.
   */
  spend(pieces = 1): void {
    this.#left -= pieces;
    if (this.#left <= 0) this.#look();
  }

  #look(): void {
    this.#left = stride;
    const clock = performance.now();
    const computed = computedMs();
    if (!this.#begun) {
      this.#begun = { clock, computed };
      return;
    }
    const byClock = clock - this.#begun.clock;
    const took = computed === undefined ? byClock : Math.min(byClock, computed - this.#begun.computed!);
    if (took > this.#limitMs)
      fail(
        "unsupported",
        `the schema or pattern is too complex: one step of it took more than ${this.#limitMs / 1000} s; use fewer alternatives, or smaller counters within counters`,
      );
  }
}

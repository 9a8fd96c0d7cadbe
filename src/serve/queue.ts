/**
 * Who may generate now: a few at a time, the others wait in line, and when the line is full they are told so. Callers take
 * turns, so that one with many requests cannot keep out one with few. Knows nothing of models or HTTP.
 */
import { BletchleyError, fail } from "../util/errors.ts";

/** Bounds of a {@link FairQueue}. */
export interface QueueLimits {
  /** How many run at the same time. */
  readonly running: number;
  /** How many may wait. */
  readonly waiting: number;
}

interface Ticket {
  readonly start: () => void;
  readonly refuse: (reason: unknown) => void;
}

/** Lets some callers run while others wait their turn. */
export class FairQueue {
  readonly limits: QueueLimits;
  /** One line a caller; the caller at the front of the map is next. */
  readonly #lines = new Map<string, Ticket[]>();
  #running = 0;
  #waiting = 0;
  #meanMs = 1000;
  #closed = false;
  #idle: (() => void)[] = [];

  /** @throws `argument` for limits that let nobody run. */
  constructor(limits: QueueLimits) {
    if (!Number.isInteger(limits.running) || limits.running < 1)
      fail("argument", `running is ${limits.running}; at least one must be able to run`);
    if (!Number.isInteger(limits.waiting) || limits.waiting < 0)
      fail("argument", `waiting is ${limits.waiting}; it must be a whole number, 0 to let nobody wait`);
    this.limits = limits;
  }

  /** How many run now. */
  get running(): number {
    return this.#running;
  }

  /** How many wait now. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Whether no more are taken. */
  get closed(): boolean {
    return this.#closed;
  }

  /** About how long a newcomer would wait, from how long the last ones ran. */
  get expectedWaitMs(): number {
    return (this.#meanMs * (this.#waiting + this.#running)) / this.limits.running;
  }

  /**
   * Waits for a turn.
   * @param caller who asks; callers take turns. @returns a function that ends the turn; it may be called again.
   * @throws `busy` when too many wait or the queue was closed, `aborted` when the signal fires before the turn comes.
   */
  async enter(caller: string, signal?: AbortSignal): Promise<() => void> {
    if (signal?.aborted) fail("aborted", "the caller left before its turn came", signal.reason);
    if (this.#closed) fail("busy", "no more requests are taken: the server is shutting down");
    if (this.#running < this.limits.running) return this.#begin();
    if (this.#waiting >= this.limits.waiting)
      fail("busy", `${this.#running} are running and ${this.#waiting} waiting, which is the limit; try again later`);
    await new Promise<void>((resolve, reject) => {
      const leave = () => {
        this.#remove(caller, ticket);
        reject(new BletchleyError("aborted", "the caller left before its turn came", { cause: signal?.reason }));
      };
      const ticket: Ticket = {
        start: () => {
          signal?.removeEventListener("abort", leave);
          resolve();
        },
        refuse: (reason) => {
          signal?.removeEventListener("abort", leave);
          reject(reason);
        },
      };
      signal?.addEventListener("abort", leave, { once: true });
      const line = this.#lines.get(caller);
      if (line) line.push(ticket);
      else this.#lines.set(caller, [ticket]);
      this.#waiting++;
    });
    return this.#turn();
  }

  /** Takes no more; those that wait are refused, those that run go on. */
  close(): void {
    this.#closed = true;
    const reason = new BletchleyError("busy", "the server is shutting down");
    for (const line of this.#lines.values()) for (const ticket of line) ticket.refuse(reason);
    this.#lines.clear();
    this.#waiting = 0;
    this.#settle();
  }

  /** Resolves once nobody runs or waits. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      this.#idle.push(resolve);
      this.#settle();
    });
  }

  #begin(): () => void {
    this.#running++;
    return this.#turn();
  }

  /** A turn that has begun; whoever starts it has counted it as running. */
  #turn(): () => void {
    const started = performance.now();
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      this.#meanMs += (performance.now() - started - this.#meanMs) / 8;
      this.#running--;
      this.#next();
      this.#settle();
    };
  }

  #next(): void {
    const [first] = this.#lines;
    if (!first) return;
    const [caller, line] = first;
    const ticket = line.shift()!;
    this.#lines.delete(caller);
    if (line.length) this.#lines.set(caller, line); // to the back
    this.#waiting--;
    // counted before it wakes up, so that nobody can slip in between
    this.#running++;
    ticket.start();
  }

  #remove(caller: string, ticket: Ticket): void {
    const line = this.#lines.get(caller);
    const at = line?.indexOf(ticket) ?? -1;
    if (!line || at < 0) return;
    line.splice(at, 1);
    if (!line.length) this.#lines.delete(caller);
    this.#waiting--;
    this.#settle();
  }

  #settle(): void {
    if (this.#running || this.#waiting) return;
    const waiting = this.#idle;
    this.#idle = [];
    for (const resolve of waiting) resolve();
  }
}

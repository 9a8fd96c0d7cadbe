/**
 * The names that an object has already. Knows nothing of what they mean.
 */

/** Names that an object has already, newest first. */
export class Seen {
  readonly size: number;
  /** The same with one more name, as far as these were asked for. */
  readonly next = new Map<string, Seen>();
  #set: Set<string> | undefined;

  constructor(
    readonly name: string,
    readonly before: Seen | undefined,
  ) {
    this.size = (before?.size ?? 0) + 1;
  }

  /** Whether a name is among them. */
  has(name: string): boolean {
    return this.names.has(name);
  }

  /** All of them. */
  get names(): ReadonlySet<string> {
    if (!this.#set) {
      this.#set = new Set();
      for (let at: Seen | undefined = this; at; at = at.before) this.#set.add(at.name);
    }
    return this.#set;
  }
}

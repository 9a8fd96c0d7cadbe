/**
 * Stop strings in a stream: text that might be the beginning of one is held back until it is known not to be.
 */

/** Cuts a stream of text at the first stop string. */
export class StopFilter {
  readonly #stops: readonly string[];
  #held = "";
  #stopped = false;

  constructor(stops: readonly string[]) {
    this.#stops = stops.filter((s) => s.length > 0);
  }

  /** Whether a stop string was found; everything after it is dropped. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Takes the next piece and returns what can be shown. */
  push(text: string): string {
    if (this.#stopped) return "";
    if (!this.#stops.length) return text;
    const all = this.#held + text;
    let first = -1;
    for (const stop of this.#stops) {
      const at = all.indexOf(stop);
      if (at >= 0 && (first < 0 || at < first)) first = at;
    }
    if (first >= 0) {
      this.#stopped = true;
      this.#held = "";
      return all.slice(0, first);
    }
    let keep = 0;
    for (const stop of this.#stops)
      for (let length = Math.min(stop.length - 1, all.length); length > keep; length--)
        if (all.endsWith(stop.slice(0, length))) {
          keep = length;
          break;
        }
    this.#held = all.slice(all.length - keep);
    return all.slice(0, all.length - keep);
  }

  /** What was held back, at the end of the stream. */
  flush(): string {
    const rest = this.#held;
    this.#held = "";
    return rest;
  }
}

/**
 * The cache of a prefix layer during decoding: it lags behind the target by the tokens that were accepted since, and catches up when a draft
 * is asked for. Rejected drafts leave no trace in it.
 */
import type { HeadRunner } from "./head-runner.ts";

/** Rows that are run at once. */
const chunk = 128;
/** Tokens that are looked back on, at least; twice as many may be held. */
const reach = 1024;

/** Keys and values of one text. */
export class PrefixCache {
  readonly #runner: HeadRunner;
  readonly #size: number;
  #keys: Float32Array;
  #values: Float32Array;
  /** Rows that are filled; the first one is a masked dummy, so that there always is a past. */
  #rows = 1;
  /** Place of the next token that is run. */
  #position = 0;
  #pending: Float32Array[] = [];
  #state: Float32Array | undefined;

  constructor(runner: HeadRunner) {
    this.#runner = runner;
    this.#size = runner.heads._design.hiddenSize;
    this.#keys = new Float32Array(64 * this.#size);
    this.#values = new Float32Array(64 * this.#size);
  }

  /** Takes hidden states of the next tokens. @param first place of the first one; rows `[n, hidden]`. */
  push(first: number, rows: Float32Array): void {
    if (this.#rows === 1 && !this.#pending.length) this.#position = first;
    this.#pending.push(rows.slice());
  }

  /** The layer's state after the last token. `undefined` when no token was seen. */
  async state(): Promise<Float32Array | undefined> {
    const size = this.#size;
    const all = new Float32Array(this.#pending.reduce((sum, rows) => sum + rows.length, 0));
    let at = 0;
    for (const rows of this.#pending.splice(0)) {
      all.set(rows, at);
      at += rows.length;
    }
    for (let from = 0; from < all.length; from += chunk * size)
      await this.#run(all.subarray(from, Math.min(all.length, from + chunk * size)));
    return this.#state;
  }

  async #run(x: Float32Array): Promise<void> {
    const size = this.#size;
    const used = this.#rows * size;
    const { states, keys, values } = await this.#runner.runPrefix(x, this.#position, {
      keys: this.#keys.subarray(0, used),
      values: this.#values.subarray(0, used),
      masked: 1,
    });
    const count = x.length / size;
    this.#reserve(this.#rows + count);
    this.#keys.set(keys, used);
    this.#values.set(values, used);
    this.#rows += count;
    this.#position += count;
    this.#state = states.slice((count - 1) * size);
    if (this.#rows > 2 * reach) this.#forget(this.#rows - reach);
  }

  #reserve(rows: number): void {
    if (rows * this.#size <= this.#keys.length) return;
    const grow = (old: Float32Array) => {
      const grown = new Float32Array(Math.max(2 * old.length, rows * this.#size));
      grown.set(old);
      return grown;
    };
    this.#keys = grow(this.#keys);
    this.#values = grow(this.#values);
  }

  /** Drops the oldest rows behind the dummy; rotary positions make what is left as good as before. */
  #forget(count: number): void {
    for (const rows of [this.#keys, this.#values])
      rows.copyWithin(this.#size, (1 + count) * this.#size, this.#rows * this.#size);
    this.#rows -= count;
  }
}

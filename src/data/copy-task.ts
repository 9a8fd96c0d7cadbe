/**
 * The copy task (Hochreiter and Schmidhuber 1997; Graves et al. 2014): read some symbols, wait for the sign to begin, and say
 * them again in order.
 */
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import { Random } from "../util/random.ts";

/** Options of {@link copyTask}. */
export interface CopyTaskOptions {
  readonly batch: number;
  /** Symbols to remember. */
  readonly length: number;
  /** Different symbols; tokens are these, then a blank, then the sign to begin. */
  readonly symbols: number;
  readonly seed: number;
}

/** A batch: `length` symbols, the sign, `length` blanks. */
export interface CopyBatch {
  /** `i64[batch, 2 · length + 1]`, below `symbols + 2`. */
  readonly tokens: NDArray;
  /** `i64[batch, length]`: what is to be said at the blanks. */
  readonly targets: NDArray;
}

/** Batches by number; each is a function of seed and number alone. @throws `argument` for impossible numbers. */
export function copyTask({ batch, length, symbols, seed }: CopyTaskOptions): (position: number) => CopyBatch {
  for (const [name, n] of Object.entries({ batch, length, symbols }))
    if (!Number.isSafeInteger(n) || n < 1)
      fail("argument", `copyTask: ${name} is ${n}; it must be a whole number of at least 1`);
  const [blank, sign] = [symbols, symbols + 1];
  const random = new Random(seed);
  return (position) => {
    const own = random.split(position);
    const rows = Array.from({ length: batch }, () => Array.from({ length }, () => own.integer(symbols)));
    const waiting = [sign, ...new Array<number>(length).fill(blank)];
    return {
      tokens: NDArray.from(
        rows.flatMap((row) => [...row, ...waiting]),
        [batch, 2 * length + 1],
        "i64",
      ),
      targets: NDArray.from(rows.flat(), [batch, length], "i64"),
    };
  };
}

/**
 * Windows of a long token sequence with the tokens that follow, for language models: random ones to train on, consecutive ones
 * to measure by. Knows token ids only, no text.
 */
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import { Random } from "../util/random.ts";

/** Windows and, shifted by one, what follows each of their tokens: both `i64`, `[batch, length]`. */
export interface TokenBatch {
  readonly tokens: NDArray;
  readonly targets: NDArray;
}

/** Size of a batch of windows. */
export interface WindowOptions {
  /** Windows in a batch. */
  readonly batch: number;
  /** Tokens in a window. */
  readonly length: number;
}

function checkWindows(ids: ArrayLike<number>, { batch, length }: WindowOptions): void {
  for (const [name, n] of Object.entries({ batch, length }))
    if (!Number.isSafeInteger(n) || n < 1)
      fail("argument", `windows: ${name} is ${n}; it must be a whole number of at least 1`);
  if (ids.length <= length)
    fail("argument", `windows of ${length} tokens and the next one do not fit into ${ids.length} tokens`);
}

function windowsAt(ids: ArrayLike<number>, starts: readonly number[], length: number): TokenBatch {
  const [tokens, targets] = [0, 1].map((shift) => {
    const data = new BigInt64Array(starts.length * length);
    starts.forEach((start, row) => {
      for (let i = 0; i < length; i++) data[row * length + i] = BigInt(ids[start + shift + i]!);
    });
    return new NDArray(data, [starts.length, length], "i64");
  }) as [NDArray, NDArray];
  return { tokens, targets };
}

/**
 * Batches of windows at random places; a batch is a function of seed and number alone.
 * @throws `argument` when a window does not fit into the tokens.
 * @example
 * const batches = numberedBatches(randomWindows(ids, { batch: 32, length: 128, seed: 1 }));
 */
export function randomWindows(
  ids: ArrayLike<number>,
  options: WindowOptions & { readonly seed: number },
): (position: number) => TokenBatch {
  checkWindows(ids, options);
  const random = new Random(options.seed);
  return (position) => {
    const own = random.split(position);
    const starts = Array.from({ length: options.batch }, () => own.integer(ids.length - options.length));
    return windowsAt(ids, starts, options.length);
  };
}

/**
 * Windows that follow one another without overlap, in whole batches: every token is predicted once, but for a rest.
 * @throws `argument` when not even one batch fits into the tokens.
 */
export function consecutiveWindows(ids: ArrayLike<number>, options: WindowOptions): readonly TokenBatch[] {
  checkWindows(ids, options);
  const { batch, length } = options;
  const count = Math.floor((ids.length - 1) / (batch * length));
  if (!count) fail("argument", `${ids.length} tokens are too few for ${batch} windows of ${length}`);
  return Array.from({ length: count }, (_, i) =>
    windowsAt(
      ids,
      Array.from({ length: batch }, (_, row) => (i * batch + row) * length),
      length,
    ),
  );
}

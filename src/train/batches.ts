/**
 * Where batches come from. A source knows how many it has given, and a saved number is enough to go on from there: what a
 * batch holds is a function of seed and position alone.
 */
import { fail } from "../util/errors.ts";
import { Random } from "../util/random.ts";

/** Batches one after the other, from a position that can be saved. */
export interface BatchSource<B> extends AsyncIterable<B> {
  /** Number of batches given so far. */
  readonly position: number;
  /** Goes to a position; the next batch that any iterator gives is the one there. */
  seek(position: number): void;
}

/** Batches that are made one by one from their number: endless, or `count` of them. */
export function numberedBatches<B>(
  make: (position: number) => B | Promise<B>,
  count = Number.POSITIVE_INFINITY,
): BatchSource<B> {
  let position = 0;
  return {
    get position() {
      return position;
    },
    seek(to) {
      if (!Number.isSafeInteger(to) || to < 0)
        fail("argument", `batches: ${to} is no position; it must be a whole number of at least 0`);
      position = to;
    },
    async *[Symbol.asyncIterator]() {
      while (position < count) {
        const batch = await make(position);
        position++;
        yield batch;
      }
    },
  };
}

/** Options of {@link shuffledBatches}. */
export interface ShuffledBatchesOptions<B> {
  /** Number of examples. */
  readonly count: number;
  readonly batchSize: number;
  /** Seed of the order; every epoch has another one. */
  readonly seed: number;
  /** Makes a batch of examples by their numbers. `random` is the batch's own, for augmentation. */
  readonly make: (examples: Int32Array, random: Random) => B | Promise<B>;
}

/** Numbers below `count` in an order that a seed and an epoch determine (Fisher and Yates). */
export function shuffledOrder(count: number, seed: number, epoch: number): Int32Array {
  const random = new Random(seed).split(epoch);
  const order = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/**
 * Endless batches of shuffled examples; each epoch shows every example once, but for a rest smaller than a batch.
 * @throws `argument` when a batch is larger than the data.
 */
export function shuffledBatches<B>({ count, batchSize, seed, make }: ShuffledBatchesOptions<B>): BatchSource<B> {
  if (!Number.isSafeInteger(batchSize) || batchSize < 1 || batchSize > count)
    fail("argument", `batches of ${batchSize} cannot be made of ${count} examples`);
  const perEpoch = Math.floor(count / batchSize);
  let known: { readonly epoch: number; readonly order: Int32Array } | undefined;
  return numberedBatches((position) => {
    const epoch = Math.floor(position / perEpoch);
    if (known?.epoch !== epoch) known = { epoch, order: shuffledOrder(count, seed, epoch) };
    const start = (position % perEpoch) * batchSize;
    return make(known.order.subarray(start, start + batchSize), new Random(seed, 1).split(position));
  });
}

/**
 * Measures c(n) on this machine: what a step costs by the number of its rows, at several context lengths.
 */
import { prefill, type SequenceModel } from "../../lm/index.ts";
import { throwIfAborted } from "../../util/errors.ts";
import type { ProgressListener } from "../../util/progress.ts";
import { Random } from "../../util/random.ts";
import { CostCurve } from "../speculate/cost-curve.ts";

/** What is measured. */
export interface CostOptions {
  /** Context lengths; those that the model cannot hold are left out. 128, 512 and 1536 by default. */
  readonly contexts?: readonly number[];
  /** Numbers of rows, beginning with 1. */
  readonly rows?: readonly number[];
  /** Rounds, in which each is measured twice; the median counts. 5 by default. */
  readonly repeats?: number;
  /** Longest context that the model is used with. */
  readonly contextLength?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: ProgressListener;
}

/** Numbers of rows that tell the shape of the curve: fine where it bends. */
export const usualRows = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64] as const;

/** Steps of one size in a row that are timed. */
const runLength = 2;

/**
 * Measures steps of a model, in rounds over all numbers of rows so that a slow moment of the machine touches all alike.
 * @throws `aborted`.
 */
export async function measureCosts(model: SequenceModel, options: CostOptions = {}): Promise<CostCurve> {
  const { contexts = [128, 512, 1536], rows = usualRows, repeats = 5, signal, onProgress } = options;
  const { vocabSize } = model.config;
  const longest = options.contextLength ?? model.config.contextLength;
  // right behind a block boundary, where a step may have all of its 64 rows
  const places = contexts.map((c) => Math.floor(c / 64) * 64).filter((c) => c >= 64 && c + 64 <= longest);
  const random = new Random(7);
  const tokens = (count: number) => Array.from({ length: count }, () => Math.floor(random.next() * vocabSize));
  const sequence = await model.open();
  const milliseconds: number[][] = [];
  const total = Math.max(1, places.length) * repeats;
  try {
    for (const place of places.length ? places : [0]) {
      if (place > sequence.length)
        await prefill(sequence, tokens(place - sequence.length), () => throwIfAborted(signal));
      const times: number[][] = rows.map(() => []);
      for (let round = -1; round < repeats; round++) {
        throwIfAborted(signal);
        for (let i = 0; i < rows.length; i++) {
          const request = { tokens: tokens(rows[i]!) };
          // a step after one of another size is slower than among its like, which is what a text consists of
          await sequence.step(request);
          for (let k = 0; k < runLength; k++) {
            const start = performance.now();
            await sequence.step(request);
            if (round >= 0) times[i]!.push(performance.now() - start);
          }
        }
        onProgress?.({
          task: `measuring steps behind ${place} tokens`,
          done: milliseconds.length * repeats + round + 1,
          total,
          unit: "steps",
        });
      }
      milliseconds.push(times.map(medianOf));
    }
  } finally {
    await sequence.close();
  }
  // a step of more rows never costs less: what looks like it is noise
  const steady = milliseconds.map((line) => line.map((_, i) => Math.max(...line.slice(0, i + 1))));
  return new CostCurve({ contexts: places.length ? places : [0], rows: [...rows], milliseconds: steady });
}

function medianOf(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

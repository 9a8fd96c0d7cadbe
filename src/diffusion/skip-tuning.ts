/**
 * Skip-Tuning (Ma et al. 2024): a trained U-Net samples better in few steps when its skips are a little weaker. Factors on skips, the line
 * that they lie on, and a search for it. Knows no network: factors are an input of whatever denoises.
 */
import { fail } from "../util/errors.ts";

/** Factors on skips between two ends, and noise levels at which they act. */
export interface SkipTuning {
  /** Factor on the deepest skip. */
  readonly bottom: number;
  /** Factor on the skip at full size. */
  readonly top: number;
  /** Noise levels between which skips are scaled; everywhere when absent. */
  readonly window?: readonly [least: number, most: number];
}

/**
 * Factors of `count` skips, the deepest first: `ρ_i = bottom + (i − 1) / (k − 1) · (top − bottom)`.
 * @param sigma the noise level; outside of the window nothing is scaled. @throws `argument` for factors that are no finite numbers.
 */
export function skipFactors({ bottom, top, window }: SkipTuning, count: number, sigma?: number): Float32Array {
  if (!Number.isFinite(bottom) || !Number.isFinite(top))
    fail("argument", `skipFactors: factors from ${bottom} to ${top}; both must be finite numbers`);
  const acts = !window || sigma === undefined || (sigma >= window[0] && sigma <= window[1]);
  return Float32Array.from({ length: count }, (_, i) =>
    acts ? (count === 1 ? bottom : bottom + (i / (count - 1)) * (top - bottom)) : 1,
  );
}

/** A cell of a search and how it did. */
export interface TunedCell {
  readonly tuning: SkipTuning;
  /** Distance by number of samples, the smaller the better; cells that were given up early have fewer. */
  readonly distances: readonly number[];
}

/** What a search found. */
export interface TunedSkips {
  readonly best: SkipTuning;
  /** Every cell that was tried, in the order of the grid. */
  readonly cells: readonly TunedCell[];
}

/** How skips are tuned. */
export interface TuneSkipsOptions {
  readonly bottoms: readonly number[];
  readonly tops: readonly number[];
  /** Samples that each round draws from a cell; after every round the better part of the cells goes on. */
  readonly rounds: readonly number[];
  /** Share of the cells that goes on; a third by default. */
  readonly keep?: number;
  /**
   * Distance of so many samples from the data. Calls with the same number should use the same noise, so that cells differ by their
   * factors only, and other noise than what is reported.
   */
  readonly distance: (tuning: SkipTuning, samples: number) => Promise<number>;
  readonly onCell?: (done: number, total: number) => void;
}

/**
 * Searches the grid by successive halving: all cells with few samples, the better ones with more.
 * @throws `argument` for an empty grid or no rounds, `nan` for a distance that is no number.
 */
export async function tuneSkips(options: TuneSkipsOptions): Promise<TunedSkips> {
  const { bottoms, tops, rounds, keep = 1 / 3, distance, onCell } = options;
  const grid = bottoms.flatMap((bottom) =>
    tops.map((top): { tuning: SkipTuning; distances: number[] } => ({ tuning: { bottom, top }, distances: [] })),
  );
  if (!grid.length || !rounds.length)
    fail("argument", `tuneSkips: ${grid.length} cells and ${rounds.length} rounds; there is at least one of each`);
  const sizes = rounds.map((_, i) => Math.max(1, Math.ceil(grid.length * keep ** i)));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  let [alive, done] = [[...grid], 0];
  for (const [round, samples] of rounds.entries()) {
    alive = alive.slice(0, sizes[round]);
    for (const cell of alive) {
      const found = await distance(cell.tuning, samples);
      if (Number.isNaN(found)) fail("nan", `tuneSkips: the distance at ${JSON.stringify(cell.tuning)} is NaN`);
      cell.distances.push(found);
      onCell?.(++done, total);
    }
    alive.sort((a, b) => a.distances[round]! - b.distances[round]!);
  }
  return { best: alive[0]!.tuning, cells: grid };
}

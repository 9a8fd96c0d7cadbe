/**
 * What a step costs by the number of its rows and the length of the context: c(n), which decides how much drafting pays. Measured by
 * the tuner; a cautious guess until then.
 */
import { fail } from "../../util/errors.ts";

/** Measured milliseconds of steps. */
export interface CostTable {
  /** Context lengths in tokens, ascending. */
  readonly contexts: readonly number[];
  /** Numbers of rows, ascending, the first is 1. */
  readonly rows: readonly number[];
  /** Milliseconds by context and number of rows. */
  readonly milliseconds: readonly (readonly number[])[];
}

/** Position of `x` between ascending grid points: the lower one's index and the share of the upper one. */
function between(grid: readonly number[], x: number): readonly [index: number, share: number] {
  if (x <= grid[0]! || grid.length === 1) return [0, 0];
  let i = 0;
  while (i < grid.length - 2 && grid[i + 1]! <= x) i++;
  return [i, Math.min(1, (x - grid[i]!) / (grid[i + 1]! - grid[i]!))];
}

/** Cost of a step, interpolated in a table. */
export class CostCurve {
  readonly table: CostTable;

  /** @throws `argument` for a table that is empty, ragged, unsorted, or not positive. */
  constructor(table: CostTable) {
    const { contexts, rows, milliseconds } = table;
    const ascending = (x: readonly number[]) => x.length > 0 && x.every((v, i) => i === 0 || v > x[i - 1]!);
    if (!ascending(contexts) || !ascending(rows) || rows[0] !== 1)
      fail("argument", `a cost table needs ascending contexts and rows from 1 on, not ${contexts} and ${rows}`);
    if (
      milliseconds.length !== contexts.length ||
      milliseconds.some((line) => line.length !== rows.length || line.some((ms) => !(ms > 0)))
    )
      fail("argument", "a cost table needs a positive number of milliseconds for every context and number of rows");
    this.table = table;
  }

  /** Milliseconds of a step of `rows` rows behind `context` tokens. */
  milliseconds(rows: number, context: number): number {
    const { contexts, rows: grid, milliseconds } = this.table;
    const [c, cShare] = between(contexts, context);
    const [r, rShare] = between(grid, rows);
    const along = (line: readonly number[]) => line[r]! + (rShare ? rShare * (line[r + 1]! - line[r]!) : 0);
    const low = along(milliseconds[c]!);
    const inside = cShare ? low + cShare * (along(milliseconds[c + 1]!) - low) : low;
    // beyond the last number of rows the cost goes on as steeply as before
    const last = grid.length - 1;
    if (rows <= grid[last]! || last === 0) return inside;
    const line = milliseconds[c]!;
    return inside + ((line[last]! - line[last - 1]!) / (grid[last]! - grid[last - 1]!)) * (rows - grid[last]!);
  }
}

/** A guess for machines that were not measured, after a CPU with 8-bit products: checking 8 tokens costs two plain steps. */
export const cautiousCosts = new CostCurve({
  contexts: [0],
  rows: [1, 2, 4, 8, 16, 32, 64],
  milliseconds: [[10, 10.8, 13, 19, 29, 46, 84]],
});

/**
 * What draft heads are worth: the ranks that the true tokens have on a trace, and what running the heads costs on this machine.
 */
import { compile, type Executable } from "../../runtime/index.ts";
import { cast, gatherElements, greater, maximum, slice, sum, type TensorType } from "../../tensor/index.ts";
import { throwIfAborted } from "../../util/errors.ts";
import { NDArray } from "../../util/ndarray.ts";
import { draftPlaces, HeadLabels, headRows, type TokenEmbeddings } from "./head-labels.ts";
import type { DraftHeads } from "./head-modules.ts";
import type { HeadRunner } from "./head-runner.ts";
import type { RankTree, TrueRanks } from "./rank-tree.ts";
import type { Trace } from "./trace.ts";
import { headOutputs } from "./train-heads.ts";

/**
 * Ranks of the true tokens among the heads' guesses, when the heads see what really came before them: of a trace that was decoded
 * greedily, a rank of 0 is agreement with the target.
 * @throws `aborted`.
 */
export async function headRanks(
  heads: DraftHeads,
  trace: Trace,
  embeddings: TokenEmbeddings,
  signal?: AbortSignal,
): Promise<TrueRanks> {
  const { heads: count, hiddenSize, kind, vocabSize } = heads._design;
  const labels = new HeadLabels(trace, { heads: count, places: draftPlaces(heads._tokens, vocabSize), embeddings });
  const inputs: Record<string, TensorType> = {
    labels: { dtype: "i64", shape: ["n", count] },
    ...(heads.prefix
      ? {
          hidden: { dtype: "f32", shape: [1, "length", hiddenSize] } as const,
          rows: { dtype: "i64", shape: ["n"] } as const,
        }
      : { hidden: { dtype: "f32", shape: ["n", hiddenSize] } as const }),
    ...(kind === "hydra" && { next: { dtype: "f32", shape: ["n", count * hiddenSize] } as const }),
  };
  const graph: Executable = await compile(
    (batch) => {
      const outputs = headOutputs(heads, { hidden: batch.hidden!, rows: batch.rows, next: batch.next });
      return Object.fromEntries(
        outputs.map(({ logits }, i) => {
          const label = maximum(slice(batch.labels!, [{ axis: 1, start: i, end: i + 1 }]), 0);
          const better = greater(logits, gatherElements(logits, label, 1));
          return [`rank${i}`, sum(cast(better, "f32"), 1)];
        }),
      );
    },
    { inputs },
  );
  const ranks: number[] = [];
  const starts: number[] = [];
  try {
    for (const sequence of trace.sequences) {
      throwIfAborted(signal);
      const rows = headRows(sequence);
      if (!rows.length) continue;
      const own = labels.labels(rows);
      const n = rows.length;
      const length = sequence.tokens.length - 1;
      const results = await graph.run({
        labels: new NDArray(own, [n, count], "i64"),
        hidden: heads.prefix
          ? new NDArray(labels.texts([sequence], length), [1, length, hiddenSize], "f32")
          : new NDArray(labels.hidden(rows), [n, hiddenSize], "f32"),
        ...(heads.prefix && {
          rows: NDArray.from(
            rows.map(({ place }) => place),
            [n],
            "i64",
          ),
        }),
        ...(kind === "hydra" && { next: new NDArray(labels.next(rows), [n, count * hiddenSize], "f32") }),
      });
      starts.push(ranks.length / count);
      for (let row = 0; row < n; row++)
        for (let i = 0; i < count; i++)
          ranks.push(own[row * count + i]! < 0n ? Number.POSITIVE_INFINITY : results[`rank${i}`]!.at(row));
    }
  } finally {
    await graph.dispose();
  }
  return { heads: count, ranks: Float64Array.from(ranks), starts };
}

/** Share of rows in which the true token is among a head's first `top` guesses, by head. */
export function agreement({ heads, ranks }: TrueRanks, top: number): number[] {
  const rows = ranks.length / heads;
  return Array.from({ length: heads }, (_, i) => {
    let hits = 0;
    for (let row = 0; row < rows; row++) if (ranks[row * heads + i]! < top) hits++;
    return hits / Math.max(1, rows);
  });
}

/** Measured cost of drafting. */
export interface HeadCosts {
  /** Numbers of rows that were measured. */
  readonly rows: readonly number[];
  /** Milliseconds of a run of each head by number of rows; of Medusa only the first one counts. */
  readonly heads: readonly (readonly number[])[];
  /** Milliseconds of the prefix layer, 0 without one. */
  readonly prefix: number;
}

/** How costs are measured. */
export interface HeadCostOptions {
  /** Runs of each kind; the median counts. 15 by default. */
  readonly repeats?: number;
  /** Done before every timed run: a step of the target, which leaves the caches as they are while a text is decoded. */
  readonly between?: () => Promise<unknown>;
  readonly signal?: AbortSignal;
}

/** Measures what running heads costs here. @throws `aborted`. */
export async function measureHeads(runner: HeadRunner, options: HeadCostOptions = {}): Promise<HeadCosts> {
  const { repeats = 15, between, signal } = options;
  const { heads: count, hiddenSize, kind } = runner.heads._design;
  const rows = kind === "medusa" ? [1] : [1, 2, 4, 8];
  const time = async (work: () => Promise<unknown>) => {
    const times: number[] = [];
    for (let round = -1; round < repeats; round++) {
      throwIfAborted(signal);
      await between?.();
      const start = performance.now();
      await work();
      if (round >= 0) times.push(performance.now() - start);
    }
    return times.sort((a, b) => a - b)[times.length >> 1]!;
  };
  const heads: number[][] = [];
  for (let i = 0; i < (kind === "medusa" ? 1 : count); i++) {
    const line: number[] = [];
    for (const n of rows) {
      const x = new Float32Array(n * (kind === "medusa" ? 1 : i + 2) * hiddenSize).fill(0.1);
      line.push(Math.max(line[line.length - 1] ?? 0, await time(() => runner.run(i, x, n))));
    }
    heads.push(line);
  }
  const past = new Float32Array(256 * hiddenSize);
  const state = new Float32Array(2 * hiddenSize).fill(0.1);
  const prefix = runner.heads.prefix
    ? await time(() => runner.runPrefix(state, 256, { keys: past, values: past, masked: 1 }))
    : 0;
  return { rows, heads, prefix };
}

/** Milliseconds of drafting a tree: one run a level, and the prefix layer. */
export function draftMilliseconds({ rows, heads, prefix }: HeadCosts, { parents, depths }: RankTree): number {
  const parent = new Set(parents);
  let total = prefix;
  let level = [-1];
  for (let depth = 0; level.length; depth++) {
    const open = level.filter((node) => parent.has(node)).length;
    if (!open) break;
    // heads that guess all at once are run once
    const line = heads[depth];
    if (line) total += between(rows, line, open);
    level = depths.flatMap((d, i) => (d === depth + 1 ? [i] : []));
  }
  return total;
}

/** Linear interpolation, and beyond the grid's end the last slope. */
function between(grid: readonly number[], values: readonly number[], x: number): number {
  if (grid.length === 1) return values[0]!;
  let i = 0;
  while (i < grid.length - 2 && grid[i + 1]! <= x) i++;
  const share = (x - grid[i]!) / (grid[i + 1]! - grid[i]!);
  return values[i]! + share * (values[i + 1]! - values[i]!);
}

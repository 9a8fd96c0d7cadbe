/**
 * Runs steps of a decoder: turns tokens, parents and a cache into the feeds of the step's graph. It holds no sequence
 * state of its own; caches belong to the caller.
 */
import type { Executable, LoweredGraph, NodeTiming } from "../runtime/index.ts";
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import type { DecoderConfig } from "./config.ts";
import type { KvCache } from "./kv-cache.ts";
import { RopeTable } from "./rope-table.ts";
import { blockLength } from "./step-graph.ts";

/** Reads rows of the token embedding (and of learned positions) as floats. */
export interface EmbeddingRows {
  /** Writes row `index` to `out` at `offset`. */
  read(index: number, out: Float32Array, offset: number): void;
}

/** A point between token embeddings: their weighted sum. The model scales it, and adds positions, as for one token. */
export interface TokenMixture {
  readonly tokens: readonly number[];
  /** A weight for each token. */
  readonly weights: readonly number[];
}

/** Rows to run in one step: a chain, or a tree given by parents. */
export interface StepRequest {
  readonly tokens: readonly number[];
  /** What is fed instead of a row's token, by row; the row's token is then not read. */
  readonly mixtures?: Readonly<Record<number, TokenMixture>>;
  /** For each row the row it follows, or −1 if it follows the cache directly; a chain when absent. */
  readonly parents?: readonly number[];
  /** Rows whose logits are wanted; all when absent. */
  readonly wanted?: readonly number[];
  /** Further outputs, such as `tap:blocks.5.mlp.neurons` or `hidden`. */
  readonly outputs?: readonly string[];
}

/** What a step yields. */
export interface StepResult {
  /** `[wanted, vocabulary]`. */
  readonly logits: NDArray;
  /** New keys, to be committed: `[layers · pieces, kvHeads, n, piece]`. */
  readonly keys: NDArray;
  /** New values with a column of ones: `[layers, kvHeads, n, headDim + 1]`. */
  readonly values: NDArray;
  /** The further outputs that were asked for, `[n, …]`. */
  readonly extra: Readonly<Record<string, NDArray>>;
}

const hidden = -1e30;

/** A decoder that is ready to run. */
export class StepModel {
  readonly config: DecoderConfig;
  readonly #executable: Executable;
  readonly #embeddings: EmbeddingRows;
  readonly #positions: EmbeddingRows | undefined;
  readonly #globalRope: RopeTable;
  readonly #localRope: RopeTable | undefined;
  readonly #inputs: ReadonlySet<string>;

  /** @param positions learned position embeddings, for families that have them. */
  constructor(config: DecoderConfig, executable: Executable, embeddings: EmbeddingRows, positions?: EmbeddingRows) {
    this.config = config;
    this.#executable = executable;
    this.#embeddings = embeddings;
    this.#positions = positions;
    this.#globalRope = new RopeTable(config.rope, config.headDim);
    this.#localRope = config.localRope && new RopeTable(config.localRope, config.headDim);
    this.#inputs = new Set(executable.graph.inputs.map((x) => x.name));
  }

  /**
   * Runs up to 64 rows after what the cache holds; the cache is not changed.
   * @throws `argument` for a token outside of the vocabulary, a mixture without a finite weight for each token, a parent that is not an
   * earlier row, too many rows, or rows that reach past the next block boundary.
   */
  async step(cache: KvCache, request: StepRequest): Promise<StepResult> {
    const { tokens, parents, wanted, outputs = [] } = request;
    const rows = tokens.length;
    const { headCount, kvHeadCount } = this.config;
    const groups = headCount / kvHeadCount;
    if (rows < 1 || rows > blockLength) fail("argument", `step: ${rows} rows; a step takes 1 to ${blockLength}`);
    // a product of two run-time matrices must never have a single row, or it would be summed in another order
    const n = groups === 1 && rows === 1 ? 2 : rows;
    const depths = this.#depths(parents, rows);
    const positions = depths.map((depth) => cache.length + depth);
    while (positions.length < n) positions.push(positions[0]!);
    for (const p of positions)
      if (p >= cache.boundary + blockLength)
        fail(
          "argument",
          `step: position ${p} lies past the next boundary ${cache.boundary + blockLength}; cut the draft there`,
        );
    const feeds: Record<string, NDArray> = {
      embeddings: this.#embed(request, positions, n),
      rows: NDArray.from(
        positions.map((_, i) => i),
        [1, n],
        "i64",
      ),
      wanted: NDArray.from(wanted ?? tokens.map((_, i) => i), [wanted?.length ?? rows], "i64"),
      ones: new NDArray(new Float32Array(kvHeadCount * n).fill(1), [1, kvHeadCount, n, 1], "f32"),
      longOff: NDArray.from([cache.boundary ? 0 : -hidden]),
      recentMask: this.#recentMask(cache, parents, n, groups),
    };
    if (this.#inputs.has("recentMaskLocal"))
      feeds.recentMaskLocal = this.#recentMask(cache, parents, n, groups, this.config.slidingWindow);
    this.#angles(feeds, positions);
    if (this.#inputs.has("longMask")) feeds.longMask = this.#longMask(cache, positions, groups);
    cache.feed(feeds);
    const names = ["logits", "keys", "values", ...outputs];
    const { logits, keys, values, ...extra } = await this.#executable.run(feeds, { outputs: names });
    const rowsOf = (x: NDArray) => x.reshape(x.shape.slice(1));
    return {
      logits: rowsOf(logits!),
      keys: keys!,
      values: values!,
      extra: Object.fromEntries(Object.entries(extra).map(([name, x]) => [name, rowsOf(x as NDArray)])),
    };
  }

  /** Depth of every row below the cache, 0 for the first. */
  #depths(parents: readonly number[] | undefined, rows: number): number[] {
    if (!parents) return Array.from({ length: rows }, (_, i) => i);
    if (parents.length !== rows) fail("argument", `step: ${parents.length} parents for ${rows} rows`);
    const depths: number[] = [];
    parents.forEach((parent, i) => {
      if (!Number.isInteger(parent) || parent < -1 || parent >= i)
        fail("argument", `step: row ${i} has parent ${parent}; it must be an earlier row or −1`);
      depths.push(parent < 0 ? 0 : depths[parent]! + 1);
    });
    return depths;
  }

  /** Writes a token's embedding to `out` at `offset`. */
  #readToken(token: number, out: Float32Array, offset: number): void {
    const { vocabSize } = this.config;
    if (!Number.isInteger(token) || token < 0 || token >= vocabSize)
      fail("argument", `step: token ${token} is outside of the vocabulary of ${vocabSize}`);
    this.#embeddings.read(token, out, offset);
  }

  /** Writes the weighted sum of some tokens' embeddings to `out`, which holds zeros there. */
  #mix({ tokens, weights }: TokenMixture, out: Float32Array, offset: number): void {
    if (!tokens.length || tokens.length !== weights.length || !weights.every(Number.isFinite))
      fail(
        "argument",
        `step: a mixture of tokens ${JSON.stringify(tokens)} with weights ${JSON.stringify(weights)}; give at least one token, and a finite weight for each`,
      );
    const row = new Float32Array(this.config.hiddenSize);
    tokens.forEach((token, i) => {
      this.#readToken(token, row, 0);
      for (let c = 0; c < row.length; c++) out[offset + c]! += weights[i]! * row[c]!;
    });
  }

  #embed({ tokens, mixtures }: StepRequest, positions: readonly number[], n: number): NDArray {
    const { hiddenSize, embeddingScale } = this.config;
    const out = new Float32Array(n * hiddenSize);
    tokens.forEach((token, i) => {
      const mixture = mixtures?.[i];
      if (mixture) this.#mix(mixture, out, i * hiddenSize);
      else this.#readToken(token, out, i * hiddenSize);
    });
    if (n > tokens.length) out.copyWithin(hiddenSize, 0, hiddenSize);
    if (embeddingScale !== 1) for (let i = 0; i < out.length; i++) out[i]! *= embeddingScale;
    if (this.#positions) {
      const row = new Float32Array(hiddenSize);
      positions.forEach((p, i) => {
        this.#positions!.read(p, row, 0);
        for (let c = 0; c < hiddenSize; c++) out[i * hiddenSize + c]! += row[c]!;
      });
    }
    return new NDArray(out, [1, n, hiddenSize], "f32");
  }

  #angles(feeds: Record<string, NDArray>, positions: readonly number[]): void {
    for (const [name, table] of [
      ["global", this.#globalRope],
      ["local", this.#localRope],
    ] as const) {
      if (!table || !this.#inputs.has(`cos.${name}`)) continue;
      const cos = new Float32Array(positions.length * table.width);
      const sin = new Float32Array(positions.length * table.width);
      table.fill(positions, cos, sin);
      feeds[`cos.${name}`] = new NDArray(cos, [positions.length, table.width], "f32");
      feeds[`sin.${name}`] = new NDArray(sin, [positions.length, table.width], "f32");
    }
  }

  /**
   * Who sees whom among tail and new rows: the tail's committed columns, a row's ancestors, and itself; all of them only
   * as far as the window reaches, if there is one.
   */
  #recentMask(
    cache: KvCache,
    parents: readonly number[] | undefined,
    n: number,
    groups: number,
    window = Number.POSITIVE_INFINITY,
  ): NDArray {
    const width = blockLength + n;
    const mask = new Float32Array(groups * n * width).fill(hidden);
    const committed = cache.length - cache.boundary;
    for (let i = 0; i < n; i++) {
      const row = mask.subarray(i * width, (i + 1) * width);
      let seen = 0;
      for (let j = i; j >= 0 && seen < window; j = parents ? (parents[j] ?? -1) : j - 1, seen++)
        row[blockLength + j] = 0;
      row.fill(0, Math.max(0, committed + seen - window), committed);
    }
    for (let g = 1; g < groups; g++) mask.copyWithin(g * n * width, 0, n * width);
    return new NDArray(mask, [groups * n, width], "f32");
  }

  /** Which keys of a local layer's long part lie outside of each row's window. */
  #longMask(cache: KvCache, positions: readonly number[], groups: number): NDArray {
    const n = positions.length;
    const window = this.config.slidingWindow ?? Number.POSITIVE_INFINITY;
    const width = cache.longColumns.local;
    const start = cache.localStart;
    const mask = new Float32Array(groups * n * width);
    positions.forEach((p, i) => {
      const outside = Math.max(0, p - window + 1 - start);
      mask.fill(hidden, i * width, i * width + Math.min(width, outside));
    });
    for (let g = 1; g < groups; g++) mask.copyWithin(g * n * width, 0, n * width);
    return new NDArray(mask, [groups * n, width], "f32");
  }

  /** The step's graph, for inspection and export. */
  get lowered(): LoweredGraph {
    return this.#executable.lowered;
  }

  /** Time of every node since loading, for models loaded with `profile`; the model is used up. */
  profile(): Promise<NodeTiming[]> {
    return this.#executable.profile();
  }

  /** Frees the engine's memory. */
  dispose(): Promise<void> {
    return this.#executable.dispose();
  }
}

/**
 * Keys and values of one sequence. Only rows that are committed enter it, so a rejected draft leaves no trace. Rows
 * before the last block boundary lie in long arrays that are handed to the engine as they are; rows since then in a tail.
 */
import { assert, fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import { headPieces } from "./canonical-attention.ts";
import type { DecoderConfig } from "./config.ts";
import { blockLength } from "./step-graph.ts";

/** Columns that `count` tokens of the long part take: a function of the count alone, so that sums stay canonical. */
export function longCapacity(count: number): number {
  const unit = count <= 512 ? blockLength : count <= 1024 ? 2 * blockLength : 4 * blockLength;
  return Math.max(blockLength, Math.ceil(count / unit) * unit);
}

/** One array of the cache: a long part and a tail, `[1, kvHeads, columns, width]` each. */
interface Lane {
  readonly width: number;
  readonly local: boolean;
  /** Whether this holds values (whose padding is zero) or keys (whose padding repeats the last key). */
  readonly values: boolean;
  readonly tail: NDArray;
  long: NDArray;
}

/**
 * First position that a local layer still needs once the boundary is `boundary`; at least one before it, so that the long
 * part is never empty behind a boundary.
 */
function localStart(boundary: number, window: number): number {
  return Math.floor(Math.max(0, boundary - Math.max(window, 2) + 1) / blockLength) * blockLength;
}

/** Positions that a long part has memory for at least, so that most sequences are never moved to a larger array. */
const leastRoom = 2048;

/** An array for `length` elements and for as many more as growing to {@link leastRoom} or twice the size would take. */
function newRoom(length: number, perColumn: number): Float32Array {
  let room = leastRoom * perColumn;
  while (room < length) room *= 2;
  // pages of it that are not written take no memory
  return new Float32Array(room);
}

/**
 * Gives a long part another capacity and leaves its first `dropped` columns out; columns after the `kept` ones hold
 * anything. A part that only grows stays where it is while its memory lasts: a new array for every block would leave the
 * old ones to the garbage collector, which comes late.
 */
function regrow(lane: Lane, heads: number, capacity: number, kept: number, dropped: number): Float32Array {
  const { width } = lane;
  const source = lane.long.data as Float32Array;
  const oldCapacity = lane.long.shape[2]!;
  if (capacity === oldCapacity && !dropped) return source;
  const length = heads * capacity * width;
  const inPlace = !dropped && capacity > oldCapacity && source.buffer.byteLength >= 4 * length;
  const target = inPlace
    ? new Float32Array(source.buffer, 0, length)
    : lane.local
      ? new Float32Array(length)
      : newRoom(length, heads * width).subarray(0, length);
  // from the last head on, because in place the heads move apart
  for (let h = heads - 1; h >= 0 && kept > 0; h--) {
    const from = (h * oldCapacity + dropped) * width;
    if (inPlace) target.copyWithin(h * capacity * width, from, from + kept * width);
    else target.set(source.subarray(from, from + kept * width), h * capacity * width);
  }
  lane.long = new NDArray(target, [1, heads, capacity, width], "f32");
  return target;
}

/** Fills a head's columns after its last one: they repeat the last key, so as not to raise the largest score; values are zero. */
function padColumns(
  target: Float32Array,
  start: number,
  count: number,
  capacity: number,
  width: number,
  values: boolean,
): void {
  const end = start + count * width;
  if (values) target.fill(0, end, start + capacity * width);
  else for (let c = count; c < capacity; c++) target.copyWithin(start + c * width, end - width, end);
}

/** Keys and values of one sequence. */
export class KvCache {
  readonly #config: DecoderConfig;
  readonly #lanes: Lane[] = [];
  readonly #names: string[] = [];
  #length = 0;

  constructor(config: DecoderConfig) {
    this.#config = config;
    const { layerCount, kvHeadCount, headDim, localLayers } = config;
    const lane = (name: string, layer: number, width: number, values: boolean) => {
      this.#names.push(`${layer}.${name}`);
      this.#lanes.push({
        width,
        local: localLayers[layer] ?? false,
        values,
        tail: NDArray.zeros([1, kvHeadCount, blockLength, width]),
        long: NDArray.zeros([1, kvHeadCount, blockLength, width]),
      });
    };
    for (let layer = 0; layer < layerCount; layer++) {
      headPieces(headDim).forEach((piece, i) => {
        lane(`k${i}`, layer, piece, false);
      });
      lane("v", layer, headDim + 1, true);
    }
  }

  /** Number of committed tokens. */
  get length(): number {
    return this.#length;
  }

  /** Position of the boundary between long part and tail. */
  get boundary(): number {
    return Math.floor(this.#length / blockLength) * blockLength;
  }

  /** Rows that one step may still add before it has to stop at the next boundary. */
  get room(): number {
    return this.boundary + blockLength - this.#length;
  }

  /** First position that local layers hold in their long part. */
  get localStart(): number {
    return localStart(this.boundary, this.#config.slidingWindow ?? Number.POSITIVE_INFINITY);
  }

  /** Columns of the long part, of global and of local layers. */
  get longColumns(): { readonly global: number; readonly local: number } {
    return { global: longCapacity(this.boundary), local: longCapacity(this.boundary - this.localStart) };
  }

  /** Bytes that the cache takes. */
  get byteLength(): number {
    return this.#lanes.reduce((sum, lane) => sum + lane.long.data.byteLength + lane.tail.data.byteLength, 0);
  }

  /** Adds the cache's arrays to a step's feeds. */
  feed(feeds: Record<string, NDArray>): void {
    this.#lanes.forEach((lane, i) => {
      feeds[`long.${this.#names[i]}`] = lane.long;
      feeds[`tail.${this.#names[i]}`] = lane.tail;
    });
  }

  /**
   * Appends rows of a step's outputs, in the order given.
   * @param keys `[layers · pieces, kvHeads, n, piece]`. @param values `[layers, kvHeads, n, headDim + 1]`.
   * @throws `argument` when the rows would cross the next boundary, or are not rows of the step.
   */
  commit(keys: NDArray, values: NDArray, rows: readonly number[]): void {
    const n = keys.shape[2]!;
    const wrong = rows.find((row) => !Number.isInteger(row) || row < 0 || row >= n);
    if (wrong !== undefined) fail("argument", `commit: row ${wrong} is not one of the step's ${n} rows`);
    if (rows.length > this.room)
      fail(
        "argument",
        `commit: ${rows.length} rows do not fit before the next boundary, ${this.room} do; commit them in two steps`,
      );
    const { kvHeadCount } = this.#config;
    const at = this.#length - this.boundary;
    let key = 0;
    let value = 0;
    for (const lane of this.#lanes) {
      const source = (lane.values ? values.data : keys.data) as Float32Array;
      const first = lane.values ? value : key;
      const tail = lane.tail.data as Float32Array;
      const { width } = lane;
      for (let h = 0; h < kvHeadCount; h++)
        for (let i = 0; i < rows.length; i++) {
          const from = ((first + h) * n + rows[i]!) * width;
          const to = (h * blockLength + at + i) * width;
          // short runs: a plain loop beats creating a view
          for (let c = 0; c < width; c++) tail[to + c] = source[from + c]!;
        }
      if (lane.values) value += kvHeadCount;
      else key += kvHeadCount;
    }
    const before = this.boundary;
    const startBefore = this.localStart;
    this.#length += rows.length;
    if (this.boundary > before) this.#flush(before, startBefore);
  }

  /** Moves a full tail to the long part. */
  #flush(before: number, startBefore: number): void {
    const { kvHeadCount } = this.#config;
    const columns = this.longColumns;
    for (const lane of this.#lanes) {
      const { width, values } = lane;
      const start = lane.local ? this.localStart : 0;
      const capacity = lane.local ? columns.local : columns.global;
      const kept = before - start;
      const target = regrow(lane, kvHeadCount, capacity, kept, start - (lane.local ? startBefore : 0));
      const tail = lane.tail.data as Float32Array;
      for (let h = 0; h < kvHeadCount; h++) {
        const to = h * capacity * width;
        target.set(tail.subarray(h * blockLength * width, (h + 1) * blockLength * width), to + kept * width);
        padColumns(target, to, kept + blockLength, capacity, width, values);
      }
    }
  }

  /** A copy that grows by itself: how a prefix is shared. */
  fork(): KvCache {
    const copy = new KvCache(this.#config);
    copy.#length = this.#length;
    this.#lanes.forEach((lane, i) => {
      const other = copy.#lanes[i]!;
      (other.tail.data as Float32Array).set(lane.tail.data as Float32Array);
      const { shape, data } = lane.long;
      const room = newRoom(shape[1]! * shape[2]! * lane.width, shape[1]! * lane.width);
      room.set(data as Float32Array);
      other.long = new NDArray(room.subarray(0, data.length), shape, "f32");
    });
    return copy;
  }

  /**
   * Forgets everything from position `length` on.
   * @returns false, changing nothing, when a sliding window has already dropped rows that would be needed; the caller
   * then starts over from an empty cache.
   */
  truncate(length: number): boolean {
    if (length < 0 || length > this.#length) fail("argument", `truncate: ${length} is outside of 0…${this.#length}`);
    const boundary = Math.floor(length / blockLength) * blockLength;
    if (boundary === this.boundary) {
      this.#length = length;
      return true;
    }
    const window = this.#config.slidingWindow;
    const hasLocal = this.#lanes.some((lane) => lane.local);
    if (hasLocal && window !== undefined && this.localStart > 0) return false;
    const { kvHeadCount } = this.#config;
    const oldBoundary = this.boundary;
    this.#length = length;
    const capacity = longCapacity(boundary);
    for (const lane of this.#lanes) {
      const { width } = lane;
      const old = lane.long.data as Float32Array;
      const oldCapacity = lane.long.shape[2]!;
      const target = new Float32Array(kvHeadCount * capacity * width);
      const tail = lane.tail.data as Float32Array;
      assert(oldBoundary <= oldCapacity, "the long part holds all rows before the boundary");
      for (let h = 0; h < kvHeadCount; h++) {
        const from = h * oldCapacity * width;
        tail.set(old.subarray(from + boundary * width, from + length * width), h * blockLength * width);
        target.set(old.subarray(from, from + boundary * width), h * capacity * width);
        if (boundary) padColumns(target, h * capacity * width, boundary, capacity, width, lane.values);
      }
      lane.long = new NDArray(target, [1, kvHeadCount, capacity, width], "f32");
    }
    return true;
  }
}

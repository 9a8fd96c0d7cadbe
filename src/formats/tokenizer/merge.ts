/**
 * The greedy merge loop that byte-pair encoding and SentencePiece's score merging share: of all neighbouring pairs the
 * one of lowest rank is merged first, the leftmost among equals. Works on ids only; n log n in the number of symbols.
 */

/** Which neighbours may merge. */
export interface MergeRules {
  /** Rank of the pair, lowest first, below 2^22; -1 when it does not merge. */
  rankOf(left: number, right: number): number;
  /** Id of the merged pair; only asked for pairs that merge. */
  mergedOf(left: number, right: number): number;
}

/** A hash table from pairs of ids to one number; open addressing over integers, several times faster than a `Map`. */
export class PairTable {
  #left: Int32Array;
  #right: Int32Array;
  #value: Int32Array;
  #mask: number;
  #count = 0;
  /** Differs from table to table, so that no file can be made whose pairs all want the same slot. */
  #seed = Math.floor(Math.random() * 2 ** 32) | 0;

  /** @param expected number of pairs to have room for; it grows beyond. */
  constructor(expected: number) {
    let capacity = 64;
    while (capacity < 2 * expected) capacity *= 2;
    this.#left = new Int32Array(capacity).fill(-1);
    this.#right = new Int32Array(capacity);
    this.#value = new Int32Array(capacity);
    this.#mask = capacity - 1;
  }

  /** Number of pairs. */
  get count(): number {
    return this.#count;
  }

  #slot(left: number, right: number): number {
    let hash = Math.imul(left ^ this.#seed, 0x9e3779b1) ^ Math.imul(right + this.#seed, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35);
    let slot = (hash ^ (hash >>> 13)) & this.#mask;
    while (this.#left[slot] !== -1 && (this.#left[slot] !== left || this.#right[slot] !== right))
      slot = (slot + 1) & this.#mask;
    return slot;
  }

  /** Value of a pair; `undefined` when it is absent. */
  get(left: number, right: number): number | undefined {
    const slot = this.#slot(left, right);
    return this.#left[slot] === -1 ? undefined : this.#value[slot];
  }

  /** Sets the value of a pair of non-negative ids; the first value stays if `keep`. */
  set(left: number, right: number, value: number, keep = false): void {
    const slot = this.#slot(left, right);
    if (this.#left[slot] === -1) {
      if (2 * ++this.#count > this.#mask) {
        this.#grow();
        this.set(left, right, value);
        this.#count--;
        return;
      }
      this.#left[slot] = left;
      this.#right[slot] = right;
    } else if (keep) return;
    this.#value[slot] = value;
  }

  #grow(): void {
    const [left, right, value] = [this.#left, this.#right, this.#value];
    const bigger = new PairTable(left.length);
    for (let i = 0; i < left.length; i++) if (left[i] !== -1) bigger.set(left[i], right[i], value[i]);
    this.#left = bigger.#left;
    this.#right = bigger.#right;
    this.#value = bigger.#value;
    this.#mask = bigger.#mask;
    this.#seed = bigger.#seed;
  }
}

const few = 48;
const fewRanks = new Int32Array(few);

/** For short words: looks for the lowest rank anew after each merge. */
function mergeFew(ids: Int32Array, count: number, rules: MergeRules): number {
  const ranks = fewRanks;
  for (let i = 0; i + 1 < count; i++) ranks[i] = rules.rankOf(ids[i], ids[i + 1]);
  for (;;) {
    let best = -1;
    for (let i = 0; i + 1 < count; i++) if (ranks[i] >= 0 && (best < 0 || ranks[i] < ranks[best])) best = i;
    if (best < 0) return count;
    ids[best] = rules.mergedOf(ids[best], ids[best + 1]);
    ids.copyWithin(best + 1, best + 2, count);
    ranks.copyWithin(best + 1, best + 2, count - 1);
    count--;
    if (best > 0) ranks[best - 1] = rules.rankOf(ids[best - 1], ids[best]);
    if (best + 1 < count) ranks[best] = rules.rankOf(ids[best], ids[best + 1]);
  }
}

/** A binary heap of keys `rank * 2^31 + position`: its least element is the leftmost pair of lowest rank. */
class PairHeap {
  #keys: Float64Array;
  #size = 0;

  constructor(capacity: number) {
    this.#keys = new Float64Array(capacity);
  }

  push(key: number): void {
    if (this.#size === this.#keys.length) {
      const bigger = new Float64Array(2 * this.#size + 16);
      bigger.set(this.#keys);
      this.#keys = bigger;
    }
    const keys = this.#keys;
    let i = this.#size++;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (keys[parent] <= key) break;
      keys[i] = keys[parent];
      i = parent;
    }
    keys[i] = key;
  }

  /** The least key; -1 when empty. */
  pop(): number {
    if (this.#size === 0) return -1;
    const keys = this.#keys;
    const least = keys[0];
    const last = keys[--this.#size];
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= this.#size) break;
      if (child + 1 < this.#size && keys[child + 1] < keys[child]) child++;
      if (keys[child] >= last) break;
      keys[i] = keys[child];
      i = child;
    }
    keys[i] = last;
    return least;
  }
}

const positions = 2 ** 31;

function mergeMany(ids: Int32Array, count: number, rules: MergeRules): number {
  const next = new Int32Array(count);
  const previous = new Int32Array(count);
  const heap = new PairHeap(count);
  for (let i = 0; i < count; i++) {
    next[i] = i + 1 < count ? i + 1 : -1;
    previous[i] = i - 1;
    const rank = i + 1 < count ? rules.rankOf(ids[i], ids[i + 1]) : -1;
    if (rank >= 0) heap.push(rank * positions + i);
  }
  const gone = -2;
  for (let key = heap.pop(); key >= 0; key = heap.pop()) {
    const rank = Math.floor(key / positions);
    const i = key - rank * positions;
    const j = next[i];
    // an entry is stale when its pair has since merged with something else
    if (j < 0 || ids[i] === gone || rules.rankOf(ids[i], ids[j]) !== rank) continue;
    ids[i] = rules.mergedOf(ids[i], ids[j]);
    ids[j] = gone;
    next[i] = next[j];
    if (next[j] >= 0) {
      previous[next[j]] = i;
      const after = rules.rankOf(ids[i], ids[next[j]]);
      if (after >= 0) heap.push(after * positions + i);
    }
    if (previous[i] >= 0) {
      const before = rules.rankOf(ids[previous[i]], ids[i]);
      if (before >= 0) heap.push(before * positions + previous[i]);
    }
  }
  let kept = 0;
  for (let i = 0; i >= 0 && i < count; i = next[i]) ids[kept++] = ids[i];
  return kept;
}

/** Merges the first `count` of `ids` in place; returns how many symbols are left. Negative ids never merge. */
export function mergeSymbols(ids: Int32Array, count: number, rules: MergeRules): number {
  if (count < 2) return count;
  return count <= few ? mergeFew(ids, count, rules) : mergeMany(ids, count, rules);
}

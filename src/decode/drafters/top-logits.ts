/**
 * The runners-up of a step: what drafters recycle.
 */

/** Writes the largest logits and their ids, largest first and the smaller id first on ties; as many as the arrays hold. */
export function topLogits(logits: Float32Array, ids: Int32Array, values: Float32Array): void {
  values.fill(Number.NEGATIVE_INFINITY);
  ids.fill(0);
  let least = Number.NEGATIVE_INFINITY;
  for (let id = 0; id < logits.length; id++) {
    const value = logits[id]!;
    if (value <= least) continue;
    let at = ids.length - 1;
    for (; at > 0 && values[at - 1]! < value; at--) {
      values[at] = values[at - 1]!;
      ids[at] = ids[at - 1]!;
    }
    values[at] = value;
    ids[at] = id;
    least = values[ids.length - 1]!;
  }
}

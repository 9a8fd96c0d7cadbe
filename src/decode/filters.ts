/**
 * Which tokens may be chosen, and how likely each is: temperature, top-k, typical, top-p and min-p, in this order. Knows
 * nothing of what was said before.
 */
import type { SamplingOptions } from "./options.ts";

/** Tokens that may be chosen, in a fixed order, with probabilities that sum to 1. */
export interface Candidates {
  readonly ids: Uint32Array;
  readonly probabilities: Float64Array;
}

/** Tokens that are left. Costs are how far a logit lies below the highest, after temperature. */
interface Left {
  readonly ids: Uint32Array;
  readonly costs: Float32Array;
}

function pick({ ids, costs }: Left, at: Uint32Array): Left {
  const left = { ids: new Uint32Array(at.length), costs: new Float32Array(at.length) };
  for (let i = 0; i < at.length; i++) {
    left.ids[i] = ids[at[i]!]!;
    left.costs[i] = costs[at[i]!]!;
  }
  return left;
}

/** What each token weighs: its probability before normalisation. */
function weightsOf({ costs }: Left): Float64Array {
  const weights = new Float64Array(costs.length);
  for (let i = 0; i < costs.length; i++) weights[i] = Math.exp(-costs[i]!);
  return weights;
}

function sum(values: Float64Array): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i]!;
  return total;
}

const bins = 512;
/** Costs beyond this share the last bin; only e^-32 of the mass lies there. */
const span = 32;

function binOf(cost: number): number {
  return cost >= span ? bins - 1 : Math.floor((cost / span) * (bins - 1));
}

/**
 * Positions by rising cost (earlier ones first on ties): the fewest that make `count`, or that together weigh `mass`. A
 * histogram bounds them beforehand, so that only few have to be sorted.
 */
function leading(costs: Float32Array, count: number, weights?: Float64Array, mass = 0): Uint32Array {
  const counts = new Uint32Array(bins);
  const masses = new Float64Array(bins);
  for (let i = 0; i < costs.length; i++) {
    const bin = binOf(costs[i]!);
    counts[bin]!++;
    if (weights) masses[bin]! += weights[i]!;
  }
  let last = 0;
  let bounded = 0;
  let weighed = 0;
  for (; ; last++) {
    bounded += counts[last]!;
    weighed += masses[last]!;
    if (last === bins - 1 || bounded >= count || (weights && bounded && weighed >= mass)) break;
  }
  // one bin of slack, because sums in another order may round the other way
  if (weights && last < bins - 1) bounded += counts[++last]!;
  const order = new Uint32Array(bounded);
  for (let i = 0, at = 0; at < bounded; i++) if (binOf(costs[i]!) <= last) order[at++] = i;
  order.sort((a, b) => costs[a]! - costs[b]! || a - b);
  let taken = 0;
  for (let reached = 0; taken < bounded && taken < count; taken++) {
    if (weights && taken && reached >= mass) break;
    reached += weights?.[order[taken]!] ?? 0;
  }
  return order.subarray(0, taken);
}

/** Positions whose cost is at most `distance` above the lowest. */
function within(costs: Float32Array, distance: number): Uint32Array {
  let lowest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < costs.length; i++) lowest = Math.min(lowest, costs[i]!);
  const order = new Uint32Array(costs.length);
  let count = 0;
  for (let i = 0; i < costs.length; i++) if (costs[i]! <= lowest + distance) order[count++] = i;
  return order.subarray(0, count);
}

/** How far each token's surprise is from the entropy of all of them (Meister et al. 2023). */
function atypicality({ costs }: Left, weights: Float64Array): Float32Array {
  const total = sum(weights);
  let entropy = Math.log(total);
  for (let i = 0; i < costs.length; i++) if (weights[i]! > 0) entropy += (weights[i]! / total) * costs[i]!;
  return costs.map((cost) => Math.abs(Math.log(total) + cost - entropy));
}

/**
 * Applies temperature and filters to logits.
 * @param logits `[vocabulary]`, not all of them infinite. @param highest the largest of them.
 */
export function candidatesOf(logits: Float32Array, highest: number, options: SamplingOptions): Candidates {
  const { temperature = 1, topK = 0, topP = 1, minP = 0, typicalP = 1 } = options;
  const size = logits.length;
  let left: Left = { ids: new Uint32Array(size), costs: new Float32Array(size) };
  for (let i = 0; i < size; i++) {
    left.ids[i] = i;
    const cost = (highest - logits[i]!) / temperature;
    left.costs[i] = cost >= 0 ? cost : Number.POSITIVE_INFINITY; // a NaN is never chosen
  }
  if (topK > 0) left = pick(left, leading(left.costs, topK));
  if (typicalP < 1) {
    const weights = weightsOf(left);
    left = pick(left, leading(atypicality(left, weights), size, weights, typicalP * sum(weights)));
  }
  if (topP < 1) {
    const weights = weightsOf(left);
    left = pick(left, leading(left.costs, size, weights, topP * sum(weights)));
  }
  if (minP > 0) left = pick(left, within(left.costs, -Math.log(minP)));
  const probabilities = weightsOf(left);
  const total = sum(probabilities);
  for (let i = 0; i < probabilities.length; i++) probabilities[i]! /= total;
  return { ids: left.ids, probabilities };
}

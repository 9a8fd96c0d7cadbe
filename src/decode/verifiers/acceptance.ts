/**
 * How likely it is that a node's drafts are accepted, by formula: under each rule, and at best. `p` is what the children were drawn
 * from and `q` the target, both `[vocabulary]` and of sum 1. Nothing is drawn except where it says so.
 */
import { fail } from "../../util/errors.ts";
import type { Random } from "../../util/random.ts";
import { takeOut, takeResidual } from "./rejection.ts";

/** Σ min(p, q): how often one draw is accepted. */
function overlap(p: Float64Array, q: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < p.length; i++) sum += Math.min(p[i]!, q[i]!);
  return sum;
}

/**
 * The best acceptance that any coupling of the target with 1, 2, … `most` independent draws can have (Sun et al. 2023): the linear
 * programme's minimum cut, 1 + min over sets A of tokens of q(A) − p(A)^k, lies at a set of the tokens with the least q/p.
 * @returns one number for each count of draws; time O(V log V).
 */
export function optimalAcceptance(p: Float64Array, q: Float64Array, most: number): number[] {
  const tokens = Array.from(p.keys()).filter((i) => p[i]! > 0);
  const ratios = p.map((x, i) => q[i]! / x);
  tokens.sort((a, b) => ratios[a]! - ratios[b]!);
  const least = new Array<number>(most).fill(0);
  let pSum = 0;
  let qSum = 0;
  for (const token of tokens) {
    pSum += p[token]!;
    qSum += q[token]!;
    let power = 1;
    for (let k = 0; k < most; k++) {
      power *= pSum;
      least[k] = Math.min(least[k]!, qSum - power);
    }
  }
  return least.map((cut) => 1 + cut);
}

/** How often one of `count` independent draws is accepted when each is tried against what the ones before have left. */
export function repeatedRejectionAcceptance(p: Float64Array, q: Float64Array, count: number): number {
  const left = q.slice();
  let refused = 1;
  for (let i = 0; i < count; i++) {
    refused *= 1 - overlap(p, left);
    takeResidual(left, p);
  }
  return 1 - refused;
}

/**
 * How often one of `count` draws without replacement is accepted by recursive rejection sampling. What is left depends on which tokens were
 * refused: all ways are followed, V^(count − 1) of them, or as many as are drawn.
 * @param sampled random numbers, and how many ways to follow; the mean over those is unbiased.
 * @throws `argument` for more than a million ways.
 */
export function distinctRejectionAcceptance(
  p: Float64Array,
  q: Float64Array,
  count: number,
  sampled?: { readonly random: Random; readonly ways: number },
): number {
  if (!sampled) {
    if (p.length ** (count - 1) > 1e6)
      fail(
        "argument",
        `${p.length} tokens and ${count} draws have too many ways to go; follow some of them (\`sampled\`)`,
      );
    return 1 - refusedAlways(p, q, count);
  }
  let refused = 0;
  for (let i = 0; i < sampled.ways; i++) refused += refusedOnce(p, q, count, sampled.random);
  return 1 - refused / sampled.ways;
}

/** How often all draws are refused. */
function refusedAlways(p: Float64Array, q: Float64Array, count: number): number {
  if (count === 1) return 1 - overlap(p, q);
  const left = q.slice();
  takeResidual(left, p);
  let sum = 0;
  for (let token = 0; token < p.length; token++) {
    const refused = p[token]! - q[token]!;
    if (refused <= 0) continue;
    const rest = p.slice();
    sum += refused * (takeOut(rest, token) ? refusedAlways(rest, left, count - 1) : 1);
  }
  return sum;
}

/** The same on one way, with refused tokens drawn as often as they are refused. */
function refusedOnce(p: Float64Array, q: Float64Array, count: number, random: Random): number {
  const law = p.slice();
  const target = q.slice();
  let all = 1;
  for (let i = 0; ; i++) {
    const refused = Math.max(0, 1 - overlap(law, target));
    all *= refused;
    if (i + 1 === count || all === 0) return all;
    let rest = random.next() * refused;
    let taken = -1;
    for (let token = 0; token < law.length && rest >= 0; token++) {
      const excess = law[token]! - target[token]!;
      if (excess <= 0) continue;
      taken = token;
      rest -= excess;
    }
    takeResidual(target, law);
    if (taken < 0 || !takeOut(law, taken)) return all;
  }
}

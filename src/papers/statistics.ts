/**
 * The statistics that cards judge by: tests of counts against a law, and errors of means. Knows no paper.
 */
import { fail } from "../util/errors.ts";
import { Random } from "../util/random.ts";

/** Natural logarithm of the gamma function of a positive number, by Stirling's series. */
function logGamma(x: number): number {
  let shift = 0;
  let at = x;
  for (; at < 15; at++) shift -= Math.log(at);
  const inverse = 1 / (at * at);
  const series = (1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse / 1680))) / at;
  return shift + (at - 0.5) * Math.log(at) - at + 0.5 * Math.log(2 * Math.PI) + series;
}

/** Upper regularised incomplete gamma function Q(a, x): by its series below a + 1, by its continued fraction above. */
function upperGamma(a: number, x: number): number {
  if (x <= 0) return 1;
  const scale = Math.exp(a * Math.log(x) - x - logGamma(a));
  if (x < a + 1) {
    let term = 1 / a;
    let sum = term;
    for (let n = 1; term > sum * 1e-16; n++) {
      term *= x / (a + n);
      sum += term;
    }
    return 1 - scale * sum;
  }
  // Lentz's evaluation from the front; denominators of positive x never vanish
  let b = x + 1 - a;
  let d = 1 / b;
  let c = Number.POSITIVE_INFINITY;
  let value = d;
  for (let n = 1; n < 10_000; n++) {
    const numerator = -n * (n - a);
    b += 2;
    d = 1 / (b + numerator * d);
    c = b + numerator / c;
    value *= c * d;
    if (Math.abs(c * d - 1) < 1e-15) break;
  }
  return scale * value;
}

/** How likely a chi-square variable is to exceed a value. */
export function chiSquareTail(value: number, degreesOfFreedom: number): number {
  return upperGamma(degreesOfFreedom / 2, value / 2);
}

/** What a comparison of counts with a law says. */
export interface LawTest {
  readonly chiSquare: number;
  readonly degreesOfFreedom: number;
  /** How likely counts at least as far from the law are if it holds. */
  readonly pValue: number;
  /** Half the sum of the differences of frequency and probability. */
  readonly totalVariation: number;
}

/**
 * Tests counts against a law. Outcomes that expect fewer than five join the next ones; one that cannot be makes the p-value 0.
 * @throws `argument` when nothing was counted.
 */
export function testLaw(counts: ReadonlyMap<string, number>, law: ReadonlyMap<string, number>): LawTest {
  let draws = 0;
  let impossible = 0;
  for (const [outcome, count] of counts) {
    draws += count;
    if (!((law.get(outcome) ?? 0) > 0)) impossible += count;
  }
  if (!draws) fail("argument", "testLaw: nothing was counted");
  let chiSquare = 0;
  let variation = impossible / draws;
  let cells = 0;
  let expected = 0;
  let seen = 0;
  const outcomes = [...law].filter(([, probability]) => probability > 0);
  outcomes.sort(([, a], [, b]) => a - b);
  for (const [i, [outcome, probability]] of outcomes.entries()) {
    const count = counts.get(outcome) ?? 0;
    variation += Math.abs(count / draws - probability);
    expected += probability * draws;
    seen += count;
    if (expected < 5 && i + 1 < outcomes.length) continue;
    chiSquare += (seen - expected) ** 2 / expected;
    cells++;
    expected = 0;
    seen = 0;
  }
  const degreesOfFreedom = Math.max(1, cells - 1);
  return {
    chiSquare,
    degreesOfFreedom,
    pValue: impossible ? 0 : chiSquareTail(chiSquare, degreesOfFreedom),
    totalVariation: variation / 2,
  };
}

/** A number and its standard error. */
export interface Estimate {
  readonly value: number;
  readonly error: number;
}

/** The ratio of two sums over independent parts, such as tokens and steps over prompts. @throws `argument` for no parts. */
export function ratioOfSums(parts: readonly { readonly numerator: number; readonly denominator: number }[]): Estimate {
  const n = parts.length;
  if (!n) fail("argument", "ratioOfSums: there are no parts");
  const below = parts.reduce((sum, { denominator }) => sum + denominator, 0);
  const value = parts.reduce((sum, { numerator }) => sum + numerator, 0) / below;
  const squares = parts.reduce((sum, part) => sum + (part.numerator - value * part.denominator) ** 2, 0);
  return { value, error: n > 1 ? Math.sqrt((n / (n - 1)) * squares) / below : Number.POSITIVE_INFINITY };
}

/** A mean, and the range that holds it with a certain confidence. */
export interface Interval {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/**
 * Mean of some values and its 95 % bootstrap interval (Efron 1979): means of samples that are drawn from the values with repetition.
 * Of differences of pairs, it says whether one of two things is better on the same cases. @throws `argument` for no values.
 */
export function bootstrapMean(values: readonly number[], seed: number, draws = 2000): Interval {
  if (!values.length) fail("argument", "bootstrapMean: there are no values");
  const random = new Random(seed);
  const means = Array.from({ length: draws }, () => {
    let sum = 0;
    for (let i = 0; i < values.length; i++) sum += values[random.integer(values.length)]!;
    return sum / values.length;
  }).sort((a, b) => a - b);
  const at = (share: number) => means[Math.min(draws - 1, Math.floor(share * draws))]!;
  return { value: values.reduce((a, b) => a + b) / values.length, low: at(0.025), high: at(0.975) };
}

/**
 * How well samples agree with data: distances between two sets of vectors, in 64 bits. Knows no pictures and no features.
 */
import { fail } from "../util/errors.ts";
import { Random } from "../util/random.ts";
import { symmetricEigen, symmetricRoot } from "../util/symmetric.ts";

/** Vectors, one after the other: `[count, size]`. */
export interface VectorSet {
  readonly data: ArrayLike<number>;
  readonly size: number;
}

const countOf = ({ data, size }: VectorSet) => data.length / size;

function check(name: string, a: VectorSet, b: VectorSet, least: number): void {
  if (a.size !== b.size) fail("shape", `${name}: vectors of ${a.size} and of ${b.size} numbers do not compare`);
  for (const set of [a, b])
    if (!Number.isInteger(countOf(set)) || countOf(set) < least)
      fail("shape", `${name}: ${countOf(set)} vectors; there must be at least ${least}, and whole ones`);
}

/** Mean and covariance of vectors. */
export interface Moments {
  readonly mean: Float64Array;
  /** `[size, size]`, unbiased. */
  readonly covariance: Float64Array;
}

/** Mean and covariance of at least two vectors. */
export function momentsOf({ data, size }: VectorSet): Moments {
  const count = data.length / size;
  const mean = new Float64Array(size);
  for (let n = 0; n < count; n++) for (let i = 0; i < size; i++) mean[i] = mean[i]! + data[n * size + i]! / count;
  const covariance = new Float64Array(size * size);
  const off = new Float64Array(size);
  for (let n = 0; n < count; n++) {
    for (let i = 0; i < size; i++) off[i] = data[n * size + i]! - mean[i]!;
    for (let i = 0; i < size; i++)
      for (let j = 0; j < size; j++)
        covariance[i * size + j] = covariance[i * size + j]! + (off[i]! * off[j]!) / (count - 1);
  }
  return { mean, covariance };
}

function product(a: Float64Array, b: Float64Array, n: number): Float64Array {
  const out = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let k = 0; k < n; k++) {
      const left = a[i * n + k]!;
      for (let j = 0; j < n; j++) out[i * n + j] = out[i * n + j]! + left * b[k * n + j]!;
    }
  return out;
}

/** Distance of two normal distributions (Fréchet; FID when features are Inception's): `|m − m'|² + tr(C + C' − 2 (C C')^½)`. */
export function frechetOfMoments(a: Moments, b: Moments): number {
  const n = a.mean.length;
  let sum = 0;
  for (let i = 0; i < n; i++) {
    sum += (a.mean[i]! - b.mean[i]!) ** 2;
    sum += a.covariance[i * n + i]! + b.covariance[i * n + i]!;
  }
  // the trace of (C C')^½ is that of the symmetric (C^½ C' C^½)^½
  const root = symmetricRoot(a.covariance, n);
  const between = product(product(root, b.covariance, n), root, n);
  for (const value of symmetricEigen(between, n).values) sum -= 2 * Math.sqrt(Math.max(0, value));
  return sum;
}

/** Fréchet distance between two sets of features. @throws `shape` for fewer than two vectors, or of different sizes. */
export function frechetDistance(a: VectorSet, b: VectorSet): number {
  check("frechetDistance", a, b, 2);
  return frechetOfMoments(momentsOf(a), momentsOf(b));
}

/** Share `q` of sorted numbers lies below what is returned. */
function quantile(sorted: Float64Array, q: number): number {
  const at = q * (sorted.length - 1);
  const low = Math.floor(at);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low]! + (at - low) * (sorted[high]! - sorted[low]!);
}

/**
 * Sliced Wasserstein distance: root mean square over directions of the distance (2-norm of quantiles) between what both sets are along them.
 * @throws `shape` for empty sets or vectors of different sizes.
 */
export function slicedWasserstein(
  a: VectorSet,
  b: VectorSet,
  { directions = 128, seed = 0 }: { readonly directions?: number; readonly seed?: number } = {},
): number {
  check("slicedWasserstein", a, b, 1);
  const { size } = a;
  const random = new Random(seed);
  const points = Math.max(countOf(a), countOf(b));
  let sum = 0;
  for (let d = 0; d < directions; d++) {
    const direction = random.normals(size);
    const length = Math.hypot(...direction);
    const along = ({ data }: VectorSet) =>
      Float64Array.from({ length: data.length / size }, (_, n) => {
        let dot = 0;
        for (let i = 0; i < size; i++) dot += data[n * size + i]! * direction[i]!;
        return dot / length;
      }).sort();
    const [p, q] = [along(a), along(b)];
    let squares = 0;
    for (let i = 0; i < points; i++) {
      const share = points === 1 ? 0 : i / (points - 1);
      squares += (quantile(p, share) - quantile(q, share)) ** 2;
    }
    sum += squares / points;
  }
  return Math.sqrt(sum / directions);
}

function squaredDistances(a: VectorSet, b: VectorSet): Float64Array {
  const { size } = a;
  const [m, n] = [countOf(a), countOf(b)];
  const out = new Float64Array(m * n);
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let k = 0; k < size; k++) sum += (a.data[i * size + k]! - b.data[j * size + k]!) ** 2;
      out[i * n + j] = sum;
    }
  return out;
}

/**
 * Maximum mean discrepancy with the kernel `exp(−d² / width²)`, squared and unbiased: 0 in the mean when both come from one distribution.
 * @param width the median distance between the sets when absent; give one where discrepancies are compared. @throws `shape` for fewer than two vectors, or of different sizes.
 */
export function meanDiscrepancy(a: VectorSet, b: VectorSet, width?: number): number {
  check("meanDiscrepancy", a, b, 2);
  const across = squaredDistances(a, b);
  const square = width === undefined ? Float64Array.from(across).sort()[across.length >> 1]! || 1 : width ** 2;
  const mean = (distances: Float64Array, own: number) => {
    let sum = 0;
    for (const d of distances) sum += Math.exp(-d / square);
    // a vector's distance to itself says nothing
    return own ? (sum - own) / (own * (own - 1)) : sum / distances.length;
  };
  return mean(squaredDistances(a, a), countOf(a)) + mean(squaredDistances(b, b), countOf(b)) - 2 * mean(across, 0);
}

/** Distance of each vector to the nearest one of another set: samples that are much nearer to training data than new data are copies. */
export function nearestDistances(a: VectorSet, b: VectorSet): Float64Array {
  check("nearestDistances", a, b, 1);
  const n = countOf(b);
  const distances = squaredDistances(a, b);
  return Float64Array.from({ length: countOf(a) }, (_, i) => {
    let least = Number.POSITIVE_INFINITY;
    for (let j = 0; j < n; j++) least = Math.min(least, distances[i * n + j]!);
    return Math.sqrt(least);
  });
}

/**
 * Symmetric matrices in 64 bits: eigenvalues by Jacobi's rotations, and square roots. For the few hundred rows of a covariance.
 */
import { fail } from "./errors.ts";

/** Eigenvalues and eigenvectors: `matrix = vectors · diag(values) · vectorsᵀ`. */
export interface Eigen {
  /** In no particular order. */
  readonly values: Float64Array;
  /** `[n, n]`, row-major; columns are eigenvectors. */
  readonly vectors: Float64Array;
}

/** Eigenvalues and eigenvectors of a symmetric matrix `[n, n]`. @throws `shape` when it is not square, `nan` for one with NaN. */
export function symmetricEigen(matrix: ArrayLike<number>, n: number): Eigen {
  if (matrix.length !== n * n) fail("shape", `symmetricEigen: ${matrix.length} numbers are not [${n}, ${n}]`);
  const a = Float64Array.from(matrix);
  if (a.some(Number.isNaN)) fail("nan", "symmetricEigen: the matrix contains NaN");
  const vectors = new Float64Array(n * n);
  for (let i = 0; i < n; i++) vectors[i * n + i] = 1;
  const total = a.reduce((sum, value) => sum + value * value, 0);
  for (let sweep = 0; sweep < 60; sweep++) {
    let beside = 0;
    for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) beside += 2 * a[p * n + q]! ** 2;
    if (beside <= 1e-28 * total) break;
    for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) rotate(a, vectors, n, p, q);
  }
  return { values: Float64Array.from({ length: n }, (_, i) => a[i * n + i]!), vectors };
}

/** Makes the entry at `[p, q]` vanish. */
function rotate(a: Float64Array, vectors: Float64Array, n: number, p: number, q: number): void {
  const apq = a[p * n + q]!;
  if (apq === 0) return;
  const theta = (a[q * n + q]! - a[p * n + p]!) / (2 * apq);
  const t = (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.hypot(theta, 1));
  const c = 1 / Math.hypot(t, 1);
  const s = t * c;
  for (let k = 0; k < n; k++) {
    const [akp, akq] = [a[k * n + p]!, a[k * n + q]!];
    a[k * n + p] = c * akp - s * akq;
    a[k * n + q] = s * akp + c * akq;
  }
  for (let k = 0; k < n; k++) {
    const [apk, aqk] = [a[p * n + k]!, a[q * n + k]!];
    a[p * n + k] = c * apk - s * aqk;
    a[q * n + k] = s * apk + c * aqk;
    const [vkp, vkq] = [vectors[k * n + p]!, vectors[k * n + q]!];
    vectors[k * n + p] = c * vkp - s * vkq;
    vectors[k * n + q] = s * vkp + c * vkq;
  }
}

/** Square root of a symmetric matrix `[n, n]` without negative eigenvalues; those that rounding made negative count as 0. */
export function symmetricRoot(matrix: ArrayLike<number>, n: number): Float64Array {
  const { values, vectors } = symmetricEigen(matrix, n);
  const out = new Float64Array(n * n);
  for (let k = 0; k < n; k++) {
    const root = Math.sqrt(Math.max(0, values[k]!));
    for (let i = 0; i < n; i++) {
      const left = root * vectors[i * n + k]!;
      for (let j = 0; j < n; j++) out[i * n + j] = out[i * n + j]! + left * vectors[j * n + k]!;
    }
  }
  return out;
}

/**
 * Bounding gradients by their common norm (Pascanu et al. 2013).
 */
import { add, minimum, sqrt, sum, type Tensor } from "../tensor/index.ts";
import { fail } from "../util/errors.ts";

/** Euclidean norm over all elements of all tensors, a scalar. */
export function globalNorm(tensors: readonly Tensor[]): Tensor {
  if (!tensors.length) fail("argument", "globalNorm: there are no tensors");
  return sqrt(tensors.map((x) => sum(x.mul(x))).reduce(add));
}

/**
 * Scales gradients down together so that their norm is at most `maxNorm`.
 * @param epsilon added to the norm before dividing. @returns the gradients, and the norm that they had.
 */
export function clipGlobalNorm(
  gradients: readonly Tensor[],
  maxNorm: number,
  epsilon = 1e-6,
): { readonly gradients: readonly Tensor[]; readonly norm: Tensor } {
  if (!(maxNorm > 0)) fail("argument", `clipGlobalNorm: maxNorm is ${maxNorm}; it must be above 0`);
  const norm = globalNorm(gradients);
  const factor = minimum(norm.add(epsilon).pow(-1).mul(maxNorm), 1);
  return { gradients: gradients.map((g) => g.mul(factor)), norm };
}

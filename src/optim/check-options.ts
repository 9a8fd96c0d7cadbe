/**
 * What optimisers ask of their numbers, in the same words.
 */
import { fail } from "../util/errors.ts";

/** Decays of moments. @throws `argument` outside of `[0, 1)`. */
export function checkBetas(name: string, betas: readonly number[]): void {
  for (const beta of betas)
    if (!(beta >= 0 && beta < 1)) fail("argument", `${name}: betas are ${betas.join(", ")}; they must lie in [0, 1)`);
}

/** Options by name. @throws `argument` for one that is negative, infinite or no number. */
export function checkNotNegative(name: string, options: Readonly<Record<string, number>>): void {
  for (const [option, value] of Object.entries(options))
    if (!(value >= 0 && Number.isFinite(value)))
      fail("argument", `${name}: ${option} is ${value}; it must be a finite number of at least 0`);
}

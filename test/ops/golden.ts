/**
 * Reads golden cases and compares arrays with them, as the goldens' README says. It needs no test runner.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { DType } from "../../src/util/dtype.ts";
import { NDArray } from "../../src/util/ndarray.ts";

/** A tensor as the goldens store it. */
export interface GoldenTensor {
  readonly shape: number[];
  readonly dtype: DType;
  readonly data: (number | string)[];
  readonly base64?: string;
}

/** One golden case. */
export interface GoldenCase {
  readonly name: string;
  readonly op: string;
  // biome-ignore lint/suspicious/noExplicitAny: attributes differ from op to op; the table gives them meaning
  readonly attrs: any;
  readonly inputs: Record<string, GoldenTensor>;
  readonly outputs: Record<string, GoldenTensor>;
  readonly cotangents?: Record<string, GoldenTensor>;
  readonly grads?: Record<string, GoldenTensor>;
  readonly tolerance: Tolerance;
  readonly convention?: string;
}

/** Cases of a family, such as `elementwise`. */
export function goldenCases(family: string): GoldenCase[] {
  return readGoldenCases(fileURLToPath(new URL(`../golden/ops/${family}.json`, import.meta.url)));
}

/** Cases of a file of goldens. */
export function readGoldenCases(path: string): GoldenCase[] {
  return JSON.parse(readFileSync(path, "utf8"));
}

/** The numbers of a stored tensor, whose bytes may be packed. */
function numbersOf({ data, base64 }: GoldenTensor): number[] {
  return base64 === undefined ? data.map(Number) : [...Buffer.from(base64, "base64")];
}

/** A stored tensor as an array. */
export function toArray(tensor: GoldenTensor): NDArray {
  return NDArray.from(numbersOf(tensor), tensor.shape, tensor.dtype);
}

/** How far a value may be from the stored one. */
export interface Tolerance {
  readonly abs: number;
  readonly rel: number;
}

/** Throws unless every element agrees within the tolerance. */
export function expectClose(actual: NDArray, golden: GoldenTensor, tolerance: Tolerance, what: string): void {
  if (String(actual.shape) !== String(golden.shape))
    throw new Error(`${what}: shape is [${actual.shape}], golden [${golden.shape}]`);
  numbersOf(golden).forEach((want, i) => {
    const got = actual.at(i);
    if (Number.isNaN(want) ? Number.isNaN(got) : got === want) return;
    if (golden.dtype === "f32" && Math.abs(got - want) <= tolerance.abs + tolerance.rel * Math.abs(want)) return;
    throw new Error(`${what}: element ${i} is ${got}, golden ${want}`);
  });
}

/**
 * Reads golden cases and compares arrays with them, as the goldens' README says.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
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
  readonly tolerance: { abs: number; rel: number };
  readonly convention?: string;
}

/** Cases of a family, such as `elementwise`. */
export function goldenCases(family: string): GoldenCase[] {
  return JSON.parse(readFileSync(fileURLToPath(new URL(`../golden/ops/${family}.json`, import.meta.url)), "utf8"));
}

/** A stored tensor as an array. */
export function toArray(tensor: GoldenTensor): NDArray {
  return NDArray.from(tensor.data.map(Number), tensor.shape, tensor.dtype);
}

/** Fails unless every element agrees within the tolerance. */
export function expectClose(
  actual: NDArray,
  golden: GoldenTensor,
  tolerance: { abs: number; rel: number },
  what: string,
): void {
  expect([...actual.shape], `${what}: shape`).toEqual(golden.shape);
  golden.data.forEach((entry, i) => {
    const want = Number(entry);
    const got = actual.at(i);
    if (Number.isNaN(want) ? Number.isNaN(got) : got === want) return;
    if (golden.dtype === "f32" && Math.abs(got - want) <= tolerance.abs + tolerance.rel * Math.abs(want)) return;
    expect.fail(`${what}: element ${i} is ${got}, golden ${want}`);
  });
}

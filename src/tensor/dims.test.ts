import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  addDims,
  broadcastShapes,
  type Dim,
  divideDims,
  evaluateDim,
  mulDims,
  namesOf,
  normalizeAxes,
  normalizeAxis,
  normalizeDim,
  shapeSize,
  subDims,
} from "./dims.ts";

describe("normalizeDim", () => {
  const same: [string, Dim][] = [
    ["n+past", "n+past"],
    ["past+n", "n+past"],
    ["n*2", "2*n"],
    ["n+n", "2*n"],
    ["n-n", 0],
    ["b*a", "a*b"],
    ["3+n-1", "n+2"],
    ["1+n*n", "n*n+1"],
    ["0*n+4", 4],
  ];
  for (const [given, canonical] of same)
    it(`${given} is ${canonical}`, () => expect(normalizeDim(given)).toBe(canonical));

  it("refuses what is no size", () => {
    for (const bad of [-1, 1.5, Number.NaN]) expect(() => normalizeDim(bad)).toThrow("is not a size");
    for (const bad of ["n/ 2", "2n", "n**2", "a b"]) expect(() => normalizeDim(bad)).toThrow("is not a dimension");
  });
});

describe("arithmetic", () => {
  const dim: fc.Arbitrary<Dim> = fc.oneof(
    fc.nat(9),
    fc.constantFrom("n", "past", "n+past", "2*n", "n*past", "n*n-1", "3*past+n+2"),
  );
  const sizes = { n: 7, past: 11 };
  const value = (d: Dim) => evaluateDim(d, sizes);

  it("agrees with arithmetic on the values", () => {
    fc.assert(
      fc.property(dim, dim, (a, b) => {
        expect(value(addDims(a, b))).toBe(value(a) + value(b));
        expect(value(subDims(a, b))).toBe(value(a) - value(b));
        expect(value(mulDims(a, b))).toBe(value(a) * value(b));
      }),
    );
  });

  it("gives equal sizes equal text", () => {
    fc.assert(
      fc.property(dim, dim, dim, (a, b, c) => {
        expect(addDims(a, b)).toBe(addDims(b, a));
        expect(mulDims(a, addDims(b, c))).toBe(addDims(mulDims(a, b), mulDims(a, c)));
        expect(subDims(addDims(a, b), b)).toBe(normalizeDim(a));
      }),
    );
  });

  it("divides what was multiplied by one term", () => {
    fc.assert(
      fc.property(dim, fc.constantFrom<Dim>(1, 3, "n", "past", "2*n"), (a, b) => {
        expect(divideDims(mulDims(a, b), b)).toBe(a === 0 ? 0 : normalizeDim(a));
      }),
    );
    expect(divideDims("n", 2)).toBeUndefined();
    expect(divideDims("n+1", "n")).toBeUndefined();
    expect(divideDims("n", "n+1")).toBeUndefined();
    expect(divideDims("n+1", "n+1")).toBe(1);
  });

  it("knows the names it mentions and misses their sizes", () => {
    expect(namesOf("n*past+n").sort()).toEqual(["n", "past"]);
    expect(() => evaluateDim("n+m", { n: 1 })).toThrow('the size of dimension "m" is not known');
  });

  it("multiplies a shape", () => {
    expect(shapeSize([2, "n", 3])).toBe("6*n");
    expect(shapeSize([])).toBe(1);
  });
});

describe("shapes and axes", () => {
  it("broadcasts by NumPy's rule", () => {
    expect(broadcastShapes("add", [2, 1, "n"], [3, 1])).toEqual([2, 3, "n"]);
    expect(broadcastShapes("add", [], ["n"])).toEqual(["n"]);
    expect(broadcastShapes("add", [0, 1], [1, 4])).toEqual([0, 4]);
    expect(() => broadcastShapes("add", [2, 3], [2])).toThrow("add: shapes do not broadcast, [2, 3] and [2]");
    expect(() => broadcastShapes("add", ["n"], ["m"])).toThrow("[n] and [m]");
  });

  it("counts axes from the front", () => {
    expect(normalizeAxis("sum", -1, 3)).toBe(2);
    expect(() => normalizeAxis("sum", 3, 3)).toThrow("sum: axis 3 is outside of a tensor of rank 3");
    expect(normalizeAxes("sum", null, 2)).toEqual([0, 1]);
    expect(normalizeAxes("sum", [-1, 0], 2)).toEqual([0, 1]);
    expect(() => normalizeAxes("sum", [1, -1], 2)).toThrow("name one axis twice");
  });
});

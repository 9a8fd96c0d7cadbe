/**
 * Sizes of axes: numbers, or names such as `"batch"`, or polynomials of names such as `"past+n"` and `"2*n"`.
 * Symbolic sizes are kept as canonical strings, so equal sizes are equal strings.
 */
import { fail } from "../util/errors.ts";

/** Size of an axis: a number, or the canonical text of a polynomial with integer coefficients over named sizes. */
export type Dim = number | string;

/** A polynomial: coefficient by monomial, where a monomial is its names sorted and joined by `*` (`""` for the constant). */
type Polynomial = Map<string, number>;

function parse(dim: Dim): Polynomial {
  const out: Polynomial = new Map();
  if (typeof dim === "number") {
    if (dim) out.set("", dim);
    return out;
  }
  for (const term of dim.replaceAll("-", "+-").split("+")) {
    if (!term) continue;
    let coefficient = 1;
    const names: string[] = [];
    for (let factor of term.split("*")) {
      if (factor.startsWith("-")) {
        coefficient = -coefficient;
        factor = factor.slice(1);
      }
      if (/^\d+$/.test(factor)) coefficient *= Number(factor);
      else if (/^[A-Za-z_][\w/.]*$/.test(factor)) names.push(factor);
      else fail("shape", `"${dim}" is not a dimension; use a number, a name such as "batch", or a sum of products`);
    }
    const key = names.sort().join("*");
    out.set(key, (out.get(key) ?? 0) + coefficient);
  }
  return out;
}

function print(polynomial: Polynomial): Dim {
  const terms = [...polynomial]
    .filter(([, c]) => c !== 0)
    .sort(([a], [b]) => (a === "" ? 1 : b === "" ? -1 : a < b ? -1 : 1));
  if (!terms.length) return 0;
  if (terms.length === 1 && terms[0]![0] === "") return terms[0]![1];
  return terms
    .map(([names, c], i) => {
      const sign = c < 0 ? "-" : i ? "+" : "";
      const size = Math.abs(c);
      return sign + (names === "" ? size : size === 1 ? names : `${size}*${names}`);
    })
    .join("");
}

/** Brings a user's dimension into canonical form. @throws `shape` for negative numbers, fractions and malformed text. */
export function normalizeDim(dim: Dim): Dim {
  if (typeof dim === "number") {
    if (!Number.isSafeInteger(dim) || dim < 0) fail("shape", `${dim} is not a size; use a whole number ≥ 0 or a name`);
    return dim;
  }
  return print(parse(dim));
}

/** Sum of two sizes. */
export function addDims(a: Dim, b: Dim): Dim {
  if (typeof a === "number" && typeof b === "number") return a + b;
  const out = parse(a);
  for (const [key, c] of parse(b)) out.set(key, (out.get(key) ?? 0) + c);
  return print(out);
}

/** Product of two sizes. */
export function mulDims(a: Dim, b: Dim): Dim {
  if (typeof a === "number" && typeof b === "number") return a * b;
  const out: Polynomial = new Map();
  for (const [ka, ca] of parse(a))
    for (const [kb, cb] of parse(b)) {
      const key = [...(ka ? ka.split("*") : []), ...(kb ? kb.split("*") : [])].sort().join("*");
      out.set(key, (out.get(key) ?? 0) + ca * cb);
    }
  return print(out);
}

/** Difference of two sizes. */
export function subDims(a: Dim, b: Dim): Dim {
  return addDims(a, mulDims(b, -1));
}

/** Exact quotient of two sizes, or `undefined` if it is no polynomial with whole coefficients. */
export function divideDims(a: Dim, b: Dim): Dim | undefined {
  if (a === b && a !== 0) return 1;
  if (b === 1) return a;
  const numerator = parse(a);
  const denominator = [...parse(b)];
  if (denominator.length !== 1) return undefined;
  const [names, coefficient] = denominator[0]!;
  const out: Polynomial = new Map();
  for (const [key, c] of numerator) {
    const rest = key ? key.split("*") : [];
    for (const name of names ? names.split("*") : []) {
      const at = rest.indexOf(name);
      if (at < 0) return undefined;
      rest.splice(at, 1);
    }
    if (c % coefficient) return undefined;
    out.set(rest.join("*"), c / coefficient);
  }
  return print(out);
}

/** Number of elements of a shape. */
export function shapeSize(shape: readonly Dim[]): Dim {
  return shape.reduce(mulDims, 1);
}

/** Names that a dimension mentions. */
export function namesOf(dim: Dim): string[] {
  return [...new Set([...parse(dim).keys()].flatMap((key) => (key ? key.split("*") : [])))];
}

/** Terms of a dimension: coefficient and names of each monomial. */
export function termsOf(dim: Dim): { readonly coefficient: number; readonly names: readonly string[] }[] {
  return [...parse(dim)].map(([key, coefficient]) => ({ coefficient, names: key ? key.split("*") : [] }));
}

/** Value of a dimension once its names are known. */
export function evaluateDim(dim: Dim, sizes: Readonly<Record<string, number>>): number {
  if (typeof dim === "number") return dim;
  let total = 0;
  for (const { coefficient, names } of termsOf(dim)) {
    let product = coefficient;
    for (const name of names) product *= sizes[name] ?? fail("shape", `the size of dimension "${name}" is not known`);
    total += product;
  }
  return total;
}

/** Text of a shape for messages, such as `[n, 64]`. */
export function shapeText(shape: readonly Dim[]): string {
  return `[${shape.join(", ")}]`;
}

/** Shape that two shapes broadcast to, by NumPy's rule. @throws `shape` naming `op` when they do not. */
export function broadcastShapes(op: string, a: readonly Dim[], b: readonly Dim[]): Dim[] {
  const rank = Math.max(a.length, b.length);
  const out: Dim[] = [];
  for (let i = 0; i < rank; i++) {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x === y || y === 1) out.push(x);
    else if (x === 1) out.push(y);
    else fail("shape", `${op}: shapes do not broadcast, ${shapeText(a)} and ${shapeText(b)}`);
  }
  return out;
}

/** Axis counted from the front. @throws `shape` when it is outside of the rank. */
export function normalizeAxis(op: string, axis: number, rank: number): number {
  const out = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(out) || out < 0 || out >= rank)
    fail("shape", `${op}: axis ${axis} is outside of a tensor of rank ${rank}`);
  return out;
}

/** Axes counted from the front, sorted; all of them for `null` or `undefined`. @throws `shape` on repeats. */
export function normalizeAxes(op: string, axes: number | readonly number[] | null | undefined, rank: number): number[] {
  if (axes == null) return Array.from({ length: rank }, (_, i) => i);
  const out = (typeof axes === "number" ? [axes] : axes)
    .map((axis) => normalizeAxis(op, axis, rank))
    .sort((a, b) => a - b);
  if (new Set(out).size !== out.length) fail("shape", `${op}: axes [${axes}] name one axis twice`);
  return out;
}

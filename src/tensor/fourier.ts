/**
 * Discrete Fourier transforms. A complex tensor has a last axis of size 2 (real, imaginary), which `axis` does not count.
 * Short transforms are one matrix product, long ones are split into short ones.
 */
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import { type Dim, normalizeAxis, shapeText } from "./dims.ts";
import { add, mul, sub } from "./elementwise.ts";
import { matmul } from "./matmul.ts";
import { reshape, transpose, unsqueeze } from "./movement.ts";
import { concat, padAxes, slice, split } from "./slice.ts";
import { constant, type Tensor } from "./tensor.ts";

/** Where the factor 1/n goes: `backward` on the inverse, `ortho` as 1/√n on both, `forward` on the transform. */
export type FourierNorm = "backward" | "ortho" | "forward";

/** Options of Fourier transforms. */
export interface FourierOptions {
  /** Length of the transform: the axis is cut or filled up with zeros to it; the axis's own by default. */
  readonly length?: number | null;
  /** The axis, not counting that of real and imaginary part; the last by default. */
  readonly axis?: number;
  /** `backward` by default. */
  readonly norm?: FourierNorm;
}

/**
 * One product with a matrix up to this length; above it transforms are split. 1,000 transforms of 512 complex numbers take
 * 10.8 ms as one matrix, 2.4 ms split, 10.6 ms by ONNX's own DFT; ten of 48,000 take 9 ms split and 223 ms by DFT.
 */
const longestMatrix = 128;

/** The same for real numbers, whose matrix is half as large. */
const longestRealMatrix = 512;

/** Longest transform of prime length that is still one matrix; above it a chirp is cheaper. */
const longestPrime = 2048;

/** cos and sin of `2π · turns / n`, exact for whole turns. */
function turn(turns: number, n: number): readonly [cos: number, sin: number] {
  const angle = (2 * Math.PI * (((turns % n) + n) % n)) / n;
  return [Math.cos(angle), Math.sin(angle)];
}

/** `Σ x_t e^(sign · 2πi · t k / n)` over interleaved numbers as a matrix `[2n, 2n]`. */
function dftMatrix(n: number, sign: number): NDArray {
  const out = new Float32Array(4 * n * n);
  for (let t = 0; t < n; t++)
    for (let k = 0; k < n; k++) {
      const [cos, sin] = turn(sign * t * k, n);
      const at = 2 * t * 2 * n + 2 * k;
      out[at] = cos;
      out[at + 1] = sin;
      out[at + 2 * n] = -sin;
      out[at + 2 * n + 1] = cos;
    }
  return new NDArray(out, [2 * n, 2 * n], "f32");
}

function complexMultiply(x: Tensor, factors: NDArray): Tensor {
  const [re, im] = split(x, [1, 1], -1) as [Tensor, Tensor];
  const [cos, sin] = split(constant(factors), [1, 1], -1) as [Tensor, Tensor];
  return concat([sub(mul(re, cos), mul(im, sin)), add(mul(re, sin), mul(im, cos))], -1);
}

/** Sums without a factor along the axis before the last, of complex `x` `[…, n, 2]`. */
function dft(x: Tensor, n: number, sign: number): Tensor {
  const front = x.shape.slice(0, -2);
  let divisor = Math.floor(Math.sqrt(n));
  while (n % divisor) divisor--;
  if (n <= longestMatrix || (divisor === 1 && n <= longestPrime)) {
    const y = matmul(reshape(x, [...front, 2 * n]), constant(dftMatrix(n, sign)));
    return reshape(y, [...front, n, 2]);
  }
  if (divisor === 1) return chirpDft(x, n, sign);
  // t = rest · t1 + t2, k = k1 + divisor · k2: transforms over t1, turned by t2 · k1, then over t2
  const rest = n / divisor;
  const r = front.length;
  const axes = front.map((_, i) => i);
  const swapped = [...axes, r + 1, r, r + 2];
  const inner = dft(transpose(reshape(x, [...front, divisor, rest, 2]), swapped), divisor, sign);
  const turns: number[] = [];
  for (let t2 = 0; t2 < rest; t2++) for (let k1 = 0; k1 < divisor; k1++) turns.push(...turn(sign * t2 * k1, n));
  const turned = complexMultiply(inner, NDArray.from(turns, [rest, divisor, 2]));
  const outer = dft(transpose(turned, swapped), rest, sign);
  return reshape(transpose(outer, swapped), [...front, n, 2]);
}

/** A transform of any length as a convolution with a chirp, `t k = (t² + k² − (k − t)²) / 2` (Bluestein). */
function chirpDft(x: Tensor, n: number, sign: number): Tensor {
  const length = 2 ** Math.ceil(Math.log2(2 * n - 1));
  // t² modulo 2n stays exact
  const chirp = Array.from({ length: n }, (_, t) => turn(sign * ((t * t) % (2 * n)), 2 * n));
  const forward = NDArray.from(chirp.flat(), [n, 2]);
  const filter = new Float64Array(2 * length);
  chirp.forEach(([cos, sin], t) => {
    for (const at of t ? [t, length - t] : [0]) {
      filter[2 * at] = cos;
      filter[2 * at + 1] = -sin;
    }
  });
  const spectrum = NDArray.from([...transformPowerOfTwo(filter)], [length, 2]);
  const padded = padAxes(complexMultiply(x, forward), [{ axis: x.rank - 2, before: 0, after: length - n }]);
  const product = complexMultiply(dft(padded, length, -1), spectrum);
  const convolved = mul(slice(dft(product, length, 1), { axis: x.rank - 2, end: n }), 1 / length);
  return complexMultiply(convolved, forward);
}

/** The transform of interleaved complex numbers whose count is a power of two, in float64. */
function transformPowerOfTwo(x: Float64Array): Float64Array {
  const n = x.length / 2;
  if (n === 1) return x.slice();
  const half = (parity: number) => {
    const part = new Float64Array(n);
    for (let i = 0; i < n / 2; i++) part.set(x.subarray(4 * i + 2 * parity, 4 * i + 2 * parity + 2), 2 * i);
    return transformPowerOfTwo(part);
  };
  const [even, odd, out] = [half(0), half(1), new Float64Array(2 * n)];
  for (let k = 0; k < n / 2; k++) {
    const [cos, sin] = turn(-k, n);
    const [a, b] = [odd[2 * k]!, odd[2 * k + 1]!];
    const [re, im] = [a * cos - b * sin, a * sin + b * cos];
    out.set([even[2 * k]! + re, even[2 * k + 1]! + im], 2 * k);
    out.set([even[2 * k]! - re, even[2 * k + 1]! - im], 2 * k + n);
  }
  return out;
}

function scaleOf(n: number, norm: FourierNorm, inverse: boolean): number {
  if (norm === "ortho") return 1 / Math.sqrt(n);
  return (norm === "backward") === inverse ? 1 / n : 1;
}

interface Prepared {
  /** With the transformed axis last, before that of real and imaginary part. */
  readonly x: Tensor;
  readonly length: number;
  /** Puts the axis back, of a complex or a real result. */
  restore(y: Tensor, complex: boolean): Tensor;
}

/** Moves the axis to the end and brings it to `stored(length)` elements. */
function prepare(
  op: string,
  x: Tensor,
  complex: boolean,
  { axis = -1, length }: FourierOptions,
  own: (size: number) => number = (size) => size,
  stored: (length: number) => number = (n) => n,
): Prepared {
  if (x.dtype !== "f32") fail("dtype", `${op}: needs f32, got ${x.dtype}; cast it first`);
  if (complex && x.shape[x.rank - 1] !== 2)
    fail("shape", `${op}: complex numbers have a last axis of size 2, got ${shapeText(x.shape)}`);
  const rank = complex ? x.rank - 1 : x.rank;
  const at = normalizeAxis(op, axis, rank);
  const size = x.shape[at]!;
  if (typeof size !== "number")
    return fail("unsupported", `${op}: the transformed axis must have a known size, got ${shapeText(x.shape)}`);
  const wanted = length ?? own(size);
  if (!Number.isInteger(wanted) || wanted < 1)
    fail("argument", `${op}: a transform has at least one element, got length ${wanted} of ${shapeText(x.shape)}`);
  const front = Array.from({ length: rank }, (_, i) => i).filter((i) => i !== at);
  const moved = transpose(x, [...front, at, ...(complex ? [rank] : [])]);
  const back = Array.from({ length: rank }, (_, i) => (i === at ? rank - 1 : front.indexOf(i)));
  return {
    x: padAxes(moved, [{ axis: rank - 1, before: 0, after: stored(wanted) - size }]),
    length: wanted,
    restore: (y, isComplex) => transpose(y, [...back, ...(isComplex ? [rank] : [])]),
  };
}

function transform(op: string, x: Tensor, options: FourierOptions, inverse: boolean): Tensor {
  const prepared = prepare(op, x, true, options);
  const y = dft(prepared.x, prepared.length, inverse ? 1 : -1);
  const scale = scaleOf(prepared.length, options.norm ?? "backward", inverse);
  return prepared.restore(scale === 1 ? y : mul(y, scale), true);
}

/** Fourier transform of complex numbers `[…, n, 2]`: `Σ x_t e^(−2πi t k / n)`. */
export function fft(x: Tensor, options: FourierOptions = {}): Tensor {
  return transform("fft", x, options, false);
}

/** Inverse of {@link fft}. */
export function ifft(x: Tensor, options: FourierOptions = {}): Tensor {
  return transform("ifft", x, options, true);
}

/** Columns of the transform of `n` real numbers, `[n, 2 · bins]`; with `bins` = n both sides of the spectrum. */
export function realBasis(n: number, bins: number): Float32Array {
  const out = new Float32Array(n * 2 * bins);
  for (let t = 0; t < n; t++) for (let k = 0; k < bins; k++) out.set(turn(-t * k, n), (t * bins + k) * 2);
  return out;
}

/** What each of `bins` complex numbers adds to `n` real ones that they are the half spectrum of, times n: `[2 · bins, n]`. */
export function realInverseBasis(n: number, bins: number): Float32Array {
  const out = new Float32Array(2 * bins * n);
  for (let k = 0; k < bins; k++) {
    // all but the first and the middle stand for two
    const weight = k === 0 || 2 * k === n ? 1 : 2;
    for (let t = 0; t < n; t++) {
      const [cos, sin] = turn(t * k, n);
      out[2 * k * n + t] = weight * cos;
      // the imaginary parts of the first and the middle are not looked at
      out[(2 * k + 1) * n + t] = weight === 2 ? -2 * sin : 0;
    }
  }
  return out;
}

/** Half spectrum of real numbers `[…, n]`: `[…, n/2 + 1, 2]`, the rest being its mirror image. */
export function rfft(x: Tensor, options: FourierOptions = {}): Tensor {
  const prepared = prepare("rfft", x, false, options);
  const n = prepared.length;
  const bins = Math.floor(n / 2) + 1;
  const front: readonly Dim[] = prepared.x.shape.slice(0, -1);
  let y: Tensor;
  if (n <= longestRealMatrix) {
    const basis = constant(new NDArray(realBasis(n, bins), [n, 2 * bins], "f32"));
    y = reshape(matmul(prepared.x, basis), [...front, bins, 2]);
  } else {
    const complex = padAxes(unsqueeze(prepared.x, -1), [{ axis: x.rank, before: 0, after: 1 }]);
    y = slice(dft(complex, n, -1), { axis: x.rank - 1, end: bins });
  }
  const scale = scaleOf(n, options.norm ?? "backward", false);
  return prepared.restore(scale === 1 ? y : mul(y, scale), true);
}

/**
 * Real numbers `[…, length]` from their half spectrum `[…, length/2 + 1, 2]`; the length is even by default. Imaginary parts of
 * the first and, for even lengths, the last bin do not count.
 */
export function irfft(x: Tensor, options: FourierOptions = {}): Tensor {
  const prepared = prepare(
    "irfft",
    x,
    true,
    options,
    (size) => 2 * (size - 1),
    (n) => Math.floor(n / 2) + 1,
  );
  const n = prepared.length;
  const bins = Math.floor(n / 2) + 1;
  const front = prepared.x.shape.slice(0, -2);
  const at = prepared.x.rank - 2;
  let y: Tensor;
  if (n <= longestRealMatrix) {
    const basis = constant(new NDArray(realInverseBasis(n, bins), [2 * bins, n], "f32"));
    y = matmul(reshape(prepared.x, [...front, 2 * bins]), basis);
  } else {
    // twice the half spectrum, with what stands for itself once and real
    const weights = Array.from({ length: bins }, (_, k) => (k === 0 || 2 * k === n ? [1, 0] : [2, 2])).flat();
    const weighted = mul(prepared.x, constant(NDArray.from(weights, [bins, 2])));
    const whole = dft(padAxes(weighted, [{ axis: at, before: 0, after: n - bins }]), n, 1);
    y = reshape(slice(whole, { axis: at + 1, end: 1 }), [...front, n]);
  }
  const scale = scaleOf(n, options.norm ?? "backward", true);
  return prepared.restore(scale === 1 ? y : mul(y, scale), false);
}

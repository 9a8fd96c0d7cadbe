/**
 * How parameters begin: distributions by name, as PyTorch defines them. Numbers come from a seeded stream, never from
 * anywhere else.
 */
import { fail } from "../util/errors.ts";
import { sizeOf } from "../util/ndarray.ts";
import type { Random } from "../util/random.ts";

/** Values of an array of some shape, row-major. */
export type Initializer = (shape: readonly number[], random: Random) => Float32Array;

/** Every element the same. */
export function constantly(value: number): Initializer {
  return (shape) => new Float32Array(sizeOf(shape)).fill(value);
}

/** Zeros. */
export const zeros: Initializer = constantly(0);

/** Ones. */
export const ones: Initializer = constantly(1);

/** Uniform in `[low, high)`. */
export function uniform(low: number, high: number): Initializer {
  return (shape, random) => Float32Array.from({ length: sizeOf(shape) }, () => low + (high - low) * random.next());
}

/** Normal with a standard deviation and a mean. */
export function normal(deviation = 1, mean = 0): Initializer {
  return (shape, random) => Float32Array.from({ length: sizeOf(shape) }, () => mean + deviation * random.normal());
}

/** Normal, drawn again outside of `bound` standard deviations. */
export function truncatedNormal(deviation = 1, mean = 0, bound = 2): Initializer {
  if (!(bound > 0)) fail("argument", `truncatedNormal: bound is ${bound}; it must be above 0`);
  const draw = (random: Random): number => {
    for (;;) {
      const z = random.normal();
      if (Math.abs(z) <= bound) return mean + deviation * z;
    }
  };
  return (shape, random) => Float32Array.from({ length: sizeOf(shape) }, () => draw(random));
}

/** Number of inputs and outputs that an element of a weight `[out, in, …kernel]` connects. */
export function fans(shape: readonly number[]): { readonly fanIn: number; readonly fanOut: number } {
  if (shape.length < 2)
    fail("shape", `an initialiser that counts inputs and outputs needs two axes or more, got [${shape.join(", ")}]`);
  const field = sizeOf(shape.slice(2));
  return { fanIn: shape[1]! * field, fanOut: shape[0]! * field };
}

/** Uniform with the variance `gain² · 2 / (in + out)` (Glorot and Bengio 2010). */
export function xavierUniform(gain = 1): Initializer {
  return (shape, random) => {
    const { fanIn, fanOut } = fans(shape);
    const bound = gain * Math.sqrt(6 / (fanIn + fanOut));
    return uniform(-bound, bound)(shape, random);
  };
}

/** Normal with the variance `gain² · 2 / (in + out)` (Glorot and Bengio 2010). */
export function xavierNormal(gain = 1): Initializer {
  return (shape, random) => {
    const { fanIn, fanOut } = fans(shape);
    return normal(gain * Math.sqrt(2 / (fanIn + fanOut)))(shape, random);
  };
}

/** Options of Kaiming initialisers. */
export interface KaimingOptions {
  /** Slope of the leaky ReLU that follows; 0 by default, which is ReLU. */
  readonly slope?: number;
  /** Whether the variance is kept forward or backward; forward by default. */
  readonly mode?: "fanIn" | "fanOut";
}

function kaimingDeviation(shape: readonly number[], { slope = 0, mode = "fanIn" }: KaimingOptions): number {
  return Math.sqrt(2 / (1 + slope * slope) / fans(shape)[mode]);
}

/** Uniform with the variance `2 / ((1 + slope²) · fan)` (He et al. 2015). */
export function kaimingUniform(options: KaimingOptions = {}): Initializer {
  return (shape, random) => {
    const bound = Math.sqrt(3) * kaimingDeviation(shape, options);
    return uniform(-bound, bound)(shape, random);
  };
}

/** Normal with the variance `2 / ((1 + slope²) · fan)` (He et al. 2015). */
export function kaimingNormal(options: KaimingOptions = {}): Initializer {
  return (shape, random) => normal(kaimingDeviation(shape, options))(shape, random);
}

/** Uniform in ±1 / √fan: what PyTorch gives the biases of linear layers, and all of a recurrent one. */
export function uniformByFan(fan: number): Initializer {
  const bound = fan > 0 ? 1 / Math.sqrt(fan) : 0;
  return uniform(-bound, bound);
}

/** PyTorch's default for the weights of linear and convolutional layers: uniform in ±1 / √(inputs of an output). */
export const linearDefault: Initializer = kaimingUniform({ slope: Math.sqrt(5) });

/** Rows (or columns, where these are fewer) of length `gain` at right angles (Saxe et al. 2014). */
export function orthogonal(gain = 1): Initializer {
  return (shape, random) => {
    if (shape.length < 2) fail("shape", `orthogonal: needs two axes or more, got [${shape.join(", ")}]`);
    const rows = shape[0]!;
    const columns = sizeOf(shape) / Math.max(1, rows);
    const [count, length] = [Math.min(rows, columns), Math.max(rows, columns)];
    const vectors: Float64Array[] = [];
    while (vectors.length < count) {
      const v = Float64Array.from({ length }, () => random.normal());
      // twice, because what is left of the others after one subtraction is rounding
      for (let pass = 0; pass < 2; pass++)
        for (const u of vectors) {
          let along = 0;
          for (let i = 0; i < length; i++) along += u[i]! * v[i]!;
          for (let i = 0; i < length; i++) v[i] = v[i]! - along * u[i]!;
        }
      const norm = Math.hypot(...v);
      if (norm > 1e-9) vectors.push(v.map((x) => x / norm));
    }
    const out = new Float32Array(rows * columns);
    vectors.forEach((v, i) => {
      for (let j = 0; j < length; j++) out[rows <= columns ? i * columns + j : j * columns + i] = gain * v[j]!;
    });
    return out;
  };
}

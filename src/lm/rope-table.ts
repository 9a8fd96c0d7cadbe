/**
 * Cosines and sines of rotary positions, computed once per position outside of the graph. Frequencies are rounded to
 * float the way reference implementations round them, so that angles agree with theirs.
 */
import type { RopeConfig } from "./config.ts";

/** Inverse wavelengths `[rotaryDim / 2]` in radians per position. */
export function ropeFrequencies(config: RopeConfig, rotaryDim: number): Float32Array {
  const out = new Float32Array(rotaryDim / 2);
  for (let j = 0; j < out.length; j++) {
    let frequency = 1 / Math.fround(config.base ** (Math.fround(2 * j) / rotaryDim));
    if (config.frequencyDivisors) frequency /= config.frequencyDivisors[j] ?? 1;
    if (config.llama3) {
      const { factor, lowFactor, highFactor, originalContext } = config.llama3;
      const wavelength = (2 * Math.PI) / frequency;
      const smooth = (originalContext / wavelength - lowFactor) / (highFactor - lowFactor);
      if (wavelength > originalContext / lowFactor) frequency /= factor;
      else if (wavelength >= originalContext / highFactor)
        frequency = ((1 - smooth) * frequency) / factor + smooth * frequency;
    }
    out[j] = frequency / config.scale;
  }
  return out;
}

/** Cosines and sines by position, grown as positions are asked for. */
export class RopeTable {
  readonly #frequencies: Float32Array;
  #cos = new Float32Array(0);
  #sin = new Float32Array(0);
  #known = 0;

  constructor(config: RopeConfig, rotaryDim: number) {
    this.#frequencies = ropeFrequencies(config, rotaryDim);
  }

  /** Number of angles per position. */
  get width(): number {
    return this.#frequencies.length;
  }

  #grow(count: number): void {
    const width = this.width;
    const capacity = Math.max(count, 2 * this.#known, 256);
    const cos = new Float32Array(capacity * width);
    const sin = new Float32Array(capacity * width);
    cos.set(this.#cos);
    sin.set(this.#sin);
    for (let p = this.#known; p < capacity; p++)
      for (let j = 0; j < width; j++) {
        const angle = Math.fround(p * this.#frequencies[j]!);
        cos[p * width + j] = Math.cos(angle);
        sin[p * width + j] = Math.sin(angle);
      }
    this.#cos = cos;
    this.#sin = sin;
    this.#known = capacity;
  }

  /** Writes the cosines and sines of some positions, `[positions, width]`. */
  fill(positions: readonly number[], cos: Float32Array, sin: Float32Array): void {
    const width = this.width;
    let largest = 0;
    for (const p of positions) if (p > largest) largest = p;
    if (largest >= this.#known) this.#grow(largest + 1);
    positions.forEach((p, i) => {
      cos.set(this.#cos.subarray(p * width, (p + 1) * width), i * width);
      sin.set(this.#sin.subarray(p * width, (p + 1) * width), i * width);
    });
  }
}

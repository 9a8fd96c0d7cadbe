/**
 * Numbers of hearing: window functions, the mel scale, and mel filters. Plain arrays, computed once and put into graphs as
 * constants.
 */
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";

/** A window by name; `ones` is the rectangle. */
export type WindowName = "hann" | "hamming" | "blackman" | "ones";

const cosines: Readonly<Record<WindowName, readonly number[]>> = {
  hann: [0.5, -0.5],
  hamming: [0.54, -0.46],
  blackman: [0.42, -0.5, 0.08],
  ones: [1],
};

/** A window of the given length: sums of cosines. Periodic ones (the default) tile; symmetric ones end as they begin. */
export function windowFunction(name: WindowName, length: number, periodic = true): NDArray {
  if (!Number.isInteger(length) || length < 1)
    fail("argument", `windowFunction: a window has at least one sample, got ${length}`);
  const period = periodic ? length : Math.max(1, length - 1);
  const terms = cosines[name];
  const values = Array.from({ length }, (_, t) =>
    length === 1 ? 1 : terms.reduce((total, weight, k) => total + weight * Math.cos((2 * Math.PI * k * t) / period), 0),
  );
  return NDArray.from(values);
}

/** `htk`: 2595 log10(1 + f / 700). `slaney`: 3 f / 200 below 1000 Hz, 15 + 27 ln(f / 1000) / ln 6.4 from there on. */
export type MelScale = "htk" | "slaney";

/** Mel of a frequency in hertz. */
export function hertzToMel(hertz: number, scale: MelScale): number {
  if (scale === "htk") return 2595 * Math.log10(1 + hertz / 700);
  return hertz < 1000 ? (3 * hertz) / 200 : 15 + (27 * Math.log(hertz / 1000)) / Math.log(6.4);
}

/** Frequency in hertz of a mel. */
export function melToHertz(mel: number, scale: MelScale): number {
  if (scale === "htk") return 700 * (10 ** (mel / 2595) - 1);
  return mel < 15 ? (200 * mel) / 3 : 1000 * Math.exp(((mel - 15) * Math.log(6.4)) / 27);
}

/** Options of {@link melFilterbank}. */
export interface MelFilterOptions {
  /** Samples a second. */
  readonly sampleRate: number;
  /** Samples a transform sees. */
  readonly fftLength: number;
  /** Number of filters. */
  readonly filters: number;
  /** Lower end of the first filter in hertz; 0 by default. */
  readonly minHertz?: number;
  /** Upper end of the last filter in hertz; half the sample rate by default. */
  readonly maxHertz?: number;
  /** `htk` by default. */
  readonly scale?: MelScale;
  /** `slaney` divides each filter by half its width in hertz; `null`, the default, leaves peaks at 1. */
  readonly norm?: "slaney" | null;
}

/**
 * Triangular filters evenly spaced in mel, rising and falling linearly in hertz: `[fftLength/2 + 1, filters]`. A filter that is
 * narrower than a bin may miss all of them.
 */
export function melFilterbank(options: MelFilterOptions): NDArray {
  const { sampleRate, fftLength, filters, minHertz = 0, maxHertz = sampleRate / 2, scale = "htk", norm } = options;
  if (!(filters >= 1 && maxHertz > minHertz && minHertz >= 0))
    fail(
      "argument",
      `melFilterbank: ${filters} filters from ${minHertz} to ${maxHertz} Hz; needs one or more over a range`,
    );
  const [low, high] = [hertzToMel(minHertz, scale), hertzToMel(maxHertz, scale)];
  const edges = Array.from({ length: filters + 2 }, (_, i) =>
    melToHertz(low + ((high - low) * i) / (filters + 1), scale),
  );
  const bins = Math.floor(fftLength / 2) + 1;
  const values: number[] = [];
  for (let k = 0; k < bins; k++) {
    const hertz = (k * sampleRate) / fftLength;
    for (let f = 0; f < filters; f++) {
      const [left, middle, right] = edges.slice(f, f + 3) as [number, number, number];
      const height = Math.max(0, Math.min((hertz - left) / (middle - left), (right - hertz) / (right - middle)));
      values.push(norm === "slaney" ? (height * 2) / (right - left) : height);
    }
  }
  return NDArray.from(values, [bins, filters]);
}

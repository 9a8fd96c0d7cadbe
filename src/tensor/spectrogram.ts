/**
 * Short-time Fourier transforms and their inverse, as convolutions with windowed waves, and what is made of them for hearing
 * machines: mel spectra on a logarithmic scale, cosine transforms. Thirty seconds at 16 kHz in frames of 400 take 7 ms so, and
 * 140 ms by ONNX's STFT; frames of 2,048 take 53 and 39 ms.
 */
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import { pad } from "./arrange.ts";
import { broadcastTo, sum } from "./broadcast.ts";
import { conv, convTranspose } from "./conv.ts";
import { type Dim, shapeSize, shapeText } from "./dims.ts";
import { add, div, mul, sub } from "./elementwise.ts";
import { maximum } from "./elementwise-extrema.ts";
import { realBasis, realInverseBasis } from "./fourier.ts";
import { log, square } from "./functions.ts";
import { type MelFilterOptions, melFilterbank, type WindowName, windowFunction } from "./mel.ts";
import { reshape, transpose } from "./movement.ts";
import { max } from "./reduce.ts";
import { mapAxis } from "./separable.ts";
import { padAxes, slice } from "./slice.ts";
import { constant, type Tensor } from "./tensor.ts";

/** Options that {@link stft} and {@link istft} share. */
export interface StftOptions {
  /** Samples a transform sees. */
  readonly fftLength: number;
  /** Samples from one frame to the next; a quarter of the window by default. */
  readonly hop?: number;
  /** Samples that the window is wide, centred in the frame; `fftLength` by default. */
  readonly windowLength?: number;
  /** Periodic window; `hann` by default. */
  readonly window?: WindowName;
  /** Whether frame i is centred at sample `i · hop` (the signal is padded by half a frame); true by default. */
  readonly center?: boolean;
  /** What centred frames see beyond the ends; `reflect` by default. */
  readonly padMode?: "reflect" | "constant";
  /** Whether results are divided by √fftLength; false by default. */
  readonly normalized?: boolean;
  /** Whether only the half of the spectrum that determines the rest is given; true by default. */
  readonly oneSided?: boolean;
}

interface Frames {
  readonly n: number;
  readonly hop: number;
  readonly bins: number;
  /** Window as wide as a frame. */
  readonly window: Float64Array;
  readonly scale: number;
}

function framesOf(op: string, options: StftOptions): Frames {
  const { fftLength: n, windowLength = n, window = "hann", normalized = false, oneSided = true } = options;
  const hop = options.hop ?? Math.max(1, Math.floor(windowLength / 4));
  if (![n, hop, windowLength].every((v) => Number.isInteger(v) && v > 0) || windowLength > n)
    fail(
      "argument",
      `${op}: frames of ${n} samples every ${hop} with a window of ${windowLength}: whole numbers, the window no wider than the frame`,
    );
  const wide = new Float64Array(n);
  const start = Math.floor((n - windowLength) / 2);
  wide.set(windowFunction(window, windowLength).toNumbers(), start);
  return {
    n,
    hop,
    bins: oneSided ? Math.floor(n / 2) + 1 : n,
    window: wide,
    scale: normalized ? 1 / Math.sqrt(n) : 1,
  };
}

/**
 * Short-time Fourier transform of signals `[…, samples]`: `[…, bins, frames, 2]`.
 * @throws `shape` when a signal is shorter than a frame; `unsupported` for symbolic lengths.
 */
export function stft(x: Tensor, options: StftOptions): Tensor {
  const { n, hop, bins, window, scale } = framesOf("stft", options);
  const { center = true, padMode = "reflect" } = options;
  const front = x.shape.slice(0, -1);
  let signals = reshape(x, [shapeSize(front), 1, x.shape[x.rank - 1] ?? 1]);
  const half = Math.floor(n / 2);
  if (center)
    signals = pad(
      signals,
      [
        [0, 0],
        [0, 0],
        [half, half],
      ],
      { mode: padMode },
    );
  // a channel for every real and imaginary part
  const basis = realBasis(n, bins);
  const waves = new Float32Array(2 * bins * n);
  for (let t = 0; t < n; t++)
    for (let k = 0; k < 2 * bins; k++) waves[k * n + t] = basis[t * 2 * bins + k]! * window[t]! * scale;
  const y = conv(signals, constant(new NDArray(waves, [2 * bins, 1, n], "f32")), undefined, { stride: hop });
  const apart = reshape(y, [...front, bins, 2, y.shape[2]!]);
  const r = front.length;
  return transpose(apart, [...front.map((_, i) => i), r, r + 2, r + 1]);
}

/** Options of {@link istft}. */
export interface IstftOptions extends Omit<StftOptions, "padMode" | "oneSided"> {
  /** Samples of the result; as many as the frames determine by default. */
  readonly length?: number | null;
}

/**
 * Signals `[…, samples]` whose short-time transform `[…, fftLength/2 + 1, frames, 2]` is closest to x: windowed frames are
 * added up and divided by the sum of the squared windows.
 * @throws `argument` where windows leave samples undetermined.
 */
export function istft(x: Tensor, options: IstftOptions): Tensor {
  const { n, hop, bins, window, scale } = framesOf("istft", options);
  const frames = x.shape[x.rank - 2];
  if (x.rank < 3 || x.shape[x.rank - 1] !== 2 || x.shape[x.rank - 3] !== bins || typeof frames !== "number")
    return fail(
      "shape",
      `istft: needs […, ${bins} bins, frames, 2] with a known number of frames, got ${shapeText(x.shape)}`,
    );
  const front: readonly Dim[] = x.shape.slice(0, -3);
  const r = front.length;
  const channels = reshape(transpose(x, [...front.map((_, i) => i), r, r + 2, r + 1]), [
    shapeSize(front),
    2 * bins,
    frames,
  ]);
  const waves = realInverseBasis(n, bins).map((v, i) => (v * window[i % n]!) / (n * scale));
  const weight = constant(new NDArray(waves, [2 * bins, 1, n], "f32"));
  const added = convTranspose(channels, weight, undefined, { stride: hop });
  const total = (frames - 1) * hop + n;
  const cut = (options.center ?? true) ? Math.floor(n / 2) : 0;
  const known = Math.max(0, total - 2 * cut);
  const samples = options.length ?? known;
  const kept = Math.min(samples, total - cut);
  const squares = new Float64Array(total);
  for (let frame = 0; frame < frames; frame++) for (let t = 0; t < n; t++) squares[frame * hop + t]! += window[t]! ** 2;
  const envelope = squares.subarray(cut, cut + kept);
  const empty = envelope.findIndex((v) => v < 1e-11);
  if (empty >= 0)
    fail(
      "argument",
      `istft: no window reaches sample ${empty}; use centred frames or a window without zeros at its ends`,
    );
  const inside = slice(added, { axis: 2, start: cut, end: cut + kept });
  const signal = div(inside, constant(NDArray.from([...envelope])));
  return reshape(padAxes(signal, [{ axis: 2, before: 0, after: samples - kept }]), [...front, samples]);
}

/** Options of {@link logMelSpectrogram}. */
export interface LogMelOptions extends MelFilterOptions {
  /** Samples from one frame to the next. */
  readonly hop: number;
}

/**
 * Log-mel spectra of signals `[…, samples]`, as speech models read them: power of the centred Hann transform without its last
 * frame, mel filters, log10 no less than 8 below the largest, then `(l + 4) / 4`. Result `[…, filters, frames]`.
 */
export function logMelSpectrogram(x: Tensor, options: LogMelOptions): Tensor {
  const { fftLength, hop } = options;
  const spectrum = stft(x, { fftLength, hop });
  const frames = slice(spectrum, { axis: spectrum.rank - 2, end: -1 });
  const power = sum(square(frames), -1);
  const bank = melFilterbank(options);
  const [bins, filters] = bank.shape as [number, number];
  const filterRows = new Float32Array(bins * filters);
  for (let k = 0; k < bins; k++) for (let f = 0; f < filters; f++) filterRows[f * bins + k] = bank.at(k * filters + f);
  const mel = mapAxis(power, new NDArray(filterRows, [filters, bins], "f32"), -2);
  const logs = mul(log(maximum(mel, 1e-10)), Math.LOG10E);
  const loudest = max(logs, [-2, -1], { keepDims: true });
  return mul(add(maximum(logs, broadcastTo(sub(loudest, 8), logs.shape)), 4), 0.25);
}

/** Orthonormal cosine transform along the last axis: `s_k Σ x_t cos(π (t + 1/2) k / n)`. */
export function dct2(x: Tensor): Tensor {
  const n = x.shape[x.rank - 1];
  if (typeof n !== "number") return fail("unsupported", `dct2: the last axis must have a known size, got ${x}`);
  const matrix = Array.from({ length: n * n }, (_, at) => {
    const [k, t] = [Math.floor(at / n), at % n];
    return Math.sqrt((k ? 2 : 1) / n) * Math.cos((Math.PI * (t + 0.5) * k) / n);
  });
  return mapAxis(x, NDArray.from(matrix, [n, n]), -1);
}

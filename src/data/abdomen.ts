/**
 * Slices through an abdomen that does not exist, as magnetic resonance shows them in two weightings: six labelled organs, vessels and
 * lesions in the liver, texture, an uneven coil and noise. Drawing a slice of 64 pixels takes about 3 ms.
 */
import { fail } from "../util/errors.ts";
import { NDArray } from "../util/ndarray.ts";
import { Random } from "../util/random.ts";

/** Organs, in the order of their labels from 1 on; 0 is everything else. The patient's right is on the picture's left. */
export const abdomenOrgans = ["liver", "right kidney", "left kidney", "stomach", "spleen", "aorta"] as const;

/** Options of {@link drawAbdomens}. */
export interface AbdomensOptions {
  readonly count: number;
  /** Width and height in pixels; anatomy scales with it. */
  readonly size: number;
  readonly seed: number;
}

/** Slices and what is to be found in them. */
export interface AbdomenSlices {
  /** `f32[n, 1, size, size]`; each slice has mean 0 and variance 1. */
  readonly images: NDArray;
  /** `i32[n, size, size]`: 0, or the organ's place in {@link abdomenOrgans} counted from 1. What lies in the liver belongs to it. */
  readonly organs: NDArray;
  /** `i32[n, size, size]`: 1 in the liver's lesions. */
  readonly lesions: NDArray;
}

type Tissue = "fat" | "cavity" | "liver" | "spleen" | "kidney" | "stomach" | "aorta" | "spine";

/** Mean brightness by weighting; each slice strays from it by 0.02. */
const brightness: Readonly<Record<"t1" | "t2", Readonly<Record<Tissue, number>>>> = {
  t1: { fat: 0.85, cavity: 0.5, liver: 0.55, spleen: 0.42, kidney: 0.45, stomach: 0.3, aorta: 0.25, spine: 0.6 },
  t2: { fat: 0.75, cavity: 0.5, liver: 0.38, spleen: 0.62, kidney: 0.68, stomach: 0.55, aorta: 0.25, spine: 0.6 },
};

/** An organ's place; the picture reaches from −1 to 1 on both axes, y downwards. Later ones cover earlier ones. */
interface Anatomy {
  readonly tissue: Tissue;
  readonly label: number;
  readonly centre: readonly [x: number, y: number];
  readonly axes: readonly [x: number, y: number];
  /** Standard deviation of the axes. */
  readonly spread: number;
  /** Most that it is turned, in radians. */
  readonly turn: number;
  /** How uneven its outline is. */
  readonly unevenness: number;
}

const organ = (
  tissue: Tissue,
  label: number,
  centre: Anatomy["centre"],
  axes: Anatomy["axes"],
  rest: Partial<Pick<Anatomy, "spread" | "turn" | "unevenness">> = {},
): Anatomy => ({ tissue, label, centre, axes, spread: 0.02, turn: 0, unevenness: 0.1, ...rest });

const anatomy: readonly Anatomy[] = [
  organ("spine", 0, [0, 0.46], [0.13, 0.12], { unevenness: 0.03 }),
  organ("kidney", 2, [-0.36, 0.36], [0.12, 0.16]),
  organ("kidney", 3, [0.36, 0.36], [0.12, 0.16]),
  organ("stomach", 4, [0.22, -0.25], [0.2, 0.15], { turn: 0.5 }),
  organ("spleen", 5, [0.54, 0.06], [0.17, 0.22]),
  organ("aorta", 6, [0.03, 0.22], [0.06, 0.06]),
  organ("liver", 1, [-0.36, -0.1], [0.4, 0.34], { spread: 0.03, turn: 0.4 }),
];

const liver = 1;
const between = (random: Random, low: number, high: number) => low + (high - low) * random.next();

/** Whether a point lies in a shape. */
type Inside = (x: number, y: number) => boolean;

/** An ellipse whose radius strays: `1 + Σ N(0, unevenness / k) cos(k θ + φ)` for k from 2 to 4. */
function unevenEllipse(
  random: Random,
  centre: readonly [x: number, y: number],
  axes: readonly [x: number, y: number],
  turn: number,
  unevenness: number,
): Inside {
  const waves = [2, 3, 4].map((k) => [k, (random.normal() * unevenness) / k, 2 * Math.PI * random.next()] as const);
  const [c, s] = [Math.cos(turn), Math.sin(turn)];
  const most = 1 + waves.reduce((sum, [, height]) => sum + Math.abs(height), 0);
  return (x, y) => {
    const [dx, dy] = [x - centre[0], y - centre[1]];
    const [u, v] = [(c * dx + s * dy) / axes[0], (c * dy - s * dx) / axes[1]];
    const radius = Math.hypot(u, v);
    if (radius >= most) return false;
    const angle = Math.atan2(v, u);
    return radius < waves.reduce((sum, [k, height, phase]) => sum + height * Math.cos(k * angle + phase), 1);
  };
}

/** One slice under way. */
class Slice {
  readonly values: Float64Array;
  readonly labels: Int32Array;
  readonly lesions: Int32Array;

  constructor(
    readonly size: number,
    readonly random: Random,
  ) {
    this.values = new Float64Array(size * size);
    this.labels = new Int32Array(size * size);
    this.lesions = new Int32Array(size * size);
  }

  /** Coordinate of a pixel's column or row. */
  at(pixel: number): number {
    return (2 * pixel + 1) / this.size - 1;
  }

  /** Pixels of a shape. */
  pixels(inside: Inside): number[] {
    const { size } = this;
    const out: number[] = [];
    for (let i = 0; i < size * size; i++) if (inside(this.at(i % size), this.at(Math.floor(i / size)))) out.push(i);
    return out;
  }

  jitter(value: number, spread: number): number {
    return value + spread * this.random.normal();
  }
}

/** Body, cavity and organs. @returns the brightness of tissues in this slice. */
function drawOrgans(slice: Slice, weighting: "t1" | "t2"): Readonly<Record<Tissue, number>> {
  const { random, values, labels } = slice;
  const means = Object.fromEntries(
    Object.entries(brightness[weighting]).map(([tissue, mean]) => [tissue, slice.jitter(mean, 0.02)]),
  ) as Record<Tissue, number>;
  const centre = [slice.jitter(0, 0.02), slice.jitter(0, 0.02)] as const;
  const [wider, higher] = [slice.jitter(0, 0.03), slice.jitter(0, 0.03)];
  const body = unevenEllipse(random, centre, [0.88 + wider, 0.7 + higher], 0, 0.04);
  for (const i of slice.pixels(body)) values[i] = means.fat;
  const cavity = new Set(slice.pixels(unevenEllipse(random, centre, [0.8 + wider, 0.62 + higher], 0, 0.03)));
  for (const i of cavity) values[i] = means.cavity;
  for (const { tissue, label, centre, axes, spread, turn, unevenness } of anatomy) {
    const place = [slice.jitter(centre[0], 0.05), slice.jitter(centre[1], 0.05)] as const;
    // small organs do not vanish
    const size = axes.map((n) => Math.max(n / 2, slice.jitter(n, spread))) as [number, number];
    const shape = unevenEllipse(random, place, size, between(random, -turn, turn), unevenness);
    for (const i of slice.pixels(shape)) {
      if (!cavity.has(i)) continue;
      values[i] = means[tissue];
      labels[i] = label;
    }
  }
  return means;
}

/** Vessels, benign spots and lesions of the liver. @param sign of what lesions add to its brightness. */
function drawLiver(slice: Slice, mean: number, sign: 1 | -1): void {
  const { random, values, labels, lesions, size } = slice;
  const where = [...labels.keys()].filter((i) => labels[i] === liver);
  if (!where.length) return;
  const anywhere = () => {
    const i = where[random.integer(where.length)]!;
    return [slice.at(i % size), slice.at(Math.floor(i / size))] as const;
  };
  const contrast = between(random, 0.12, 0.25);
  const polarity = random.integer(2) ? 1 : -1;
  for (let n = 1 + random.integer(3); n > 0; n--) {
    const [x0, y0] = anywhere();
    const turn = 2 * Math.PI * random.next();
    const width = between(random, 0.012, 0.028);
    const [c, s] = [Math.cos(turn), Math.sin(turn)];
    const vessel: Inside = (x, y) => {
      const [u, v] = [c * (x - x0) + s * (y - y0), c * (y - y0) - s * (x - x0)];
      return Math.abs(v + 0.25 * u * u) < width;
    };
    for (const i of slice.pixels(vessel)) if (labels[i] === liver) values[i] = mean + polarity * 0.8 * contrast;
  }
  const spot = (): number[] => {
    // one that hardly lies in the liver is drawn again; a liver too small for any has one fewer
    for (let attempt = 0; attempt < 20; attempt++) {
      const radius = between(random, 0.06, 0.14);
      const axes = [radius, radius * between(random, 0.75, 1.25)] as const;
      const pixels = slice.pixels(unevenEllipse(random, anywhere(), axes, Math.PI * random.next(), 0.15));
      const within = pixels.filter((i) => labels[i] === liver);
      if (within.length && within.length >= 0.9 * pixels.length) return within;
    }
    return [];
  };
  for (let n = random.integer(3); n > 0; n--) for (const i of spot()) values[i] = mean - sign * contrast;
  for (let n = 1 + random.integer(3); n > 0; n--)
    for (const i of spot()) {
      values[i] = mean + sign * contrast;
      lesions[i] = 1;
    }
}

/** A function of the picture that is linear between random values on a grid. */
function smoothNoise(random: Random, nodes: number): (x: number, y: number) => number {
  const grid = random.normals(nodes * nodes);
  return (x, y) => {
    const [u, v] = [((x + 1) / 2) * (nodes - 1), ((y + 1) / 2) * (nodes - 1)];
    const [i, j] = [Math.min(nodes - 2, Math.floor(u)), Math.min(nodes - 2, Math.floor(v))];
    const [a, b] = [u - i, v - j];
    const at = (row: number, column: number) => grid[row * nodes + column]!;
    const above = (1 - a) * at(j, i) + a * at(j, i + 1);
    const below = (1 - a) * at(j + 1, i) + a * at(j + 1, i + 1);
    return (1 - b) * above + b * below;
  };
}

/** Texture of tissue, the coil's uneven field, and the noise of a magnitude; then mean 0 and variance 1. */
function record(slice: Slice, out: Float32Array): void {
  const { random, values, size } = slice;
  const [coarse, fine] = [smoothNoise(random, 17), smoothNoise(random, 33)];
  const [a, b, c, d, e] = Array.from({ length: 5 }, () => 0.12 * random.normal()) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const noise = between(random, 0.03, 0.06);
  for (let i = 0; i < values.length; i++) {
    const [x, y] = [slice.at(i % size), slice.at(Math.floor(i / size))];
    const texture = values[i] ? 0.02 * coarse(x, y) + 0.012 * fine(x, y) : 0;
    const field = Math.exp(a * x + b * y + c * x * y + d * x * x + e * y * y);
    out[i] = Math.hypot((values[i]! + texture) * field + noise * random.normal(), noise * random.normal());
  }
  const mean = out.reduce((sum, value) => sum + value, 0) / out.length;
  const deviation = Math.sqrt(out.reduce((sum, value) => sum + (value - mean) ** 2, 0) / out.length);
  for (let i = 0; i < out.length; i++) out[i] = (out[i]! - mean) / deviation;
}

/**
 * Slices number `0` to `count − 1` of a seed, each with a random stream of its own, half of them in either weighting (T1: lesions are
 * darker than the liver; T2: brighter). @throws `argument` for impossible sizes.
 */
export function drawAbdomens({ count, size, seed }: AbdomensOptions): AbdomenSlices {
  if (!(Number.isSafeInteger(count) && count >= 1 && Number.isSafeInteger(size) && size >= 32))
    fail(
      "argument",
      `drawAbdomens: ${count} slices of ${size} pixels are impossible; there is at least one, of 32 pixels`,
    );
  const pixels = size * size;
  const images = new Float32Array(count * pixels);
  const organs = new Int32Array(count * pixels);
  const lesions = new Int32Array(count * pixels);
  for (let n = 0; n < count; n++) {
    const slice = new Slice(size, new Random(seed).split(n));
    const weighting = slice.random.integer(2) ? "t2" : "t1";
    const means = drawOrgans(slice, weighting);
    drawLiver(slice, means.liver, weighting === "t2" ? 1 : -1);
    record(slice, images.subarray(n * pixels, (n + 1) * pixels));
    organs.set(slice.labels, n * pixels);
    lesions.set(slice.lesions, n * pixels);
  }
  return {
    images: new NDArray(images, [count, 1, size, size], "f32"),
    organs: new NDArray(organs, [count, size, size], "i32"),
    lesions: new NDArray(lesions, [count, size, size], "i32"),
  };
}

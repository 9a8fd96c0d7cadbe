/**
 * The gates as plain loops in double precision, written from their definitions: what the graphs are checked against.
 */
import { sizeOf } from "bletchley/util";

/** Arrays by the names that the modules give them, and the feature map under `x`. */
export type Arrays = Readonly<Record<string, Float64Array>>;

/** Which gate. */
export type GateKind = "cSE" | "sSE" | "max" | "maxGate" | "add" | "multiply" | "concat" | "projectExcite";

const logistic = (x: number) => 1 / (1 + Math.exp(-x));

/** `[n, c]` gates of channels. */
function channelGate(x: Float64Array, n: number, c: number, arrays: Arrays, prefix: string): Float64Array {
  const places = x.length / (n * c);
  const [w1, b1] = [arrays[`${prefix}fc1.weight`]!, arrays[`${prefix}fc1.bias`]!];
  const [w2, b2] = [arrays[`${prefix}fc2.weight`]!, arrays[`${prefix}fc2.bias`]!];
  const hidden = b1.length;
  const out = new Float64Array(n * c);
  for (let i = 0; i < n; i++) {
    const z = Array.from({ length: c }, (_, k) => {
      let sum = 0;
      for (let p = 0; p < places; p++) sum += x[(i * c + k) * places + p]!;
      return sum / places;
    });
    const h = Array.from({ length: hidden }, (_, j) =>
      Math.max(
        0,
        z.reduce((sum, value, k) => sum + w1[j * c + k]! * value, b1[j]!),
      ),
    );
    for (let k = 0; k < c; k++)
      out[i * c + k] = logistic(h.reduce((sum, value, j) => sum + w2[k * hidden + j]! * value, b2[k]!));
  }
  return out;
}

/** `[n, places]` gates of places. */
function spatialGate(x: Float64Array, n: number, c: number, weight: Float64Array, bias: number): Float64Array {
  const places = x.length / (n * c);
  const out = new Float64Array(n * places);
  for (let i = 0; i < n; i++)
    for (let p = 0; p < places; p++) {
      let sum = bias;
      for (let k = 0; k < c; k++) sum += weight[k]! * x[(i * c + k) * places + p]!;
      out[i * places + p] = logistic(sum);
    }
  return out;
}

function projectExcite(x: Float64Array, shape: readonly number[], arrays: Arrays): Float64Array {
  const [n, c, depth, height, width] = shape as [number, number, number, number, number];
  const at = (i: number, k: number, d: number, h: number, w: number) =>
    (((i * c + k) * depth + d) * height + h) * width + w;
  const [w1, b1] = [arrays["conv_c.weight"]!, arrays["conv_c.bias"]!];
  const [w2, b2] = [arrays["conv_cT.weight"]!, arrays["conv_cT.bias"]!];
  const out = new Float64Array(x.length);
  const along = (i: number, k: number, d: number, h: number, w: number): number => {
    let [ofWidth, ofHeight, ofDepth] = [0, 0, 0];
    for (let a = 0; a < depth; a++) for (let b = 0; b < height; b++) ofWidth += x[at(i, k, a, b, w)]!;
    for (let a = 0; a < depth; a++) for (let b = 0; b < width; b++) ofHeight += x[at(i, k, a, h, b)]!;
    for (let a = 0; a < height; a++) for (let b = 0; b < width; b++) ofDepth += x[at(i, k, d, a, b)]!;
    return ofWidth / (depth * height) + ofHeight / (depth * width) + ofDepth / (height * width);
  };
  for (let i = 0; i < n; i++)
    for (let d = 0; d < depth; d++)
      for (let h = 0; h < height; h++)
        for (let w = 0; w < width; w++) {
          const p = Array.from({ length: c }, (_, k) => along(i, k, d, h, w));
          const hidden = Array.from(b1, (bias, j) =>
            Math.max(
              0,
              p.reduce((sum, value, k) => sum + w1[j * c + k]! * value, bias),
            ),
          );
          for (let k = 0; k < c; k++) {
            const gate = hidden.reduce((sum, value, j) => sum + w2[k * hidden.length + j]! * value, b2[k]!);
            out[at(i, k, d, h, w)] = x[at(i, k, d, h, w)]! * logistic(gate);
          }
        }
  return out;
}

/** A gated feature map. @param shape of `x`. `given`, where there is one, holds a few-shot network's weights of places. */
export function gated(kind: GateKind, arrays: Arrays, shape: readonly number[]): Float64Array {
  const x = arrays.x!;
  const [n, c] = shape as readonly [number, number];
  const places = sizeOf(shape.slice(2));
  if (kind === "projectExcite") return projectExcite(x, shape, arrays);
  const both = kind !== "cSE" && kind !== "sSE";
  const channel = kind === "sSE" ? undefined : channelGate(x, n, c, arrays, both ? "cSE." : "");
  const prefix = both ? "sSE." : "";
  const { given } = arrays;
  const shots = given ? given.length / c : 0;
  const weight = given
    ? Float64Array.from({ length: c }, (_, k) => {
        let sum = 0;
        for (let shot = 0; shot < shots; shot++) sum += given[shot * c + k]!;
        return sum / shots;
      })
    : arrays[`${prefix}conv.weight`]!;
  const place =
    kind === "cSE" ? undefined : spatialGate(x, n, c, weight, given ? 0 : arrays[`${prefix}conv.bias`]![0]!);
  const out = new Float64Array(kind === "concat" ? 2 * x.length : x.length);
  for (let i = 0; i < x.length; i++) {
    const [picture, k, p] = [Math.floor(i / (c * places)), Math.floor(i / places) % c, i % places];
    const [a, b] = [channel?.[picture * c + k] ?? 0, place?.[picture * places + p] ?? 0];
    const u = x[i]!;
    if (kind === "cSE") out[i] = u * a;
    else if (kind === "sSE") out[i] = u * b;
    else if (kind === "max") out[i] = Math.max(u * a, u * b);
    else if (kind === "maxGate") out[i] = u * Math.max(a, b);
    else if (kind === "add") out[i] = u * a + u * b;
    else if (kind === "multiply") out[i] = u * a * (u * b);
    else {
      out[i + picture * c * places] = u * a;
      out[i + (picture + 1) * c * places] = u * b;
    }
  }
  return out;
}

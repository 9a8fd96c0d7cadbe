/**
 * One measured number beside its baseline and its bar: the common currency of benchmarks and paper cards.
 */

/** A number that a run produced, and whether it is good enough. */
export interface Measurement {
  /** What was measured, such as `decode speed, context 512`. */
  readonly name: string;
  /** The measured value; `null` when it could not be measured (a peer is absent). */
  readonly value: number | null;
  /** Unit of value and baseline, such as `tokens/s`. */
  readonly unit: string;
  /** What it is compared with in the same run, in the same unit. */
  readonly baseline?: number | null;
  /** `value / baseline` where that says something. */
  readonly ratio?: number | null;
  /** What the paper reports under its own conditions, in words or as a number. */
  readonly paper?: string | number;
  /** The bar in words, such as `≥ 1.4× node-llama-cpp`; absent when the number is only shown. */
  readonly bar?: string;
  /** Tolerance that the comparison used, if any. */
  readonly tolerance?: number;
  /** Whether the bar holds; `null` when there is no bar or nothing was measured. */
  readonly pass: boolean | null;
}

/** A whole run of a bar. */
export interface BarReport {
  readonly name: string;
  readonly machine: { readonly cpu: string; readonly cores: number; readonly memoryGiB: number; readonly node: string };
  readonly commit: string;
  readonly measurements: readonly Measurement[];
}

function format(value: number | null | undefined): string {
  if (value === undefined) return "";
  if (value === null) return "not measured";
  if (value !== 0 && Math.abs(value) < 0.01) return value.toExponential(2);
  return Number.isInteger(value) ? String(value) : value.toPrecision(4);
}

/** One measurement as a line of text. */
export function measurementLine(m: Measurement): string {
  const mark = m.pass === null ? (m.value === null ? "?" : "·") : m.pass ? "✓" : "✗";
  const baseline = m.baseline === undefined ? "" : ` against ${format(m.baseline)}`;
  const ratio = m.ratio == null ? "" : ` (${m.ratio.toFixed(3)}×)`;
  return `${mark} ${m.name}: ${format(m.value)} ${m.unit}${baseline}${ratio}${m.bar ? ` — bar ${m.bar}` : ""}`;
}

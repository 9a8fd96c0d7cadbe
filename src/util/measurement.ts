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

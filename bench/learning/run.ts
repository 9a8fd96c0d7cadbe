/**
 * What the runs of `bar:learning` share: a folder to go on from, a curve, a limit of time. Knows no model.
 */
import type { Module } from "../../src/nn/index.ts";
import type { FileStore } from "../../src/runtime/index.ts";
import type { MetricRecord } from "../../src/train/index.ts";
import { sizeOf } from "../../src/util/ndarray.ts";

/** What a run is given. */
export interface LearningContext {
  /** Where it keeps its checkpoints and goes on from. */
  readonly files: FileStore;
  /** Ends it early; what it has learnt is kept. */
  readonly signal: AbortSignal;
  /** Threads of a step; all by default. */
  readonly threads?: number;
  log(line: string): void;
}

/** What a run comes to. */
export interface LearningResult {
  /** The number that the bar is about, measured on what was held out after the last step. */
  readonly value: number;
  readonly steps: number;
  /** Numbers of parameters that learnt. */
  readonly parameters: number;
  readonly records: readonly MetricRecord[];
}

/** One of the things that must be learnt. */
export interface LearningRun {
  /** What is measured. */
  readonly name: string;
  readonly unit: string;
  readonly bar: string;
  /** Metrics that the committed curve shows. */
  readonly curves: readonly string[];
  passes(value: number): boolean;
  run(context: LearningContext): Promise<LearningResult>;
}

/** Prints every so many steps what the loss is and how long one took. */
export function stepLog(
  every: number,
  log: (line: string) => void,
): (step: number, result: { readonly loss: number }) => void {
  let [sum, count, since] = [0, 0, performance.now()];
  return (step, { loss }) => {
    sum += loss;
    count++;
    if (step % every) return;
    const now = performance.now();
    log(`step ${step}: loss ${(sum / count).toFixed(4)}, ${((now - since) / count).toFixed(0)} ms a step`);
    [sum, count, since] = [0, 0, now];
  };
}

/** Number of parameters of a model. */
export function countParameters(model: Module): number {
  let count = 0;
  for (const [, { shape }] of model.parameters()) count += sizeOf(shape);
  return count;
}

/**
 * Who was busy when: the time stamps of a run of PEARL, measured or simulated.
 */

/** One of the two models that work at the same time. */
export type PearlWorker = "target" | "draft";

/** A time in which a model was busy with a step, in milliseconds of one clock. */
export interface Span {
  readonly worker: PearlWorker;
  readonly start: number;
  readonly end: number;
  /** Rows of the step. */
  readonly rows: number;
}

/** Is told of every step of either model after the prompt. */
export type SpanListener = (span: Span) => void;

/** Share of the time from the first step to the last in which a worker had nothing to do. */
export function idleShare(spans: readonly Span[], worker: PearlWorker): number {
  if (!spans.length) return 0;
  let start = Number.POSITIVE_INFINITY;
  let end = 0;
  let busy = 0;
  for (const span of spans) {
    start = Math.min(start, span.start);
    end = Math.max(end, span.end);
    if (span.worker === worker) busy += span.end - span.start;
  }
  return 1 - busy / (end - start);
}

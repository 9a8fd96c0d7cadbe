/**
 * Progress of anything longer than two seconds. Producers call a {@link ProgressListener}; only the command line draws.
 */

/** One report of a long operation. */
export interface Progress {
  /** What is being done, such as `download SmolLM2-135M-Instruct`. */
  readonly task: string;
  /** Amount done so far, in `unit`. */
  readonly done: number;
  /** Amount in total, if known. */
  readonly total?: number;
  /** What changes on the way, such as the loss of the last step. */
  readonly detail?: string;
  /** Unit of `done` and `total`. */
  readonly unit: "bytes" | "tensors" | "tokens" | "steps";
}

/** Receives reports; may be called often and must be cheap. */
export type ProgressListener = (progress: Progress) => void;

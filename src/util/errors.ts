/**
 * The errors that users meet. Each carries a stable `code` to switch on, and a message that names the offending
 * value and what to do about it. Knows nothing of tensors, files or servers.
 */

/** Stable error codes. A code never changes its meaning; new ones may be added. */
export type ErrorCode =
  | "shape" // shapes do not fit together
  | "dtype" // an element type is not accepted here
  | "name" // an unknown or missing input, tensor or option name
  | "disposed" // something was used after it was disposed
  | "nan" // a NaN was found by an opt-in check
  | "format" // a file is corrupt or not what it claims to be
  | "unsupported" // well-formed, but not something this version can do
  | "argument" // an option or argument has an impossible value
  | "not-found" // a model, file or data set does not exist
  | "unauthorized" // the source wants credentials (401, 403)
  | "rate-limited" // the source asks to come back later (429)
  | "network" // the source could not be reached
  | "offline" // the network is needed but `offline` was asked for
  | "checksum" // bytes do not match their expected hash
  | "disk" // the disk is full or not writable
  | "context-overflow" // the prompt does not fit the model's context
  | "template" // a chat template failed, looped or printed too much
  | "aborted" // the caller's AbortSignal fired
  | "busy" // the queue is full
  | "engine" // ONNX Runtime refused or failed
  | "internal"; // a bug of ours

/** Base class of all errors thrown on purpose. */
export class BletchleyError extends Error {
  /** What kind of failure this is; stable across versions. */
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "BletchleyError";
    this.code = code;
  }
}

/** Throws a {@link BletchleyError}; an expression, so that it can stand behind `??`. */
export function fail(code: ErrorCode, message: string, cause?: unknown): never {
  throw new BletchleyError(code, message, cause === undefined ? undefined : { cause });
}

/** Throws an `internal` error when `condition` is false: a broken promise of our own code, not of the user's. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) fail("internal", `${message} (this is a bug in bletchley; please report it)`);
}

/** The message of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** Throws `aborted` if the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) fail("aborted", "the operation was aborted by its AbortSignal", signal.reason);
}

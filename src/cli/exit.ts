/**
 * How a command ends: exit codes, the one line that says what went wrong, and Ctrl-C.
 */
import { BletchleyError, type ErrorCode, messageOf } from "../util/errors.ts";

/** Exit codes of all commands; scripts may rely on them. */
export const exitCodes = {
  done: 0,
  /** Something failed. */
  failed: 1,
  /** The command line asks for something impossible or unknown. */
  usage: 2,
  /** A model could not be had: not found, no network, no access, a wrong checksum. */
  unavailable: 3,
  /** Ended by Ctrl-C. */
  interrupted: 130,
  /** Ended by SIGTERM. */
  terminated: 143,
} as const;

const unavailable: readonly ErrorCode[] = [
  "not-found",
  "offline",
  "network",
  "unauthorized",
  "rate-limited",
  "checksum",
];

/** A command was ended by a signal; there is nothing to report. */
export class Interrupted extends Error {
  readonly exitCode: number;

  constructor(exitCode: number) {
    super("interrupted");
    this.name = "Interrupted";
    this.exitCode = exitCode;
  }
}

/** The exit code that stands for an error. */
export function exitCodeOf(thrown: unknown): number {
  if (thrown instanceof Interrupted) return thrown.exitCode;
  if (!(thrown instanceof BletchleyError)) return exitCodes.failed;
  if (thrown.code === "argument" || thrown.code === "name") return exitCodes.usage;
  return unavailable.includes(thrown.code) ? exitCodes.unavailable : exitCodes.failed;
}

/** What is printed of an error: one line, or the whole stack with its causes when `BLETCHLEY_DEBUG` is set. */
export function reportOf(thrown: unknown, debug = Boolean(process.env.BLETCHLEY_DEBUG)): string {
  const lines = [`bletchley: ${messageOf(thrown)}`];
  if (debug)
    for (let error = thrown; error instanceof Error; error = error.cause) lines.push(error.stack ?? error.message);
  return lines.join("\n");
}

/** Time for a clean stop, after which the process ends as it is. */
const graceMs = 3000;

/** Ends what runs under {@link interruptible} now. */
let stopCurrent: ((exitCode: number) => void) | undefined;

/**
 * Ends the process by a signal, whatever it is doing. `process.exit` would first stop the engine's thread, and one that is
 * stopped in the middle of a step crashes.
 */
export function endBySignal(signal: "SIGINT" | "SIGTERM"): void {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}

/**
 * Runs the work of a command so that Ctrl-C and SIGTERM end it cleanly: the first one fires the signal, and a second one,
 * or none being heeded in time, ends the process. Nothing is lost by that: files are written under another name first.
 * @throws {@link Interrupted} when a signal came, whatever the work itself did then.
 */
export async function interruptible<T>(body: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  let exitCode: number | undefined;
  const stop = (code: number, name: "SIGINT" | "SIGTERM") => {
    if (exitCode !== undefined) return endBySignal(name);
    exitCode = code;
    controller.abort();
    setTimeout(() => endBySignal(name), graceMs).unref();
  };
  const onInterrupt = () => stop(exitCodes.interrupted, "SIGINT");
  const onTerminate = () => stop(exitCodes.terminated, "SIGTERM");
  process.on("SIGINT", onInterrupt);
  process.on("SIGTERM", onTerminate);
  stopCurrent = (code) => stop(code, "SIGTERM");
  try {
    return await body(controller.signal);
  } finally {
    stopCurrent = undefined;
    process.off("SIGINT", onInterrupt);
    process.off("SIGTERM", onTerminate);
    // biome-ignore lint/correctness/noUnsafeFinally: a signal overrules whatever the work returned or threw
    if (exitCode !== undefined) throw new Interrupted(exitCode);
  }
}

/** Ends without a word because nobody reads the output any more, as `head` does after its lines. That is no failure. */
export function endUnread(): void {
  if (stopCurrent) stopCurrent(exitCodes.done);
  else process.exit(exitCodes.done);
}

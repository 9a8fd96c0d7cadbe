/**
 * What comes in through standard input.
 */
import { createInterface } from "node:readline";
import { faint } from "./terminal.ts";

/** All of standard input as text. A person at a terminal is told how to end it. */
export async function readInput(what: string, signal: AbortSignal): Promise<string> {
  if (process.stdin.isTTY) process.stderr.write(faint(`type ${what}, end with Ctrl-D\n`, process.stderr));
  const pieces: Buffer[] = [];
  const stop = () => process.stdin.destroy();
  signal.addEventListener("abort", stop, { once: true });
  try {
    for await (const piece of process.stdin) pieces.push(Buffer.from(piece as Uint8Array));
  } catch (thrown) {
    if (!signal.aborted) throw thrown;
  } finally {
    signal.removeEventListener("abort", stop);
  }
  return Buffer.concat(pieces).toString("utf8");
}

/** The lines of standard input as they arrive; ends when the signal fires. */
export async function* inputLines(signal: AbortSignal): AsyncGenerator<string, void, void> {
  const lines = createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY });
  const stop = () => lines.close();
  signal.addEventListener("abort", stop, { once: true });
  try {
    for await (const line of lines) yield line;
  } finally {
    signal.removeEventListener("abort", stop);
    lines.close();
  }
}

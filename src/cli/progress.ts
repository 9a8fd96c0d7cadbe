/**
 * Draws the progress of whatever takes longer than a moment: one line with rate and time left, on a terminal only.
 */
import type { Progress, ProgressListener } from "../util/progress.ts";
import { formatBytes, formatSeconds, type TerminalStream } from "./terminal.ts";

/** What ends sooner than this is not drawn. */
const patienceMs = 500;
/** The line is drawn no more often than this. */
const frameMs = 80;

const amount = ({ unit }: Progress, value: number) =>
  unit === "bytes" ? formatBytes(value) : String(Math.round(value));

/** Cuts a text to a number of columns. */
function cut(text: string, columns: number): string {
  const characters = [...text];
  return characters.length <= columns ? text : `${characters.slice(0, Math.max(0, columns - 1)).join("")}…`;
}

/** How far a task was when it was first heard of, and when. */
export interface ProgressStart {
  readonly done: number;
  readonly at: number;
}

/**
 * One line for a task: `download X  ━━━━╌╌╌╌  45 %  44.1 of 98.4 MB  12 MB/s  4 s left`.
 * @param now milliseconds, on the clock of `start`. @param columns width of the terminal.
 */
export function progressLine(progress: Progress, start: ProgressStart, now: number, columns: number): string {
  const { task, done, total, unit } = progress;
  const seconds = (now - start.at) / 1000;
  // what an earlier run has left behind says nothing about this one's speed
  const rate = seconds > 0.2 ? (done - start.done) / seconds : 0;
  const parts: string[] = [];
  if (total) {
    const share = Math.min(1, done / total);
    const width = 20;
    const full = Math.round(share * width);
    parts.push(`${"━".repeat(full)}${"╌".repeat(width - full)}`, `${Math.floor(share * 100)} %`);
    parts.push(`${amount(progress, done)} of ${amount(progress, total)}${unit === "bytes" ? "" : ` ${unit}`}`);
  } else parts.push(`${amount(progress, done)}${unit === "bytes" ? "" : ` ${unit}`}`);
  if (rate > 0) {
    parts.push(unit === "bytes" ? `${formatBytes(rate)}/s` : `${rate.toFixed(rate < 10 ? 1 : 0)}/s`);
    if (total && done < total) parts.push(`${formatSeconds((total - done) / rate)} left`);
  }
  if (progress.detail) parts.push(progress.detail);
  const rest = parts.join("  ");
  const room = columns - [...rest].length - 3;
  return room > 8 ? `${cut(task, room)}  ${rest}` : cut(rest, columns - 1);
}

/** A line that is drawn over and over until it is cleared. */
export class ProgressDrawing {
  readonly #stream: TerminalStream;
  readonly #now: () => number;
  #task = "";
  #start: ProgressStart = { done: 0, at: 0 };
  #drawnAt = Number.NEGATIVE_INFINITY;
  #visible = false;

  constructor(stream: TerminalStream = process.stderr, now: () => number = () => performance.now()) {
    this.#stream = stream;
    this.#now = now;
  }

  /** Receives reports; give this to whatever takes long. */
  readonly listener: ProgressListener = (progress) => {
    if (!this.#stream.isTTY) return;
    const now = this.#now();
    if (progress.task !== this.#task) {
      this.#task = progress.task;
      this.#start = { done: progress.done, at: now };
    }
    if (now - this.#start.at < patienceMs || now - this.#drawnAt < frameMs) return;
    this.#drawnAt = now;
    this.#visible = true;
    this.#stream.write(`\r${progressLine(progress, this.#start, now, this.#stream.columns || 80)}\u001b[K`);
  };

  /** Takes the line away, before something else is written. */
  clear(): void {
    if (this.#visible) this.#stream.write("\r\u001b[K");
    this.#visible = false;
    this.#task = "";
  }
}

/** Runs work that reports its progress; the line is gone when it ends, whichever way. */
export async function withProgress<T>(body: (listener: ProgressListener) => Promise<T>): Promise<T> {
  const drawing = new ProgressDrawing();
  try {
    return await body(drawing.listener);
  } finally {
    drawing.clear();
  }
}

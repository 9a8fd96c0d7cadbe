/**
 * Words for a terminal: faint text where there is colour, sizes and times for people, tables.
 */

/** What is used of a stream that may be a terminal. */
export interface TerminalStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Whether a stream shows colours: a terminal, and nobody has asked for none. */
export function hasColour(stream: TerminalStream, env: NodeJS.ProcessEnv = process.env): boolean {
  return Boolean(stream.isTTY) && !env.NO_COLOR && env.TERM !== "dumb";
}

/** Text that steps back behind the answer. */
export function faint(text: string, stream: TerminalStream): string {
  return hasColour(stream) ? `\u001b[2m${text}\u001b[22m` : text;
}

/** Colours that tell a few names apart: of foregrounds 36, 33, 35, 32, 34. */
const nameColours = [36, 33, 35, 32, 34] as const;

/** Gives names colours, each its own in the order in which they are first met; plain text where there is no colour. */
export class NameColours {
  readonly #stream: TerminalStream;
  readonly #names: string[] = [];

  constructor(stream: TerminalStream) {
    this.#stream = stream;
  }

  /** Text in the colour of a name; as it is without one. */
  paint(text: string, name: string | undefined): string {
    if (!name || !text || !hasColour(this.#stream)) return text;
    if (!this.#names.includes(name)) this.#names.push(name);
    const colour = nameColours[this.#names.indexOf(name) % nameColours.length]!;
    return `\u001b[${colour}m${text}\u001b[39m`;
  }

  /** All names so far, each in its colour. */
  legend(): string {
    return this.#names.map((name) => this.paint(name, name)).join(" ");
  }
}

/** Bytes for people, in powers of 1000: `98.4 MB`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  let value = bytes;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 99.95 ? value.toFixed(0) : value.toFixed(1)} ${units[unit]}`;
}

/** Seconds for people: `4 s`, `2:05`, `1:02:05`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const two = (n: number) => String(n).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** A table with columns as wide as they must be; columns whose heading begins with a space stand right. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const right = headings.map((heading) => heading.startsWith(" "));
  const lines = [headings.map((heading) => heading.trim()), ...rows];
  const widths = headings.map((_, column) => Math.max(...lines.map((line) => [...line[column]!].length)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => {
          const gap = " ".repeat(widths[column]! - [...cell].length);
          return right[column] ? gap + cell : cell + gap;
        })
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Control characters must not reach the terminal from texts that somebody else wrote: they could rewrite the screen. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to remove
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "");
}

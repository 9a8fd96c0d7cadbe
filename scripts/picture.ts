/**
 * Draws docs/picture.svg: a recording of a real conversation in a terminal, played back at the speed at which it happened.
 * Needs Linux (`script` makes the terminal) and a built package; `npx tsx scripts/picture.ts`.
 */
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(fileURLToPath(import.meta.url), "../..");
const columns = 92;
const keyMs = 45;
const questions = ["Explain what a neural network is, in one sentence.", "Give me three tips for writing clear code."];
const command = "npx bletchley chat";
// greedy, so that the same words come each time; the timing is what happened
const options = ["chat", "--temperature", "0"];

const escapeCode = "\u001b";
/** Escape sequences, and characters one by one. */
const tokens = new RegExp(`${escapeCode}\\[[0-9;?]*[A-Za-z]|[^]`, "gu");

interface Cell {
  readonly character: string;
  readonly faint: boolean;
  /** When it appeared, since the first prompt. */
  readonly atMs: number;
}

/** As much of a terminal as the conversation uses: text, line ends, columns, erasing, faint. */
class Screen {
  readonly lines: Cell[][] = [[]];
  #row = 0;
  #column = 0;
  #faint = false;

  write(text: string, atMs: number): void {
    for (const [token] of text.matchAll(tokens)) this.#take(token, atMs);
  }

  #take(token: string, atMs: number): void {
    const line = this.lines[this.#row]!;
    if (token === "\r") this.#column = 0;
    else if (token === "\n") this.#newLine();
    else if (token.startsWith(escapeCode)) {
      const [amount, letter] = [Number(/\d+/.exec(token)?.[0] ?? 0), token.at(-1)];
      if (letter === "G") this.#column = Math.max(amount, 1) - 1;
      else if (letter === "J" || letter === "K") line.length = Math.min(line.length, this.#column);
      else if (letter === "m") this.#faint = amount === 2;
    } else {
      if (this.#column === columns) this.#wrap();
      const cells = this.lines[this.#row]!;
      while (cells.length < this.#column) cells.push({ character: " ", faint: false, atMs });
      const was = cells[this.#column];
      // a line that is drawn again has been there all the time
      if (was?.character !== token || was.faint !== this.#faint)
        cells[this.#column] = { character: token, faint: this.#faint, atMs };
      this.#column++;
    }
  }

  /** Breaks the line between words, for people who read the picture; a terminal would break it anywhere. */
  #wrap(): void {
    const line = this.lines[this.#row]!;
    const word = line.findLastIndex(({ character }) => character === " ") + 1;
    const moved = word ? line.splice(word) : [];
    this.#newLine();
    this.lines[this.#row]!.push(...moved);
    this.#column = moved.length;
  }

  #newLine(): void {
    this.#row++;
    this.#column = 0;
    this.lines[this.#row] ??= [];
  }
}

/** Where readline leaves the cursor when it waits. */
const atPrompt = new RegExp(`> (?:${escapeCode}\\[\\d+G)?$`);
const answeredAtPrompt = new RegExp(`first token[^]*${atPrompt.source}`);

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** Holds the conversation in a terminal. */
async function record(): Promise<Screen> {
  const main = join(root, "dist/cli/main.js");
  const words = [process.execPath, main, ...options].map((word) => `'${word}'`).join(" ");
  const child = spawn("script", ["-qefc", `stty cols ${columns} rows 40; ${words}`, "/dev/null"], {
    env: { ...process.env, TERM: "xterm-256color", NO_COLOR: "" },
    stdio: ["pipe", "pipe", "inherit"],
  });
  let pieces: { readonly text: string; readonly at: number }[] = [];
  let seen = "";
  let recording = true;
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    if (recording) pieces.push({ text, at: performance.now() });
    seen += text;
  });
  const until = async (pattern: RegExp) => {
    while (!pattern.test(seen)) {
      if (child.exitCode !== null) throw new Error(`the conversation ended early:\n${seen}`);
      await pause(5);
    }
    seen = "";
  };
  await until(atPrompt);
  const start = performance.now();
  pieces = pieces.map(({ text }) => ({ text, at: start }));
  for (const question of questions) {
    await pause(700);
    for (const key of question) {
      child.stdin.write(key);
      await pause(keyMs);
    }
    await pause(300);
    seen = "";
    child.stdin.write("\r");
    await until(answeredAtPrompt);
  }
  recording = false;
  child.stdin.write("\u0004");
  await new Promise((done) => child.once("exit", done));
  const screen = new Screen();
  screen.write(`$ ${command}\r\n`, 0);
  for (const { text, at } of pieces) screen.write(text, at - start);
  return screen;
}

interface Run {
  readonly row: number;
  readonly column: number;
  readonly text: string;
  readonly faint: boolean;
  readonly atMs: number;
}

/** Neighbours that appeared together and look alike, without spaces around them: SVG would drop those. */
function runsOf(lines: readonly (readonly Cell[])[]): Run[] {
  const runs: Run[] = [];
  lines.forEach((line, row) => {
    line.forEach(({ character, faint, atMs }, column) => {
      const last = runs.at(-1);
      if (last?.row === row && last.faint === faint && atMs - last.atMs < 1)
        runs[runs.length - 1] = { ...last, text: last.text + character };
      else runs.push({ row, column, text: character, faint, atMs });
    });
  });
  return runs
    .map((run) => ({
      ...run,
      text: run.text.trim(),
      column: run.column + run.text.length - run.text.trimStart().length,
    }))
    .filter(({ text }) => text);
}

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };
const xml = (text: string) => text.replace(/[&<>]/g, (character) => entities[character]!);

/** The window as SVG; it brings its own background, so that it stands on light and dark pages alike. */
function draw(screen: Screen): string {
  const cell = { width: 8.4, height: 20 };
  const margin = { x: 22, top: 62, bottom: 18 };
  const lines = [...screen.lines];
  // the last prompt waits for a question that does not come
  while (!lines.at(-1)?.some(({ character }) => character !== ">" && character !== " ")) lines.pop();
  const size = {
    width: Math.round(columns * cell.width + 2 * margin.x),
    height: margin.top + lines.length * cell.height + margin.bottom,
  };
  const x = (column: number) => (margin.x + column * cell.width).toFixed(1);
  const texts = runsOf(lines).map(({ row, column, text, faint, atMs }) => {
    const kind = [faint && "f", (text === ">" || text.startsWith("$ ")) && "p"].filter(Boolean).join(" ");
    const attributes = [
      `x="${x(column)}"`,
      `y="${margin.top + row * cell.height}"`,
      `textLength="${(text.length * cell.width).toFixed(1)}"`,
      ...(kind ? [`class="${kind}"`] : []),
      ...(atMs > 0 ? [`style="animation-delay:${(atMs / 1000).toFixed(2)}s"`] : []),
    ];
    return `<text ${attributes.join(" ")}>${xml(text)}</text>`;
  });
  const spoken = lines.map((line) => line.map(({ character }) => character).join("")).join(" ");
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height}" width="${size.width}" height="${size.height}" role="img" aria-labelledby="title">
<title id="title">A conversation in a terminal: ${xml(spoken)}</title>
<style>
text { font: 14px ui-monospace, "SF Mono", SFMono-Regular, Menlo, Consolas, "Liberation Mono", "DejaVu Sans Mono", monospace; fill: #e6edf3; white-space: pre; animation: show 1ms backwards; }
.f { fill: #8b949e; }
.p { fill: #7ee787; }
.h { fill: #8b949e; animation: none; }
@keyframes show { from { opacity: 0; } }
@media (prefers-reduced-motion: reduce) { text { animation: none; } }
</style>
<rect x="1" y="1" width="${size.width - 2}" height="${size.height - 2}" rx="10" fill="#0d1117" stroke="#6e7681"/>
<path d="M1 34H${size.width - 1}" stroke="#30363d"/>
<g fill="#6e7681"><circle cx="22" cy="18" r="5.5"/><circle cx="40" cy="18" r="5.5"/><circle cx="58" cy="18" r="5.5"/></g>
<text class="h" x="${size.width / 2}" y="22.5" text-anchor="middle">bletchley</text>
${texts.join("\n")}
</svg>
`;
}

const file = join(root, "docs/picture.svg");
const svg = draw(await record());
mkdirSync(dirname(file), { recursive: true });
writeFileSync(file, svg);
console.log(`wrote ${file}: ${svg.length} bytes`);

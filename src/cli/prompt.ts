/**
 * Asks for a line at a terminal, with editing and history. The terminal is only in its raw state while a line is asked for,
 * so that Ctrl-C is a plain signal the rest of the time.
 */
import { createInterface } from "node:readline";

/** What came of asking. */
export type Line =
  | { readonly kind: "line"; readonly text: string }
  /** Ctrl-D on an empty line, or the end of the input. */
  | { readonly kind: "end" }
  /** Ctrl-C; what was typed is dropped. */
  | { readonly kind: "interrupt" };

/** Asks for lines. */
export class LinePrompt {
  readonly #prompt: string;
  #history: string[] = [];

  constructor(prompt: string) {
    this.#prompt = prompt;
  }

  /** Asks once. Lines that arrive together, as when they are pasted, are one. */
  ask(): Promise<Line> {
    return new Promise((resolve) => {
      const reader = createInterface({
        input: process.stdin,
        output: process.stdout.isTTY ? process.stdout : process.stderr,
        terminal: true,
        prompt: this.#prompt,
        history: this.#history,
        historySize: 200,
        removeHistoryDuplicates: true,
      });
      const lines: string[] = [];
      let answer: Line = { kind: "end" };
      const end = (line: Line) => {
        answer = line;
        reader.close();
      };
      reader.on("line", (line) => {
        lines.push(line);
        // what is left on the line is pasted text without its end: the user gives it
        setImmediate(() => {
          if (!reader.line) end({ kind: "line", text: lines.join("\n") });
        });
      });
      reader.on("SIGINT", () => {
        process.stderr.write("\n");
        end({ kind: "interrupt" });
      });
      reader.on("history", (history) => {
        this.#history = [...history];
      });
      reader.on("close", () => {
        if (answer.kind === "end") process.stderr.write("\n");
        resolve(answer);
      });
      reader.prompt();
    });
  }
}

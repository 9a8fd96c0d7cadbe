/**
 * Judges programs that a model has completed: whether they are TypeScript, and whether they answer as the task's own reference does.
 */
import { type JsonValue, Sandbox } from "bletchley/decode";
import ts from "typescript";
import type { Program } from "./programs.ts";

/** What became of a completion. */
export type Verdict = "passes" | "fails" | "does not parse";

/** JSON with the keys of every record in order, so that equal values are equal texts. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    inner && typeof inner === "object" && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

/** Runs completions in a sandbox; the same one is run once. */
export class Judge {
  readonly #sandbox: Sandbox;
  readonly #known = new Map<string, Verdict>();

  private constructor(sandbox: Sandbox) {
    this.#sandbox = sandbox;
  }

  /** Opens a sandbox of its own. */
  static async open(): Promise<Judge> {
    return new Judge(await Sandbox.open({ instructions: 1_000_000 }));
  }

  /** Judges a program's completion: it passes when all of its checks do. */
  async verdict(program: Program, completion: string): Promise<Verdict> {
    const source = program.prompt + completion;
    const key = `${source}\0${canonical(program.checks)}`;
    const known = this.#known.get(key);
    if (known) return known;
    const verdict = await this.#judge(program, source);
    this.#known.set(key, verdict);
    return verdict;
  }

  async #judge({ name, checks }: Program, source: string): Promise<Verdict> {
    const { outputText, diagnostics } = ts.transpileModule(source, {
      reportDiagnostics: true,
      compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
    });
    if (diagnostics?.length) return "does not parse";
    const outcomes = await this.#sandbox.call(
      outputText,
      name,
      checks.map(({ values }) => values as readonly JsonValue[]),
    );
    const right = outcomes.every(
      (outcome, i) => outcome.kind === "value" && canonical(outcome.value) === canonical(checks[i]!.wanted),
    );
    return right ? "passes" : "fails";
  }
}

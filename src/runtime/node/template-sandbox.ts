/**
 * Renders chat templates in a child process: a template that loops or eats memory ends that process and nothing else.
 * The child is started on first use, kept between renderings, and never keeps the program alive.
 */
import { type ChildProcess, fork } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { ChatTemplateInput } from "../../formats/tokenizer/chat-template.ts";
import { BletchleyError, fail } from "../../util/index.ts";

/** What the child is asked. */
export interface TemplateRequest {
  readonly template: string;
  readonly input: ChatTemplateInput;
}

/** What the child answers: first that it is ready, then one answer a request. */
export type TemplateAnswer =
  | { readonly kind: "ready" }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "error"; readonly message: string };

/** Options of a {@link TemplateSandbox}. */
export interface TemplateSandboxOptions {
  /** Time for one rendering, after which the child is killed; default 2,000. */
  readonly timeoutMs?: number;
  /** Time for the child to start; default 30,000. */
  readonly startMs?: number;
  /** Heap of the child in MiB; default 256. */
  readonly memoryMiB?: number;
}

/** Beside a source file stands a source file, beside a built one a built one. */
const fromSource = import.meta.url.endsWith(".ts");
const childUrl = new URL(`./template-child.${fromSource ? "ts" : "js"}`, import.meta.url);

function loaderArguments(): string[] {
  return fromSource ? ["--import", pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href] : [];
}

/** A child process that renders one template at a time. */
export class TemplateSandbox {
  readonly #timeoutMs: number;
  readonly #startMs: number;
  readonly #memoryMiB: number;
  #child: ChildProcess | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(options: TemplateSandboxOptions = {}) {
    this.#timeoutMs = options.timeoutMs ?? 2000;
    this.#startMs = options.startMs ?? 30_000;
    this.#memoryMiB = options.memoryMiB ?? 256;
  }

  /**
   * Renders a template; calls are answered one after another.
   * @throws `template` when it is invalid, raises an exception, goes beyond the limits or does not end in time.
   */
  render(template: string, input: ChatTemplateInput): Promise<string> {
    const result = this.#queue.then(() => this.#render({ template, input }));
    this.#queue = result.catch(() => undefined);
    return result;
  }

  /** Ends the child; the next rendering starts another. */
  close(): void {
    this.#child?.kill("SIGKILL");
    this.#child = undefined;
  }

  async #render(request: TemplateRequest): Promise<string> {
    let child = this.#child;
    if (!child?.connected) {
      child = this.#start();
      this.#child = child;
      await this.#answer(child, this.#startMs, "did not start");
    }
    this.#hold(child, true);
    const pending = this.#answer(child, this.#timeoutMs, "did not end");
    child.send(request, (error) => {
      // the exit of the child, seen by the pending answer, says more
      if (error) child.kill("SIGKILL");
    });
    const answer = await pending;
    this.#hold(child, false);
    if (answer.kind === "text") return answer.text;
    return fail("template", answer.kind === "error" ? answer.message : "the template process answered out of turn");
  }

  #start(): ChildProcess {
    return fork(fileURLToPath(childUrl), [], {
      execArgv: [...loaderArguments(), `--max-old-space-size=${this.#memoryMiB}`, "--max-semi-space-size=8"],
      // nothing of the parent's environment is the template's business
      env: {},
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
  }

  /** Only while an answer is awaited may the child keep the program alive. */
  #hold(child: ChildProcess, hold: boolean): void {
    if (hold) {
      child.ref();
      child.channel?.ref();
    } else {
      child.unref();
      child.channel?.unref();
    }
  }

  #answer(child: ChildProcess, timeoutMs: number, late: string): Promise<TemplateAnswer> {
    return new Promise((resolve, reject) => {
      const finish = (): void => {
        clearTimeout(timer);
        child.off("message", onMessage);
        child.off("exit", onExit);
        child.off("error", onExit);
      };
      const refuse = (message: string): void => {
        finish();
        child.kill("SIGKILL");
        if (this.#child === child) this.#child = undefined;
        reject(new BletchleyError("template", message));
      };
      const onMessage = (answer: TemplateAnswer): void => {
        finish();
        resolve(answer);
      };
      const onExit = (): void =>
        refuse("the process that renders chat templates ended; the template may take too much memory");
      const timer = setTimeout(
        () => refuse(`the chat template ${late} within ${timeoutMs} ms; it may loop without end`),
        timeoutMs,
      );
      child.on("message", onMessage);
      child.on("exit", onExit);
      child.on("error", onExit);
    });
  }
}

let shared: TemplateSandbox | undefined;

/** Renders a template in the sandbox that the whole program shares. @throws `template`, see {@link TemplateSandbox.render}. */
export function renderInSandbox(template: string, input: ChatTemplateInput): Promise<string> {
  shared ??= new TemplateSandbox();
  return shared.render(template, input);
}

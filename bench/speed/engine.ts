/** The parent's side of {@link SpeedRequest}: a child process that answers one request at a time. */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { SpeedAnswer, SpeedRequest } from "./child.ts";

type AnswerOf<K extends SpeedRequest["kind"]> = K extends "open" | "tune"
  ? Extract<SpeedAnswer, { kind: "opened" }>
  : K extends "rows"
    ? Extract<SpeedAnswer, { kind: "rows" }>
    : K extends "memory"
      ? Extract<SpeedAnswer, { kind: "memory" }>
      : Extract<SpeedAnswer, { kind: "times" }>;

/** An engine that is measured. */
export class SpeedEngine {
  readonly #child: ChildProcess;

  constructor() {
    this.#child = fork(fileURLToPath(new URL("./child.ts", import.meta.url)), {
      execArgv: ["--import", import.meta.resolve("tsx")],
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
  }

  /** Sends a request and waits. @throws when the child fails or ends. */
  ask<R extends SpeedRequest>(request: R): Promise<AnswerOf<R["kind"]>> {
    return new Promise((resolve, reject) => {
      const onExit = (code: number | null) => reject(new Error(`the measured process ended with ${code}`));
      this.#child.once("exit", onExit);
      this.#child.once("message", (answer: SpeedAnswer) => {
        this.#child.off("exit", onExit);
        if (answer.kind === "opened" && request.kind !== "open" && request.kind !== "tune")
          reject(new Error(answer.reason));
        else resolve(answer as AnswerOf<R["kind"]>);
      });
      this.#child.send(request);
    });
  }

  /** Ends the process. */
  close(): void {
    this.#child.kill("SIGKILL");
  }
}

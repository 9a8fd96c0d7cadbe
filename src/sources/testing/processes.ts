/**
 * Child processes of tests and bars: TypeScript through tsx, a cache folder of their own.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** A started child. */
export interface Child {
  readonly process: ChildProcess;
  /** Everything that it printed, when it has ended. */
  readonly ended: Promise<{ code: number | null; stdout: string; stderr: string }>;
  /** Resolves when `text` appears on its standard error. */
  says(text: string): Promise<void>;
}

/** Starts a command with more environment variables. */
export function startCommand(command: readonly string[], env: Record<string, string> = {}): Child {
  const child = spawn(command[0]!, command.slice(1), {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  const listeners = new Set<() => void>();
  child.stdout.on("data", (piece: Buffer) => {
    stdout += piece.toString("utf8");
  });
  child.stderr.on("data", (piece: Buffer) => {
    stderr += piece.toString("utf8");
    for (const listener of listeners) listener();
  });
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
  return {
    process: child,
    ended,
    says: (text) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (!stderr.includes(text)) return;
          listeners.delete(look);
          resolve();
        };
        listeners.add(look);
        look();
        void ended.then(() => reject(new Error(`the child ended without saying ${text}: ${stdout} ${stderr}`)));
      }),
  };
}

/** The command that runs a TypeScript file of this repository. */
export function typescriptCommand(url: URL, ...args: readonly string[]): string[] {
  return [process.execPath, "--import", "tsx", fileURLToPath(url), ...args];
}

/** Starts a process that pulls one model; see `pull-child.ts`. */
export function startPull(ref: string, env: Record<string, string>): Child {
  return startCommand(typescriptCommand(new URL("./pull-child.ts", import.meta.url), ref), env);
}

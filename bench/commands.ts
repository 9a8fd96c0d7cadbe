/**
 * Runs commands for the bars that look at the product from outside, as somebody who has just found it would.
 */
import { spawn } from "node:child_process";

/** What came of a command. */
export interface Ran {
  /** `null` when a signal ended it or it was not found. */
  readonly exitCode: number | null;
  readonly stdout: string;
  /** Both streams as they would show on a screen. */
  readonly screen: string;
  readonly seconds: number;
}

/** Where and how a command runs. */
export interface RunOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** What is piped into it. */
  readonly input?: string;
  /** After this it is killed, with all that it started. */
  readonly limitSeconds: number;
}

/**
 * The environment of a person at a shell: without what npm has put there for the bar that is running, but with where
 * packages come from.
 */
function plainEnvironment(): NodeJS.ProcessEnv {
  const kept = /^npm_config_(?:registry|cache|cafile|userconfig|globalconfig|https?_proxy|noproxy|proxy)$/i;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name) || kept.test(name)));
}

/** Runs a line in a shell. */
export function runLine(line: string, { cwd, env, input = "", limitSeconds }: RunOptions): Promise<Ran> {
  return new Promise((done) => {
    const started = performance.now();
    // a process group of its own, so that nothing it started outlives the limit
    const child = spawn("sh", ["-c", line], { cwd, env: { ...plainEnvironment(), ...env }, detached: true });
    let stdout = "";
    let screen = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      screen += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      screen += text;
    });
    const timer = setTimeout(() => {
      screen += `\n(ended after ${limitSeconds} s)\n`;
      process.kill(-child.pid!, "SIGKILL");
    }, limitSeconds * 1000);
    const end = (exitCode: number | null) => {
      clearTimeout(timer);
      done({ exitCode, stdout, screen, seconds: (performance.now() - started) / 1000 });
    };
    child.on("error", (thrown) => {
      screen += `${thrown.message}\n`;
      end(null);
    });
    child.on("close", end);
    // a command that reads nothing closes its input: no failure of ours
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
}

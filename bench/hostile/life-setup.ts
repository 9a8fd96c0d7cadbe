/**
 * What the checks of a hostile life share: the real default model behind a Hub on this machine that can misbehave, a
 * cache of their own, and the command line in processes that can be interrupted.
 */
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { resolveModel } from "../../src/sources/index.ts";
import { type ServedFile, startServer, type TestServer } from "../../src/sources/testing/hub-server.ts";

/** How a command ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
  /** From the interruption to the end. */
  readonly msAfterSignal?: number;
}

/** A running command. */
export interface Running {
  readonly ended: Promise<Ended>;
  /** Sends a signal; Ctrl-C when none is named. */
  interrupt(signal?: NodeJS.Signals): void;
}

/** The model under its name on the local Hub. */
export const modelRef = "hf:life/smollm2/model.gguf";
/** Where the local Hub serves it. */
export const modelPath = "/life/smollm2/resolve/main/model.gguf";

const command = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

/** A cache, a Hub, and the model that it serves. */
export interface Life extends AsyncDisposable {
  readonly folder: string;
  readonly cache: string;
  readonly server: TestServer;
  readonly model: Uint8Array;
  readonly sha256: string;
  /** Environment of commands: this cache, this Hub, and no package index. */
  environment(cache?: string): Record<string, string>;
  /** Starts `bletchley …`. */
  start(args: readonly string[], env?: Record<string, string>): Running;
  /** Runs it to its end. */
  run(args: readonly string[], env?: Record<string, string>): Promise<Ended>;
  /** Makes the Hub serve the model so, and forgets what it was asked before. */
  serve(how?: Partial<ServedFile>): void;
  /** Ranges that the model was asked for since {@link serve}; `undefined` stands for all of it. */
  asked(): (string | undefined)[];
}

/** Arguments that generate the same few tokens each time. */
export function generation(tokens: number, ...more: readonly string[]): string[] {
  const fixed = ["generate", "--model", modelRef, "--raw", "--temperature", "0", "--json"];
  return [...fixed, "--max-tokens", String(tokens), ...more, "Once upon a time"];
}

/** The tokens that such a command printed. */
export function tokensOf({ stdout, stderr }: Ended): readonly number[] {
  try {
    return (JSON.parse(stdout) as { tokens: number[] }).tokens;
  } catch {
    throw new Error(`no answer was printed: ${stdout.slice(0, 500)} ${stderr.slice(-1000)}`);
  }
}

/** Starts the Hub and makes an empty cache. The model is pulled into the user's own cache if it is not there. */
export async function startLife(): Promise<Life> {
  const { path, sha256 } = await resolveModel("smollm2");
  const model = new Uint8Array(await readFile(path));
  const folder = await mkdtemp(join(tmpdir(), "bletchley-life-"));
  const cache = join(folder, "cache");
  const server = await startServer();
  const serve: Life["serve"] = (how = {}) => {
    server.seen.length = 0;
    server.files.set(modelPath, { bytes: model, large: true, ...how });
  };
  serve();
  const environment = (root = cache) => ({
    BLETCHLEY_CACHE: root,
    HF_ENDPOINT: server.url,
    HF_TOKEN: "",
    PIP_NO_INDEX: "1",
    BLETCHLEY_DEBUG: "",
  });
  const start: Life["start"] = (args, env = environment()) => {
    const started = performance.now();
    const child = spawn(process.execPath, ["--import", "tsx", command, ...args], {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    let interrupted: number | undefined;
    child.stdout.on("data", (piece: Buffer) => {
      stdout += piece.toString("utf8");
    });
    child.stderr.on("data", (piece: Buffer) => {
      stderr += piece.toString("utf8");
    });
    const ended = new Promise<Ended>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code, signal) => {
        const now = performance.now();
        const msAfterSignal = interrupted === undefined ? undefined : now - interrupted;
        resolve({ code, signal, stdout, stderr, ms: now - started, msAfterSignal });
      });
    });
    return {
      ended,
      interrupt(signal = "SIGINT") {
        if (child.kill(signal)) interrupted = performance.now();
      },
    };
  };
  return {
    folder,
    cache,
    server,
    model,
    sha256,
    environment,
    start,
    run: (args, env) => start(args, env).ended,
    serve,
    asked: () => server.seen.filter(({ path: asked }) => asked === modelPath).map(({ range }) => range),
    async [Symbol.asyncDispose]() {
      await server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** One check: a name, and what was wrong, if anything. */
export interface Check {
  readonly name: string;
  /** The bar in words. */
  readonly bar: string;
  /** Resolves to what was observed; throws, in words, when that is not as it should be. */
  run(): Promise<string>;
}

/** Throws `what` when `condition` is false: the observation that a check failed with. */
export function expectThat(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what);
}

/** That a command failed in a way that a user can act on: its exit code, and one line on standard error, no stack. */
export function expectClearError(ended: Ended, code: number, message: RegExp): void {
  const shown = `exit ${ended.code ?? ended.signal}, ${ended.stderr.slice(-600)}`;
  expectThat(ended.code === code, `exit code ${code} was expected: ${shown}`);
  expectThat(message.test(ended.stderr), `an error that matches ${message} was expected: ${shown}`);
  expectThat(!/\n {4}at /.test(ended.stderr), `a message and no stack was expected: ${shown}`);
}

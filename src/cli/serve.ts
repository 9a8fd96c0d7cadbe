/**
 * `bletchley serve`: the OpenAI-compatible server.
 */
import { basename } from "node:path";
import type { Command } from "commander";
import type { Embedder } from "../serve/embedder.ts";
import type { Answered, RunningServer } from "../serve/http/index.ts";
import type { Model } from "../serve/model.ts";
import type { ResolvedModel } from "../sources/index.ts";
import { fail } from "../util/errors.ts";
import { endBySignal, exitCodes, Interrupted, interruptible, reportOf } from "./exit.ts";
import { defaultModelNote, describeModel, openModel } from "./open-model.ts";
import {
  addModelOptions,
  addSamplingOptions,
  type ModelFlags,
  numberFrom,
  type SamplingFlags,
  samplingOf,
  wholeFrom,
} from "./options.ts";
import { withProgress } from "./progress.ts";
import { faint, printable } from "./terminal.ts";

interface ServeFlags extends ModelFlags, SamplingFlags {
  readonly name?: string;
  readonly embedder?: string;
  readonly host: string;
  readonly port: number;
  readonly apiKey?: readonly string[];
  readonly cors?: readonly string[];
  readonly allowHost?: readonly string[];
  readonly parallel: number;
  readonly queue: number;
  readonly maxBody: number;
  readonly drain: number;
  readonly quiet?: boolean;
}

const help = `
Serves /v1/models, /v1/chat/completions, /v1/completions and (with --embedder) /v1/embeddings, and tells its state at /health
and /ready. Sampling options say what requests get that choose neither temperature nor top_p; --max-tokens is a limit that
requests cannot raise.

Only this machine can reach it unless --host says otherwise; give it an --api-key then (or the variable BLETCHLEY_API_KEY,
which does not show in the list of processes). SIGTERM and Ctrl-C let running answers finish; a second Ctrl-C does not.

Examples:
  bletchley serve
  bletchley serve ./model.gguf --name my-model --embedder minilm --port 8000
  curl http://127.0.0.1:8080/v1/chat/completions -H "content-type: application/json" \\
    -d '{"model": "smollm2", "messages": [{"role": "user", "content": "Hello"}]}'`;

/** The name that requests give: a short name as it is, of a path the file's name. */
export function servedName({ name, path }: Pick<ResolvedModel, "name" | "path">): string {
  if (!/^(?:[/\\~.]|[A-Za-z]:)/.test(name)) return name;
  return basename(name === path || /\.gguf$/i.test(name) ? path : name).replace(/\.(?:gguf|safetensors)$/i, "");
}

function logLine({ method, path, status, milliseconds, requestId, cause }: Answered): string {
  const line = `${new Date().toISOString()} ${method} ${path} ${status} ${milliseconds.toFixed(0)} ms ${requestId}`;
  return printable(cause ? `${line}\n${reportOf(cause)}` : line);
}

/** Waits for SIGINT or SIGTERM and takes the server down; a second signal ends the process at once. */
async function untilStopped(server: RunningServer, drainMs: number): Promise<number> {
  const exitCode = await new Promise<number>((resolve) => {
    let stopping = false;
    const stop = (signal: "SIGINT" | "SIGTERM", code: number) => () => {
      if (stopping) endBySignal(signal);
      stopping = true;
      resolve(code);
    };
    process.on("SIGINT", stop("SIGINT", exitCodes.interrupted));
    process.on("SIGTERM", stop("SIGTERM", exitCodes.done));
  });
  const { running } = server.app.state.queue;
  if (running)
    process.stderr.write(`bletchley: waiting for ${running} running ${running === 1 ? "answer" : "answers"}\n`);
  await server.close(drainMs);
  return exitCode;
}

/** Models by the names that requests give, and a line about each. */
interface Served {
  readonly models: Record<string, Model | Embedder>;
  readonly lines: readonly string[];
}

/** Loads what is to be served; `loaded` gets each model as soon as it must be disposed. */
async function loadServed(
  ref: string | undefined,
  flags: ServeFlags,
  signal: AbortSignal,
  loaded: AsyncDisposable[],
): Promise<Served> {
  const model = await openModel(ref, flags, signal);
  loaded.push(model);
  const name = flags.name ?? servedName(model.source);
  const models: Served["models"] = { [name]: model };
  const lines = [`${name}: ${describeModel(model)}`];
  const { embedder: embedderRef, offline, threads } = flags;
  if (embedderRef === undefined) return { models, lines };
  const { loadEmbedder } = await import("../serve/load-embedder.ts");
  const embedder = await withProgress((onProgress) =>
    loadEmbedder(embedderRef, { offline, threads, signal, onProgress }),
  );
  loaded.push(embedder);
  const { title, origin } = embedder.source;
  const other = servedName(embedder.source);
  if (other === name) fail("argument", `both models are called ${name}: give the first one another --name`);
  models[other] = embedder;
  return { models, lines: [...lines, `${other}: ${title} · ${embedder.dimensions} dimensions · from ${origin}`] };
}

async function serve(ref: string | undefined, flags: ServeFlags): Promise<void> {
  const { host, port, parallel, queue, maxBody, apiKey = [], cors, allowHost, quiet } = flags;
  const ownKey = process.env.BLETCHLEY_API_KEY;
  const loaded: AsyncDisposable[] = [];
  try {
    const { lines, server } = await interruptible(async (signal) => {
      const { models, lines } = await loadServed(ref, flags, signal, loaded);
      const { loopbackNames, startServer } = await import("../serve/http/index.ts");
      const server = await startServer({
        models,
        host,
        port,
        queue: { running: parallel, waiting: queue },
        bodyLimit: Math.round(maxBody * 1e6),
        apiKeys: ownKey ? [...apiKey, ownKey] : apiKey,
        corsOrigins: cors,
        hostNames: allowHost && [...loopbackNames, ...allowHost.map((name) => name.toLowerCase())],
        defaults: samplingOf(flags),
        onAnswer: quiet ? undefined : (answer) => process.stderr.write(`${logLine(answer)}\n`),
      });
      return { lines, server };
    });
    for (const line of lines) process.stderr.write(`${faint(line, process.stderr)}\n`);
    process.stdout.write(`listening on ${server.url}\n`);
    const exitCode = await untilStopped(server, flags.drain * 1000);
    if (exitCode) throw new Interrupted(exitCode);
  } finally {
    for (const model of loaded) await model[Symbol.asyncDispose]();
  }
}

const several = (text: string, previous: readonly string[] = []): string[] => [...previous, text];

/** Adds the command to the program. */
export function addServe(program: Command): void {
  const command = program
    .command("serve")
    .description("serve a model over HTTP in the manner of the OpenAI API")
    .argument("[model]", `model to serve ${defaultModelNote}`)
    .option("--name <name>", "name that requests give; the model's own by default")
    .option("--embedder <ref>", "a model for /v1/embeddings, such as minilm")
    .option("--host <address>", "address to bind; 0.0.0.0 for all", "127.0.0.1")
    .option("-p, --port <n>", "port; 0 takes a free one", wholeFrom(0, 65535), 8080)
    .option("--api-key <key>", "key that requests must bring; may be given several times", several)
    .option("--cors <origin>", "let web pages of this origin in, * for all; may be given several times", several)
    .option("--allow-host <name>", "another host name for a server without a key; may be given several times", several)
    .option("--parallel <n>", "answers at the same time", wholeFrom(1, 1024), 4)
    .option("--queue <n>", "requests that may wait; more are refused with 429", wholeFrom(0, 1_000_000), 64)
    .option("--max-body <MB>", "largest request", numberFrom(0.001, 2000), 2)
    .option("--drain <seconds>", "time for running answers when the server is stopped", numberFrom(0, 86400), 30)
    .option("--quiet", "do not log requests");
  addModelOptions(addSamplingOptions(command)).addHelpText("after", help).action(serve);
}

/**
 * The command line as a user runs it: processes, pipes, signals, real weights.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { loadModel } from "../../src/serve/load-model.ts";
import type { Model } from "../../src/serve/model.ts";
import { resolveModel } from "../../src/sources/index.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const command = ["--import", "tsx", "src/cli/main.ts"];
const hasModel = await resolveModel("smollm2").then(
  () => true,
  () => false,
);
const hasEmbedder = await resolveModel("minilm").then(
  () => true,
  () => false,
);
const hasScript = process.platform === "linux" && spawnSync("script", ["--version"]).status === 0;

const started: ChildProcess[] = [];
afterEach(() => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
});

interface Running {
  readonly child: ChildProcess;
  /** Resolves once standard output or standard error contains the text. */
  until(text: string): Promise<void>;
  /** What standard output has brought so far. */
  output(): string;
  readonly ended: Promise<{ out: string; err: string; code: number | null; signal: string | null }>;
}

function start(program: string, args: readonly string[], input?: string): Running {
  const child = spawn(program, args, { cwd: root, env: { ...process.env, NO_COLOR: "1", TERM: "xterm" } });
  started.push(child);
  let [out, err] = ["", ""];
  const watchers = new Set<() => void>();
  const seen = (add: (text: string) => void) => (data: Buffer) => {
    add(data.toString("utf8"));
    for (const watcher of watchers) watcher();
  };
  child.stdout.on(
    "data",
    seen((text) => {
      out += text;
    }),
  );
  child.stderr.on(
    "data",
    seen((text) => {
      err += text;
    }),
  );
  child.stdin.on("error", () => {}); // a program that ends early does not read its input
  if (input !== undefined) child.stdin.end(input);
  const ended: Running["ended"] = new Promise((resolve) =>
    child.on("close", (code, signal) => resolve({ out, err, code, signal })),
  );
  const until = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const watcher = () => {
        if (!(out + err).includes(text)) return;
        watchers.delete(watcher);
        resolve();
      };
      watchers.add(watcher);
      watcher();
      void ended.then(() => reject(new Error(`ended without ${JSON.stringify(text)}:\n${out}\n${err}`)));
    });
  return { child, until, output: () => out, ended };
}

const bletchley = (args: readonly string[], input?: string) => start(process.execPath, [...command, ...args], input);

describe.skipIf(!hasModel)("the command line with SmolLM2", { timeout: 60_000 }, () => {
  let model: Model;
  beforeAll(async () => {
    model = await loadModel("smollm2");
  }, 120_000);
  afterAll(() => model?.dispose());

  it("generates what the library does, as one object or as text", async () => {
    const prompt = "Once upon a time";
    const options = ["--raw", "--temperature", "0", "--max-tokens", "8"];
    const own = await model.collect(model.generate(prompt, { temperature: 0, maxTokens: 8 }));
    const { out, err, code } = await bletchley(["generate", ...options, "--json", "--logprobs", "1", prompt]).ended;
    expect([code, err]).toEqual([0, ""]);
    const result = JSON.parse(out) as Record<string, unknown>;
    expect(Object.keys(result)).toEqual(["text", "tokens", "finishReason", "stats", "logprobs"]);
    expect(result).toMatchObject({ text: own.text, tokens: own.tokens, finishReason: "length" });
    expect(result.logprobs).toHaveLength(8);
    expect(result.stats).toMatchObject({ promptTokens: own.stats.promptTokens, completionTokens: 8 });
    expect(own.tokens).toHaveLength(8);
    const text = await bletchley(["generate", ...options], `${prompt}\n`).ended;
    expect(text).toMatchObject({ out: `${own.text}\n`, err: "", code: 0 });
  });

  it("converses through pipes, a line a message, with memory and commands", async () => {
    const messages = [{ role: "user", content: "My name is Ada. Say hello." }];
    const options = { temperature: 0, maxTokens: 10 };
    const first = await model.collect(model.chat(messages, options));
    const more = [
      ...messages,
      { role: "assistant", content: first.text },
      { role: "user", content: "What is my name?" },
    ];
    const second = await model.collect(model.chat(more, options));
    const lines = [messages[0]!.content, "", more[2]!.content, "/reset", messages[0]!.content, "/exit", "unheard"];
    const { out, code } = await bletchley(["chat", "-t", "0", "-n", "10"], `${lines.join("\n")}\n`).ended;
    expect(code).toBe(0);
    expect(out).toBe(`${first.text}\n${second.text}\n${first.text}\n`);
  });

  it.each(["at the start", "while it loads", "while it answers"])("stops cleanly on Ctrl-C %s", async (when) => {
    const run = bletchley(["generate", "-n", "2000", "Write a very long story."]);
    if (when === "while it answers") await run.until(" ");
    else await new Promise((resolve) => setTimeout(resolve, when === "at the start" ? 700 : 1500));
    run.child.kill("SIGINT");
    const { err, code, signal } = await run.ended;
    // a process that was not yet listening, or was slow to stop, ends by the signal itself: 130 to a shell as well
    expect(signal === "SIGINT" ? 130 : code).toBe(130);
    expect(err).toBe("");
  });

  it("ends without a word when nobody reads on", async () => {
    const run = bletchley(["generate", "-n", "2000", "--temperature", "0", "Write a very long story."]);
    await run.until(" ");
    run.child.stdout!.destroy();
    expect(await run.ended).toMatchObject({ err: "", code: 0 });
  });

  it.skipIf(!hasEmbedder)("embeds each line of its input", async () => {
    const { out, code } = await bletchley(["embed", "--json"], "one\ntwo words\n").ended;
    expect(code).toBe(0);
    const { data, dimensions } = JSON.parse(out) as {
      data: { text: string; embedding: number[] }[];
      dimensions: number;
    };
    expect(data.map(({ text }) => text)).toEqual(["one", "two words"]);
    expect(data.map(({ embedding }) => embedding.length)).toEqual([dimensions, dimensions]);
  });

  it("serves until it is told to stop, and lets the last answer finish", async () => {
    const run = bletchley(["serve", "--port", "0", "--name", "tiny", "--api-key", "k"]);
    await run.until("listening on http://127.0.0.1:");
    const url = /listening on (\S+)/.exec(run.output())![1]!;
    const headers = { authorization: "Bearer k", "content-type": "application/json" };
    const body = {
      model: "tiny",
      messages: [{ role: "user", content: "Count to ten." }],
      max_tokens: 30,
      stream: true,
    };
    const answer = await fetch(`${url}/chat/completions`, { method: "POST", headers, body: JSON.stringify(body) });
    expect(answer.status).toBe(200);
    run.child.kill("SIGTERM");
    const text = await answer.text();
    expect(text).toContain('"finish_reason":"');
    expect(text.trimEnd().endsWith("data: [DONE]")).toBe(true);
    const { err, code } = await run.ended;
    expect(err).toContain("POST /v1/chat/completions 200");
    expect(code).toBe(0);
  });

  it.skipIf(!hasScript)("talks at a terminal: Ctrl-C stops an answer, twice leaves", async () => {
    const line = [process.execPath, ...command, "chat", "-n", "2000"].map((word) => `'${word}'`).join(" ");
    const run = start("script", ["-qefc", line, "/dev/null"]);
    await run.until("> ");
    run.child.stdin!.write("Write a very long story.\r");
    await run.until("story.");
    await new Promise((resolve) => setTimeout(resolve, 1500));
    run.child.stdin!.write("\u0003");
    await run.until("stopped");
    // the prompt comes back after the word; before it does, Ctrl-C means to leave
    await new Promise((resolve) => setTimeout(resolve, 1000));
    run.child.stdin!.write("\u0003");
    await run.until("Ctrl-C again leaves");
    run.child.stdin!.write("\u0003");
    const { out, code } = await run.ended;
    expect(code).toBe(130);
    expect(out).toContain("SmolLM2");
  });
});

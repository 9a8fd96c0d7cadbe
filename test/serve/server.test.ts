/**
 * The server with real weights, asked by the official client and by curl. Texts are compared between paths and never
 * written down, because a better weight form may change them.
 */
import { execFile, spawnSync } from "node:child_process";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type Embedder, type Model, type RunningServer, startServer } from "../../src/serve/index.ts";
import { loadEmbedder } from "../../src/serve/load-embedder.ts";
import { loadModel } from "../../src/serve/load-model.ts";
import { resolveModel } from "../../src/sources/index.ts";

const found = (ref: string) =>
  resolveModel(ref).then(
    () => true,
    () => false,
  );
const hasModel = await found("smollm2");
const hasEmbedder = await found("minilm");
const hasCurl = spawnSync("curl", ["--version"]).status === 0;

const question: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: "Name three colours of the rainbow." }];
const story: OpenAI.ChatCompletionMessageParam[] = [
  { role: "user", content: "Tell me a long story about a lighthouse." },
];
const short = { model: "smollm2", messages: question, temperature: 0, max_tokens: 24 } as const;

describe.skipIf(!hasModel)("the server with SmolLM2", () => {
  let model: Model;
  let embedder: Embedder | undefined;
  let server: RunningServer;
  let narrow: RunningServer;
  let client: OpenAI;

  beforeAll(async () => {
    model = await loadModel("smollm2", { contextLength: 1024 });
    embedder = hasEmbedder ? await loadEmbedder("minilm") : undefined;
    const models = { smollm2: model, ...(embedder && { minilm: embedder }) };
    server = await startServer({ models, port: 0 });
    narrow = await startServer({ models, port: 0, apiKeys: ["secret"], queue: { running: 1, waiting: 1 } });
    client = new OpenAI({ baseURL: server.url, apiKey: "none", maxRetries: 0 });
  }, 120_000);

  afterAll(async () => {
    await server?.close(0);
    await narrow?.close(0);
    await model?.dispose();
    await embedder?.dispose();
  });

  it("lists its models", async () => {
    const ids: string[] = [];
    for await (const { id } of client.models.list()) ids.push(id);
    expect(ids).toEqual(hasEmbedder ? ["smollm2", "minilm"] : ["smollm2"]);
    expect(await client.models.retrieve("smollm2")).toMatchObject({ id: "smollm2", object: "model" });
    await expect(client.models.retrieve("other")).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  });

  it("answers a chat as the library does, whole and streamed", async () => {
    const options = { temperature: 0, maxTokens: 24 };
    const own = await model.collect(model.chat([{ role: "user", content: question[0]!.content as string }], options));
    const { choices, usage } = await client.chat.completions.create(short);
    expect(choices[0]!.message.content).toBe(own.text);
    expect(choices[0]!.finish_reason).toBe(own.finishReason);
    expect(usage).toMatchObject({
      prompt_tokens: own.stats.promptTokens,
      completion_tokens: own.stats.completionTokens,
      total_tokens: own.stats.promptTokens + own.stats.completionTokens,
    });
    expect(own.text.length).toBeGreaterThan(0);

    const stream = await client.chat.completions.create({
      ...short,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = "";
    let counted: OpenAI.CompletionUsage | null | undefined;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? "";
      counted = chunk.usage ?? counted;
    }
    expect(text).toBe(own.text);
    expect(counted?.completion_tokens).toBe(own.stats.completionTokens);
  });

  it("gives log-probabilities that greedy choice agrees with", async () => {
    const { choices } = await client.chat.completions.create({ ...short, logprobs: true, top_logprobs: 3 });
    const content = choices[0]!.logprobs!.content!;
    const bytes = content.flatMap((entry) => entry.bytes!);
    expect(Buffer.from(bytes).toString("utf8")).toBe(choices[0]!.message.content);
    for (const { token, logprob, top_logprobs } of content) {
      expect(top_logprobs).toHaveLength(3);
      expect(top_logprobs[0]).toMatchObject({ token, logprob });
      expect(top_logprobs.reduce((sum, other) => sum + Math.exp(other.logprob), 0)).toBeLessThanOrEqual(1 + 1e-6);
    }
  });

  it("obeys stop texts, limits, biases, seeds and the number of answers", async () => {
    const full = (await client.chat.completions.create(short)).choices[0]!.message.content!;
    const word = full.split(" ")[2]!;
    const stopped = await client.chat.completions.create({ ...short, stop: word });
    expect(stopped.choices[0]).toMatchObject({
      finish_reason: "stop",
      message: { content: full.slice(0, full.indexOf(word)) },
    });
    const token = model.tokenizer.encode("!")[0]!;
    const biased = await client.chat.completions.create({ ...short, max_tokens: 3, logit_bias: { [token]: 100 } });
    expect(biased.choices[0]!.message.content).toBe("!!!");
    const sampled = { ...short, temperature: 1.2, max_tokens: 8, n: 2, seed: 5 };
    const texts = async () => (await client.chat.completions.create(sampled)).choices.map((c) => c.message.content);
    const first = await texts();
    expect(await texts()).toEqual(first);
    expect(first[0]).not.toBe(first[1]);
  });

  it("continues texts and token ids, and scores prompts", async () => {
    const prompt = "The capital of France is";
    const ids = model.tokenizer.encode(prompt, { addSpecial: true });
    const body = { model: "smollm2", temperature: 0, max_tokens: 6 } as const;
    const { choices } = await client.completions.create({
      ...body,
      prompt: [prompt, "Once upon"],
      logprobs: 2,
      echo: true,
    });
    expect(choices).toHaveLength(2);
    const fromIds = await client.completions.create({ ...body, prompt: ids });
    expect(choices[0]!.text).toBe(prompt + fromIds.choices[0]!.text);
    const { tokens, token_logprobs } = choices[0]!.logprobs!;
    expect(tokens!.join("")).toBe(choices[0]!.text);
    const scores = await model.score(ids);
    expect(token_logprobs!.slice(0, ids.length)).toEqual(scores.map((score) => score?.logprob ?? null));
    const stream = await client.completions.create({ ...body, prompt: ids, stream: true });
    let text = "";
    for await (const chunk of stream) text += chunk.choices[0]?.text ?? "";
    expect(text).toBe(fromIds.choices[0]!.text);
  });

  it.skipIf(!hasEmbedder)("embeds texts; numbers and base64 are the same", async () => {
    const input = ["How do I bake bread?", "Bread recipes", "The stock market fell"];
    const own = await embedder!.embed(input);
    for (const encoding_format of ["float", "base64", undefined] as const) {
      const { data, usage } = await client.embeddings.create({ model: "minilm", input, encoding_format });
      expect(usage.prompt_tokens).toBe(input.reduce((sum, text) => sum + embedder!.countTokens(text), 0));
      const vectors = data.map(({ embedding }) =>
        typeof embedding === "string"
          ? new Float32Array(new Uint8Array(Buffer.from(embedding as string, "base64")).buffer)
          : embedding,
      );
      vectors.forEach((vector, i) => {
        expect(Float32Array.from(vector)).toEqual(own[i]);
      });
    }
  });

  it("answers errors that the client understands", async () => {
    const create = (extra: object) => client.chat.completions.create({ ...short, ...extra });
    await expect(create({ model: "gpt-9" })).rejects.toMatchObject({ status: 404, code: "model_not_found" });
    await expect(create({ temperature: 9 })).rejects.toMatchObject({ status: 400, param: "temperature" });
    await expect(create({ tools: [{ type: "function", function: { name: "two words" } }] })).rejects.toMatchObject({
      status: 400,
      param: "tools[0].function.name",
      type: "invalid_request_error",
    });
    const long = [{ role: "user", content: "word ".repeat(2000) }];
    await expect(create({ messages: long, stream: true })).rejects.toMatchObject({ code: "context_length_exceeded" });
    const stranger = new OpenAI({ baseURL: narrow.url, apiKey: "wrong", maxRetries: 0 });
    await expect(stranger.models.list()).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
  });

  it("gives two requests at once exactly what each gets alone", async () => {
    const bodies = [
      { ...short, messages: question, max_tokens: 24 },
      { ...short, messages: story, max_tokens: 24, temperature: 1, seed: 11 },
    ];
    const run = async (body: (typeof bodies)[number]) => {
      const { choices } = await client.chat.completions.create({ ...body, logprobs: true });
      return choices[0]!.logprobs!.content!.map(({ bytes, logprob }) => [bytes, logprob]);
    };
    const alone = [await run(bodies[0]!), await run(bodies[1]!)];
    const together = await Promise.all(bodies.map(run));
    expect(together).toEqual(alone);
    expect(alone[0]!.length).toBeGreaterThan(5);
  });

  it("frees its place when a client leaves in the middle, and says 429 when it is full", async () => {
    const { queue } = narrow.app.state;
    const busy = new OpenAI({ baseURL: narrow.url, apiKey: "secret", maxRetries: 0 });
    const endless = { ...short, messages: story, max_tokens: 900, stream: true } as const;
    const first = await busy.chat.completions.create(endless);
    for await (const chunk of first) if (chunk.choices[0]?.delta.content) break;
    await vi.waitFor(() => expect(queue.running).toBe(0), { timeout: 5000 });

    const running = await busy.chat.completions.create(endless);
    const waiting = busy.chat.completions.create({ ...short, max_tokens: 2 });
    await vi.waitFor(() => expect(queue.waiting).toBe(1));
    const refused = await busy.chat.completions.create(short).catch((thrown: unknown) => thrown);
    expect(refused).toBeInstanceOf(OpenAI.RateLimitError);
    expect(Number((refused as InstanceType<typeof OpenAI.APIError>).headers?.get("retry-after"))).toBeGreaterThan(0);
    running.controller.abort();
    expect((await waiting).choices).toHaveLength(1);
    await queue.idle();
  });

  describe.skipIf(!hasCurl)("asked by curl", () => {
    const curl = (...args: string[]) =>
      new Promise<{ body: string; status: number }>((resolve, reject) => {
        const all = ["--silent", "--show-error", "--max-time", "30", "--write-out", "\n%{http_code}", ...args];
        execFile("curl", all, (error, stdout) => {
          if (error) return reject(error);
          const at = stdout.lastIndexOf("\n");
          resolve({ body: stdout.slice(0, at), status: Number(stdout.slice(at + 1)) });
        });
      });
    const json = ["-H", "content-type: application/json"];

    it("answers, streams, and refuses what is broken", async () => {
      const url = `${server.url}/chat/completions`;
      const whole = await curl(url, ...json, "-d", JSON.stringify(short));
      expect(whole.status).toBe(200);
      const text = (JSON.parse(whole.body) as OpenAI.ChatCompletion).choices[0]!.message.content;
      const streamed = await curl("--no-buffer", url, ...json, "-d", JSON.stringify({ ...short, stream: true }));
      const events = streamed.body.split("\n\n").filter(Boolean);
      expect(events.at(-1)).toBe("data: [DONE]");
      const chunks = events.slice(0, -1).map((event) => JSON.parse(event.slice(6)) as OpenAI.ChatCompletionChunk);
      expect(chunks.map(({ choices }) => choices[0]!.delta.content ?? "").join("")).toBe(text);

      expect((await curl(url, ...json, "-d", "{nope")).status).toBe(400);
      expect((await curl(url, "-d", JSON.stringify(short))).status).toBe(415);
      expect((await curl(url)).status).toBe(405);
      expect((await curl(`${narrow.url}/models`)).status).toBe(401);
      expect((await curl(`${narrow.url}/models`, "-H", "authorization: Bearer secret")).status).toBe(200);
      expect((await curl(`${server.url}/models`, "-H", "host: evil.example")).status).toBe(403);
      expect((await curl(new URL("/ready", server.url).href)).status).toBe(200);
    });
  });
});

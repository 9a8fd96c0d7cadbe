import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type NextLogits, sayingAfter } from "../../decode/testing/scripted.ts";
import { eventsOf, post } from "../testing/http.ts";
import { scriptedModel } from "../testing/scripted-model.ts";
import type { ErrorBody } from "./api-error.ts";
import { createApp } from "./app.ts";
import type { SamplingDefaults } from "./sampling.ts";

const marker = "assistant\n";
const path = "/v1/chat/completions";
const hello = [{ role: "user", content: "hi" }];

function serverOf(next?: NextLogits, defaults?: SamplingDefaults, contextLength = 1024) {
  const { model, engine } = scriptedModel({ next, contextLength });
  const app = createApp({ models: { tiny: model }, defaults });
  const ask = (extra: object = {}) => app.fetch(post(path, { model: "tiny", messages: hello, ...extra }));
  return { app, engine, model, ask };
}

interface ChatAnswer {
  id: string;
  object: string;
  model: string;
  choices: {
    index: number;
    message: { role: string; content: string };
    finish_reason: string;
    logprobs: { content: { token: string; logprob: number; bytes: number[]; top_logprobs: object[] }[] } | null;
  }[];
  usage: Record<string, unknown>;
}

interface ChatChunk {
  id: string;
  object: string;
  choices: {
    index: number;
    delta: { role?: string; content?: string };
    finish_reason: string | null;
    logprobs: { content: { token: string; bytes: number[] }[] } | null;
  }[];
  usage?: Record<string, number> | null;
}

const answerOf = async (response: Response | Promise<Response>) => {
  const answer = await response;
  expect(answer.status, await answer.clone().text()).toBe(200);
  return (await answer.json()) as ChatAnswer;
};

const chunksOf = async (response: Response | Promise<Response>) => (await eventsOf(await response)) as ChatChunk[];
const contentOf = (chunks: readonly ChatChunk[], index = 0) =>
  chunks
    .flatMap(({ choices }) => choices)
    .filter((choice) => choice.index === index)
    .map(({ delta }) => delta.content ?? "")
    .join("");

describe("a chat completion", () => {
  it("has the API's shape", async () => {
    const { ask } = serverOf(sayingAfter(marker, "Grüße 🙂"));
    expect(await answerOf(ask())).toEqual({
      id: expect.stringMatching(/^chatcmpl-\w+$/),
      object: "chat.completion",
      created: expect.any(Number),
      model: "tiny",
      system_fingerprint: expect.any(String),
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: "Grüße 🙂", refusal: null },
          logprobs: null,
          finish_reason: "stop",
        },
      ],
      usage: {
        prompt_tokens: expect.any(Number),
        completion_tokens: 13,
        total_tokens: expect.any(Number),
        prompt_tokens_details: { cached_tokens: 0 },
      },
    });
  });

  it("streams the same text in whole characters", async () => {
    const text = "naïve 日本語 🙂👩‍👩‍👧 end";
    const { ask } = serverOf(sayingAfter(marker, text));
    const response = await ask({ stream: true });
    expect(response.headers.get("content-type")).toMatch(/^text\/event-stream/);
    const chunks = await chunksOf(response);
    expect(contentOf(chunks)).toBe(text);
    expect(chunks.every(({ choices }) => !choices[0]!.delta.content?.includes("\ufffd"))).toBe(true);
    expect(chunks[0]!.choices[0]!.delta).toMatchObject({ role: "assistant", content: "" });
    expect(chunks.at(-1)!.choices[0]).toMatchObject({ delta: {}, finish_reason: "stop" });
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
    expect(chunks.every(({ object }) => object === "chat.completion.chunk")).toBe(true);
    expect(chunks.some(({ usage }) => usage !== undefined)).toBe(false);
  });

  it("streams its usage when asked to", async () => {
    const { ask } = serverOf(sayingAfter(marker, "abc"));
    const chunks = await chunksOf(ask({ stream: true, stream_options: { include_usage: true } }));
    expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 4 } });
  });

  it("ends at its limit, at a stop text, or where the model ends it", async () => {
    const { ask } = serverOf(sayingAfter(marker, "one two three"));
    const finish = async (extra: object) => {
      const { choices } = await answerOf(ask(extra));
      return [choices[0]!.message.content, choices[0]!.finish_reason];
    };
    expect(await finish({ max_tokens: 3 })).toEqual(["one", "length"]);
    expect(await finish({ max_completion_tokens: 3 })).toEqual(["one", "length"]);
    expect(await finish({ stop: " three" })).toEqual(["one two", "stop"]);
    expect(await finish({ stop: ["three", "two"] })).toEqual(["one ", "stop"]);
    const limited = serverOf(sayingAfter(marker, "one two three"), { maxTokens: 3 });
    expect((await answerOf(limited.ask({ max_tokens: 5 }))).choices[0]!.message.content).toBe("one");
    expect(contentOf(await chunksOf(ask({ stream: true, stop: " three" })))).toBe("one two");
  });

  it("gives log-probabilities of the tokens that its text shows", async () => {
    const { ask } = serverOf(sayingAfter(marker, "hé"));
    const { choices } = await answerOf(ask({ logprobs: true, top_logprobs: 2 }));
    const content = choices[0]!.logprobs!.content;
    expect(content.map(({ token }) => token)).toEqual(["h", "bytes:\\xc3", "bytes:\\xa9"]);
    expect(Buffer.from(content.flatMap(({ bytes }) => bytes)).toString()).toBe("hé");
    for (const { logprob, top_logprobs } of content) {
      expect(logprob).toBeLessThanOrEqual(0);
      expect(top_logprobs).toHaveLength(2);
    }
    const streamed = await chunksOf(ask({ logprobs: true, stream: true }));
    const all = streamed.flatMap((chunk) => chunk.choices[0]!.logprobs?.content ?? []);
    expect(Buffer.from(all.flatMap(({ bytes }) => bytes)).toString()).toBe("hé");
  });

  it("samples: seeds repeat, choices differ, a bias decides", async () => {
    const { ask } = serverOf();
    const contents = async (extra: object) =>
      (await answerOf(ask({ max_tokens: 12, temperature: 1, ...extra }))).choices.map(({ message }) => message.content);
    const first = await contents({ n: 3, seed: 7 });
    expect(first).toHaveLength(3);
    expect(new Set(first).size).toBe(3);
    expect(await contents({ n: 3, seed: 7 })).toEqual(first);
    expect(await contents({ n: 1, seed: 8 })).not.toEqual(first.slice(0, 1));
    expect(await contents({ logit_bias: { 65: 100 }, max_tokens: 4 })).toEqual(["AAAA"]);
    // a strong penalty of repetition keeps tokens from coming twice
    const [varied] = await contents({ temperature: 0, frequency_penalty: 2, presence_penalty: 2, max_tokens: 20 });
    const [plain] = await contents({ temperature: 0, max_tokens: 20 });
    expect(new Set(varied).size).toBeGreaterThanOrEqual(new Set(plain).size);
    const streamed = await chunksOf(ask({ n: 3, seed: 7, temperature: 1, max_tokens: 12, stream: true }));
    expect([0, 1, 2].map((index) => contentOf(streamed, index))).toEqual(first);
  });

  it("counts a prompt once, whatever the number of answers, and what of it was cached", async () => {
    const { ask } = serverOf(sayingAfter(marker, "ab"));
    const { usage } = await answerOf(ask({ n: 2 }));
    expect(usage).toMatchObject({ completion_tokens: 6, prompt_tokens_details: { cached_tokens: 0 } });
    const again = await answerOf(ask());
    expect(again.usage.prompt_tokens).toBe(usage.prompt_tokens);
    expect(again.usage.prompt_tokens_details).toEqual({ cached_tokens: (usage.prompt_tokens as number) - 1 });
  });

  it("uses the server's way of sampling unless the request chooses its own", async () => {
    const { ask } = serverOf(undefined, { temperature: 0.8, topK: 1 });
    const content = async (extra: object) =>
      (await answerOf(ask({ max_tokens: 20, ...extra }))).choices[0]!.message.content;
    const greedy = await content({ temperature: 0 });
    expect(await content({ seed: 1 })).toBe(greedy); // top-k of one
    expect(await content({ seed: 1, temperature: 1 })).not.toBe(greedy);
  });

  it("reads messages in parts and the roles of the API", async () => {
    const { ask, model } = serverOf(sayingAfter(marker, "ok"));
    const messages = [
      { role: "developer", content: "be brief" },
      {
        role: "user",
        content: [
          { type: "text", text: "a" },
          { type: "text", text: "b" },
        ],
        name: "ann",
      },
      { role: "assistant", content: "c", refusal: null, annotations: [], tool_calls: [] },
      { role: "user", content: "d" },
    ];
    const { usage } = await answerOf(ask({ messages, tools: [], response_format: { type: "text" }, user: "u" }));
    const same = await model.chatPrompt([
      { role: "system", content: "be brief" },
      { role: "user", content: "ab" },
      { role: "assistant", content: "c" },
      { role: "user", content: "d" },
    ]);
    expect(usage.prompt_tokens).toBe(same.tokens.length);
  });
});

describe("a chat request is refused, by name, for", () => {
  const user = (content: unknown, extra: object = {}) => [{ role: "user", content, ...extra }];
  it.each([
    [{ messages: undefined }, "messages", "missing_required_parameter"],
    [{ messages: null }, "messages", "missing_required_parameter"],
    [{ messages: [] }, "messages", "invalid_value"],
    [{ messages: "hi" }, "messages", "invalid_type"],
    [{ messages: [3] }, "messages[0]", "invalid_type"],
    [{ messages: [...hello, { content: "x" }] }, "messages[1].role", "missing_required_parameter"],
    [{ messages: [{ role: "king", content: "x" }] }, "messages[0].role", "invalid_value"],
    [{ messages: [{ role: "function", content: "x" }] }, "messages[0].role", "invalid_value"],
    [{ messages: [{ role: "tool", content: "x" }] }, "messages[0].tool_call_id", "missing_required_parameter"],
    [
      { messages: [{ role: "assistant", tool_calls: [{}] }] },
      "messages[0].tool_calls[0].id",
      "missing_required_parameter",
    ],
    [{ messages: [{ role: "user" }] }, "messages[0].content", "missing_required_parameter"],
    [{ messages: user(5) }, "messages[0].content", "invalid_type"],
    [{ messages: user([{ type: "image_url" }]) }, "messages[0].content[0].type", "unsupported_value"],
    [{ messages: user("x", { tool_calls: [{}] }) }, "messages[0].tool_calls", "unsupported_parameter"],
    [{ messages: user("x", { colour: "red" }) }, "messages[0].colour", "unknown_parameter"],
    [{ model: undefined }, "model", "missing_required_parameter"],
    [{ model: 3 }, "model", "invalid_type"],
    [{ temperature: 3 }, "temperature", "invalid_value"],
    [{ temperature: "hot" }, "temperature", "invalid_value"],
    [{ top_p: -1 }, "top_p", "invalid_value"],
    [{ n: 0 }, "n", "invalid_value"],
    [{ n: 1.5 }, "n", "invalid_value"],
    [{ max_tokens: 0 }, "max_tokens", "invalid_value"],
    [{ max_tokens: 1, max_completion_tokens: 1 }, "max_tokens", "invalid_value"],
    [{ presence_penalty: 3 }, "presence_penalty", "invalid_value"],
    [{ stop: 5 }, "stop", "invalid_type"],
    [{ stop: [""] }, "stop", "invalid_type"],
    [{ stop: new Array(17).fill("x") }, "stop", "invalid_value"],
    [{ seed: 0.5 }, "seed", "invalid_value"],
    [{ logit_bias: { 999: 1 } }, "logit_bias.999", "invalid_value"],
    [{ logit_bias: { a: 1 } }, "logit_bias.a", "invalid_value"],
    [{ logit_bias: { 1: 101 } }, "logit_bias.1", "invalid_value"],
    [{ logit_bias: [1] }, "logit_bias", "invalid_type"],
    [{ logprobs: 1 }, "logprobs", "invalid_type"],
    [{ top_logprobs: 3 }, "top_logprobs", "invalid_value"],
    [{ logprobs: true, top_logprobs: 21 }, "top_logprobs", "invalid_value"],
    [{ stream: "yes" }, "stream", "invalid_type"],
    [{ stream_options: {} }, "stream_options", "invalid_value"],
    [{ stream: true, stream_options: { every: 3 } }, "stream_options.every", "unknown_parameter"],
    [{ tools: [{ type: "function" }] }, "tools[0].function", "missing_required_parameter"],
    [{ tools: [{ type: "search" }] }, "tools[0].type", "unsupported_value"],
    [{ tools: [{ type: "function", function: { name: "a b" } }] }, "tools[0].function.name", "invalid_value"],
    [{ tool_choice: "required" }, "tool_choice", "invalid_value"],
    [
      {
        tools: [{ type: "function", function: { name: "f" } }],
        tool_choice: { type: "function", function: { name: "g" } },
      },
      "tool_choice.function.name",
      "invalid_value",
    ],
    [
      { tools: [{ type: "function", function: { name: "f", parameters: { not: {} } } }], tool_choice: "required" },
      "tools",
      "invalid_value",
    ],
    [{ functions: [{}] }, "functions", "unsupported_parameter"],
    [{ response_format: { type: "xml" } }, "response_format.type", "invalid_value"],
    [{ response_format: "json" }, "response_format", "invalid_type"],
    [{ response_format: { type: "json_schema" } }, "response_format.json_schema", "missing_required_parameter"],
    [
      {
        response_format: {
          type: "json_schema",
          json_schema: { name: "x", schema: { type: "number", minimum: 2, maximum: 1 } },
        },
      },
      "response_format",
      "invalid_value",
    ],
    [{ modalities: ["audio"] }, "modalities", "unsupported_parameter"],
    [{ store: true }, "store", "unsupported_parameter"],
    [{ reasoning_effort: "high" }, "reasoning_effort", "unsupported_parameter"],
    [{ temprature: 1 }, "temprature", "unknown_parameter"],
    [{ __proto__: null, constructor: 1 }, "constructor", "unknown_parameter"],
  ])("%j", async (extra, param, code) => {
    const { ask, engine } = serverOf();
    const response = await ask(extra);
    const { error } = (await response.json()) as ErrorBody;
    expect(error).toMatchObject({ param, code, type: "invalid_request_error" });
    expect(error.message).toContain(param.split(/[.[]/)[0]);
    expect(response.status).toBe(400);
    expect(engine.rows).toBe(0);
  });

  it("a conversation that does not fit, streamed or not", async () => {
    const { ask } = serverOf(undefined, undefined, 64);
    for (const stream of [false, true]) {
      const response = await ask({ stream, messages: [{ role: "user", content: "x".repeat(100) }] });
      expect(response.status).toBe(400);
      expect(((await response.json()) as ErrorBody).error).toMatchObject({
        code: "context_length_exceeded",
        param: "messages",
      });
    }
  });
});

describe("any request", () => {
  const names = [
    ...["model", "messages", "max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k", "n", "stop"],
    ...["stream", "stream_options", "logprobs", "top_logprobs", "logit_bias", "seed", "user", "tools", "modalities"],
    ...["response_format", "presence_penalty", "repetition_penalty", "prompt", "input", "suffix", "echo", "best_of"],
  ];
  const value = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    fc.constantFrom<unknown>("tiny", true, false, null, 0, 1, -1, 1.5, 1e300, "", "\ud800", [], {}, [[]], [{}]),
  );

  it("is answered or refused, and never breaks the server", async () => {
    const { app, engine } = serverOf(sayingAfter(marker, "ok"));
    const statuses = new Set<number>();
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("/v1/chat/completions", "/v1/completions", "/v1/embeddings"),
        fc.dictionary(fc.constantFrom(...names), value, { maxKeys: 4 }),
        fc.boolean(),
        async (route, extra, sound) => {
          const base = route.includes("chat") ? { messages: hello } : {};
          const body = { ...(sound && { model: "tiny", max_tokens: 2, ...base }), ...extra };
          const response = await app.fetch(post(route, body));
          statuses.add(response.status);
          expect([200, 400, 404]).toContain(response.status);
          if (response.status !== 200) expect(await response.json()).toHaveProperty("error.message");
          else await response.text();
        },
      ),
      { seed: 21, numRuns: 600 },
    );
    expect([...statuses].sort()).toEqual([200, 400, 404]);
    expect(app.state.queue.running).toBe(0);
    expect(engine.rows).toBeGreaterThan(0);
  });
});

describe("a stream", () => {
  it("ends with an error event when the model fails half-way", async () => {
    let calls = 0;
    const { ask, app } = serverOf((tokens) => {
      if (++calls === 4) throw new Error("secret detail");
      return sayingAfter(marker, "abcdefg")(tokens);
    });
    const events = (await eventsOf(await ask({ stream: true }))) as (ChatChunk & Partial<ErrorBody>)[];
    expect(events.at(-1)!.error).toMatchObject({ type: "server_error" });
    expect(JSON.stringify(events)).not.toContain("secret");
    expect(app.state.queue.running).toBe(0);
  });

  it("stops generating when its reader leaves", async () => {
    const { model, engine } = scriptedModel({ stepMs: 2 });
    const app = createApp({ models: { tiny: model } });
    const response = await app.fetch(post(path, { model: "tiny", messages: hello, stream: true, ignore_eos: true }));
    const reader = response.body!.getReader();
    await reader.read();
    await reader.cancel();
    await app.state.queue.idle();
    const rows = engine.rows;
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(engine.rows).toBe(rows);
    expect(rows).toBeLessThan(200);
  });
});

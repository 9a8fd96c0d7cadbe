import { describe, expect, it } from "vitest";
import { sayingAfter } from "../decode/testing/scripted.ts";
import { scriptedModel } from "./testing/scripted-model.ts";

const hello = [{ role: "user", content: "hello" }];
const marker = "assistant\n";

describe("Model", () => {
  it("answers a conversation in pieces, and collects them", async () => {
    const { model } = scriptedModel({ next: sayingAfter(marker, "hi there") });
    const { text, tokens, finishReason, stats, logprobs } = await model.collect(model.chat(hello, { logprobs: 1 }));
    expect([text, finishReason]).toEqual(["hi there", "stop"]);
    expect(tokens).toHaveLength(9);
    expect(logprobs).toHaveLength(9);
    expect(stats.completionTokens).toBe(9);
    expect(stats.timeToFirstTokenMs).toBeGreaterThan(0);
  });

  it("continues texts and token ids alike, and starts from nothing", async () => {
    const { model } = scriptedModel();
    const run = (prompt: string | number[]) => model.collect(model.generate(prompt, { maxTokens: 8 }));
    expect((await run([104, 105])).tokens).toEqual((await run("hi")).tokens);
    expect((await run("")).stats.promptTokens).toBe(1);
  });

  it("gives the same tokens whether calls run alone, side by side or after one another", async () => {
    const { model } = scriptedModel({ stepMs: 1 });
    const prompts = ["one and one", "one and two", "something else", "one and one"];
    const run = (prompt: string) =>
      model.collect(model.generate(prompt, { maxTokens: 30, temperature: 1, seed: 5 })).then(({ tokens }) => tokens);
    const alone = await Promise.all(
      prompts.map(async (prompt) => {
        const other = scriptedModel().model;
        const { tokens } = await other.collect(other.generate(prompt, { maxTokens: 30, temperature: 1, seed: 5 }));
        return tokens;
      }),
    );
    expect(await Promise.all(prompts.map(run))).toEqual(alone);
    for (const [i, prompt] of prompts.entries()) expect(await run(prompt)).toEqual(alone[i]);
  });

  it("computes only what is new of a conversation that goes on", async () => {
    const { model } = scriptedModel({ next: sayingAfter(marker, "hi") });
    const first = await model.collect(model.chat(hello));
    const more = [...hello, { role: "assistant", content: first.text }, { role: "user", content: "and?" }];
    const second = await model.collect(model.chat(more));
    expect(second.stats.cachedTokens).toBe(first.stats.promptTokens + first.tokens.length - 1);
  });

  it("keeps a sequence's cache when the caller leaves early or its signal fires", async () => {
    const { model, engine } = scriptedModel();
    for await (const _ of model.generate("prompt number one")) break;
    const controller = new AbortController();
    const aborted = async () => {
      for await (const _ of model.generate("prompt number one", { signal: controller.signal })) controller.abort();
    };
    await expect(aborted()).rejects.toMatchObject({ code: "aborted" });
    const { stats } = await model.collect(model.generate("prompt number one", { maxTokens: 1 }));
    expect(stats.cachedTokens).toBe(16);
    expect(engine.openCount).toBe(1);
  });

  it("refuses impossible calls before it touches a sequence", async () => {
    const { model, engine } = scriptedModel({ contextLength: 16 });
    const refuse = (chunks: AsyncIterable<unknown>) =>
      expect(
        (async () => {
          for await (const _ of chunks);
        })(),
      ).rejects;
    await refuse(model.generate("x".repeat(16))).toMatchObject({ code: "context-overflow" });
    await refuse(model.generate("x", { temperature: -1 })).toMatchObject({ code: "argument" });
    await refuse(model.generate([258])).toMatchObject({ code: "argument", message: expect.stringContaining("258") });
    await refuse(model.generate([1.5])).toMatchObject({ code: "argument" });
    await refuse(model.generate("x", { signal: AbortSignal.abort() })).toMatchObject({ code: "aborted" });
    await refuse(model.chat([])).toMatchObject({ code: "argument" });
    expect(engine.openCount).toBe(0);
  });

  it("scores texts, and the generation after it starts from there", async () => {
    const { model } = scriptedModel();
    const scores = await model.score("some text", { top: 2 });
    expect(scores[0]).toBeUndefined();
    expect(scores.slice(1).every((score) => score!.top.length === 2 && score!.logprob <= 0)).toBe(true);
    const { stats } = await model.collect(model.generate("some text", { maxTokens: 1 }));
    expect(stats.cachedTokens).toBe(8);
    await expect(model.score("x".repeat(1025))).rejects.toMatchObject({ code: "context-overflow" });
    await expect(model.score("x", { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "aborted" });
  });

  it("says what it dropped from a conversation that outgrew the context", async () => {
    const { model } = scriptedModel({ contextLength: 128, next: sayingAfter(marker, "ok") });
    const turns = Array.from({ length: 8 }, (_, i) => [
      { role: "user", content: `question ${i}` },
      { role: "assistant", content: "ok" },
    ]).flat();
    const messages = [...turns, { role: "user", content: "last" }];
    const { dropped, tokens } = await model.chatPrompt(messages, { contextOverflow: "drop-oldest", maxTokens: 20 });
    expect(dropped).toBeGreaterThan(0);
    expect(tokens.length).toBeLessThanOrEqual(108);
    expect((await model.collect(model.chat(messages, { contextOverflow: "drop-oldest" }))).text).toBe("ok");
    await expect(model.collect(model.chat(messages))).rejects.toMatchObject({ code: "context-overflow" });
  });

  it("fails with `disposed` after it was disposed", async () => {
    const { model } = scriptedModel();
    await model.dispose();
    expect(model.disposed).toBe(true);
    await expect(model.collect(model.generate("x"))).rejects.toMatchObject({ code: "disposed" });
  });
});

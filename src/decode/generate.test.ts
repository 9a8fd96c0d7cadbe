import { describe, expect, it } from "vitest";
import { generate } from "./generate.ts";
import type { GenerateOptions, GenerationChunk } from "./options.ts";
import { argmax } from "./sampler.ts";
import { scoreTokens } from "./score.ts";
import { byteTokenizer, endOfTurn, noisyLogits, ScriptedModel, sayingAfter } from "./testing/scripted.ts";

const tokenizer = byteTokenizer();
const bytes = (text: string) => [...new TextEncoder().encode(text)];

async function run(
  model: ScriptedModel,
  prompt: readonly number[],
  options: GenerateOptions = {},
  contextLength = 4096,
): Promise<GenerationChunk[]> {
  const sequence = await model.open();
  const chunks: GenerationChunk[] = [];
  for await (const chunk of generate({ sequence, tokenizer, prompt, contextLength }, options)) chunks.push(chunk);
  return chunks;
}

const textOf = (chunks: readonly GenerationChunk[]) => chunks.map(({ text }) => text).join("");
const idsOf = (chunks: readonly GenerationChunk[]) => chunks.flatMap(({ tokens }) => tokens);

describe("generate", () => {
  it("follows the largest logits, across block boundaries", async () => {
    const prompt = bytes("x".repeat(61));
    const ids = idsOf(await run(new ScriptedModel(), prompt, { maxTokens: 20 }));
    const all = [...prompt];
    for (let i = 0; i < 20; i++) all.push(argmax(noisyLogits(all)));
    expect(ids).toEqual(all.slice(61));
  });

  it("ends at the end of a turn, whose token has no text", async () => {
    const chunks = await run(new ScriptedModel(sayingAfter(">", "Grüße 🙂")), bytes("q>"));
    expect(textOf(chunks)).toBe("Grüße 🙂");
    expect(idsOf(chunks).at(-1)).toBe(endOfTurn);
    const last = chunks.at(-1)!;
    expect(last.finishReason).toBe("stop");
    expect(last.usage).toEqual({ promptTokens: 2, completionTokens: chunks.length, cachedTokens: 0 });
    expect(last.stats).toMatchObject({ steps: chunks.length - 1 });
    expect(chunks.slice(0, -1).some((chunk) => chunk.finishReason ?? chunk.usage)).toBe(false);
    // no piece holds half a character
    expect(chunks.every(({ text }) => !text.includes("\ufffd"))).toBe(true);
  });

  it("goes on after the end of a turn when told to", async () => {
    const chunks = await run(new ScriptedModel(sayingAfter(">", "hi")), bytes(">"), { ignoreEos: true, maxTokens: 5 });
    expect(idsOf(chunks)).toEqual([...bytes("hi"), endOfTurn, endOfTurn, endOfTurn]);
    expect(chunks.at(-1)!.finishReason).toBe("length");
  });

  it("marks a character that the limit cut in half", async () => {
    const chunks = await run(new ScriptedModel(sayingAfter(">", "a🙂")), bytes(">"), { maxTokens: 3 });
    expect(textOf(chunks)).toBe("a\ufffd");
    expect(chunks.at(-1)!.finishReason).toBe("length");
  });

  it("stops at a stop text and leaves it out", async () => {
    const model = new ScriptedModel(sayingAfter(">", "one. two. three."));
    const chunks = await run(model, bytes(">"), { stop: [" thr", ". t"] });
    expect(textOf(chunks)).toBe("one");
    expect(chunks.at(-1)!.finishReason).toBe("stop");
  });

  it("ends where the context ends", async () => {
    const chunks = await run(new ScriptedModel(), bytes("abcdef"), {}, 10);
    expect(idsOf(chunks)).toHaveLength(4);
    expect(chunks.at(-1)!.finishReason).toBe("length");
    await expect(run(new ScriptedModel(), bytes("abcdef"), {}, 6)).rejects.toMatchObject({ code: "context-overflow" });
  });

  it("repeats a sampled answer with the same seed", async () => {
    const once = (seed: number) => run(new ScriptedModel(), bytes("q"), { temperature: 1, seed, maxTokens: 30 });
    expect(idsOf(await once(1))).toEqual(idsOf(await once(1)));
    expect(idsOf(await once(1))).not.toEqual(idsOf(await once(2)));
  });

  it("reports the model's own log-probabilities, untouched by penalties", async () => {
    const plain = await run(new ScriptedModel(), bytes("q"), { maxTokens: 1, logprobs: 3 });
    const biased = await run(new ScriptedModel(), bytes("q"), { maxTokens: 1, logprobs: 3, logitBias: { 65: 100 } });
    expect(biased[0]!.tokens).toEqual([65]);
    expect(biased[0]!.logprobs![0]!.top).toEqual(plain[0]!.logprobs![0]!.top);
    expect(plain[0]!.logprobs![0]!.top[0]!.token).toBe(plain[0]!.tokens[0]);
  });

  it("refuses biases of tokens that do not exist, and an empty prompt", async () => {
    await expect(run(new ScriptedModel(), [1], { logitBias: { 258: 1 } })).rejects.toMatchObject({ code: "argument" });
    await expect(run(new ScriptedModel(), [])).rejects.toMatchObject({ code: "argument" });
  });

  it("stops between steps when its signal fires", async () => {
    const controller = new AbortController();
    const model = new ScriptedModel();
    const sequence = await model.open();
    let count = 0;
    const iterate = async () => {
      for await (const _ of generate(
        { sequence, tokenizer, prompt: [1], contextLength: 100 },
        { signal: controller.signal },
      ))
        if (++count === 3) controller.abort();
    };
    await expect(iterate()).rejects.toMatchObject({ code: "aborted" });
    expect(count).toBe(3);
    expect(model.rows).toBe(3);
  });

  it("counts the time to the first token from the call", async () => {
    const sequence = await new ScriptedModel(noisyLogits, 5).open();
    const input = { sequence, tokenizer, prompt: [1], contextLength: 100, calledAt: performance.now() - 1000 };
    for await (const { stats } of generate(input, { maxTokens: 1 }))
      expect(stats!.timeToFirstTokenMs).toBeGreaterThan(1000);
  });
});

describe("scoreTokens", () => {
  it("gives each token the log-probability that generating it would report", async () => {
    const prompt = bytes("p".repeat(70));
    const chunks = await run(new ScriptedModel(), prompt, { maxTokens: 10, logprobs: 2 });
    const scores = await scoreTokens(await new ScriptedModel().open(), [...prompt, ...idsOf(chunks)], 2);
    expect(scores).toHaveLength(80);
    expect(scores[0]).toBeUndefined();
    expect(scores.slice(70)).toEqual(chunks.flatMap((chunk) => chunk.logprobs));
  });

  it("needs an empty sequence", async () => {
    const sequence = await new ScriptedModel().open();
    expect(await scoreTokens(sequence, [])).toEqual([]);
    await scoreTokens(sequence, [1, 2]);
    await expect(scoreTokens(sequence, [3])).rejects.toMatchObject({ code: "argument" });
  });
});

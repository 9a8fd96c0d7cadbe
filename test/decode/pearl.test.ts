/**
 * PEARL is exact: greedily the target's own tokens, sampled its own distribution, whatever runs at the same time.
 */
import { describe, expect, it } from "vitest";
import { drawToyTexts, toyLaw, toyModel, toyTables } from "../../papers/pearl/toy.ts";
import {
  type GenerateOptions,
  generate,
  type PearlChunk,
  type PearlInput,
  type PearlModel,
  pearl,
  type Span,
} from "../../src/decode/index.ts";
import {
  byteTokenizer,
  endOfTurn,
  noisyLogits,
  ScriptedModel,
  sayingAfter,
} from "../../src/decode/testing/scripted.ts";
import { perturbed, toyLogits } from "../../src/decode/testing/toy.ts";
import { testLaw } from "../../src/papers/statistics.ts";

const tokenizer = byteTokenizer();
const bytes = (text: string) => [...new TextEncoder().encode(text)];
const variants = {
  pearl: { preVerify: true, postVerify: true },
  "without pre-verify": { preVerify: false, postVerify: true },
  "without post-verify": { preVerify: true, postVerify: false },
  "taking turns": { preVerify: false, postVerify: false },
} as const;

function modelOf(scripted: ScriptedModel): PearlModel {
  return {
    tokenizer,
    contextLength: 4096,
    promptTokens: (prompt) => (typeof prompt === "string" ? bytes(prompt) : prompt),
    open: () => scripted.open(),
  };
}

async function textOf(input: PearlInput, prompt: string, options: GenerateOptions) {
  const chunks: PearlChunk[] = [];
  for await (const chunk of pearl(input, prompt, options)) chunks.push(chunk);
  return { tokens: chunks.flatMap(({ tokens }) => tokens), text: chunks.map(({ text }) => text).join(""), chunks };
}

async function plainTokens(scripted: ScriptedModel, prompt: string, options: GenerateOptions): Promise<number[]> {
  const tokens: number[] = [];
  const input = { sequence: await scripted.open(), tokenizer, prompt: bytes(prompt), contextLength: 4096 };
  for await (const chunk of generate(input, options)) tokens.push(...chunk.tokens);
  return tokens;
}

const target = toyLogits(3);

describe.each(Object.entries(variants))("PEARL, %s", (_, strategies) => {
  it("writes the target's greedy text, over block boundaries, with good and with useless drafts", async () => {
    for (const draftLogits of [target, perturbed(target, 5), toyLogits(9), noisyLogits])
      for (const window of [1, 2, 4, 7]) {
        const models = [new ScriptedModel(target), new ScriptedModel(draftLogits)] as const;
        const input = { target: modelOf(models[0]), draft: modelOf(models[1]), window, strategies };
        for (const maxTokens of [1, 2, 90]) {
          const options = { maxTokens };
          const { tokens, chunks } = await textOf(input, "ab", options);
          expect(tokens).toEqual(await plainTokens(new ScriptedModel(target), "ab", options));
          expect(chunks.at(-1)!.finishReason).toBe("length");
        }
        expect(models.map(({ openCount }) => openCount)).toEqual([0, 0]);
      }
  });

  it("takes every token of a draft that is always right", async () => {
    const model = () => modelOf(new ScriptedModel(target));
    const { chunks } = await textOf({ target: model(), draft: model(), window: 4, strategies }, "ab", {
      maxTokens: 80,
    });
    const { pearl: stats, stats: all } = chunks.at(-1)!;
    expect(stats!.accepted).toBe(stats!.tested);
    expect(stats!.runs).toEqual([]);
    expect(all!.steps).toBeLessThan(strategies.preVerify && !strategies.postVerify ? 45 : 30);
  });

  it.each([2, 4])("samples the target's distribution, window %i", { timeout: 120_000 }, async (window) => {
    const tables = toyTables(1);
    const models = { target: toyModel(tables.target), draft: toyModel(tables.draft) };
    const counts = await drawToyTexts({ ...models, window, strategies, draws: 20_000, seed: window });
    expect(testLaw(counts, toyLaw(tables.target)).pValue).toBeGreaterThan(0.01 / 8);
  });
});

describe("PEARL", () => {
  it("finds out a wrong law", async () => {
    const tables = toyTables(1);
    const models = { target: toyModel(tables.target), draft: toyModel(tables.draft) };
    const counts = await drawToyTexts({ ...models, window: 2, strategies: variants.pearl, draws: 20_000, seed: 1 });
    expect(testLaw(counts, toyLaw(tables.draft)).pValue).toBeLessThan(1e-6);
  });

  it("lets both models work at the same time, and only with both parts at every step", async () => {
    const overlap = async (strategies: PearlInput["strategies"]) => {
      const spans: Span[] = [];
      const input = {
        target: modelOf(new ScriptedModel(target, 4)),
        draft: modelOf(new ScriptedModel(perturbed(target, 5, 0.3), 2)),
        strategies,
        onSpan: (span: Span) => spans.push(span),
      };
      await textOf(input, "ab", { maxTokens: 24 });
      const drafts = spans.filter(({ worker }) => worker === "draft");
      return spans.filter(
        (a) => a.worker === "target" && drafts.some((b) => b.start < a.end - 0.5 && a.start < b.end - 0.5),
      ).length;
    };
    expect(await overlap(variants.pearl)).toBeGreaterThan(3);
    expect(await overlap(variants["taking turns"])).toBe(0);
  });

  it("ends with the end of a turn, at a stop string and when it is told to", async () => {
    const says = sayingAfter(">", "Grüße 🙂");
    const input = { target: modelOf(new ScriptedModel(says)), draft: modelOf(new ScriptedModel(says)), window: 3 };
    const whole = await textOf(input, "q>", {});
    expect(whole.text).toBe("Grüße 🙂");
    expect(whole.tokens.at(-1)).toBe(endOfTurn);
    expect(whole.chunks.at(-1)).toMatchObject({ finishReason: "stop" });
    expect((await textOf(input, "q>", { stop: "ß" })).text).toBe("Grü");
    const abort = new AbortController();
    const stopped = async () => {
      for await (const _ of pearl(input, "q>", { signal: abort.signal })) abort.abort();
    };
    await expect(stopped()).rejects.toMatchObject({ code: "aborted" });
  });

  it("obeys penalties, and reports log-probabilities", async () => {
    const models = () => [new ScriptedModel(target), new ScriptedModel(perturbed(target, 5))] as const;
    const [a, b] = models();
    const options = { maxTokens: 40, frequencyPenalty: 0.7, repetitionPenalty: 1.2, logprobs: 2 };
    const { tokens, chunks } = await textOf({ target: modelOf(a), draft: modelOf(b) }, "ab", options);
    expect(tokens).toEqual(await plainTokens(new ScriptedModel(target), "ab", options));
    expect(chunks[0]!.logprobs![0]!.top).toHaveLength(2);
  });

  it("refuses models and windows that do not fit", async () => {
    const model = modelOf(new ScriptedModel(target));
    const other = { ...model, tokenizer: { ...tokenizer, vocabSize: 7 } };
    await expect(textOf({ target: model, draft: other }, "a", {})).rejects.toThrow(/7 tokens and the target 258/);
    await expect(textOf({ target: model, draft: model, window: 0 }, "a", {})).rejects.toThrow(/window is 0/);
    await expect(textOf({ target: model, draft: model }, "", {})).rejects.toThrow(/empty/);
    await expect(textOf({ target: model, draft: model }, "a".repeat(4096), {})).rejects.toMatchObject({
      code: "context-overflow",
    });
  });

  it("fails when a model fails, and closes both", async () => {
    const broken = new ScriptedModel(() => {
      throw new Error("broken");
    });
    const sound = new ScriptedModel(target);
    await expect(textOf({ target: modelOf(sound), draft: modelOf(broken) }, "ab", {})).rejects.toThrow(/broken/);
    expect([sound.openCount, broken.openCount]).toEqual([0, 0]);
  });
});

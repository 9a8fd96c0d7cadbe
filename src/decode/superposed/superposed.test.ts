import { describe, expect, it } from "vitest";
import type { TokenMixture } from "../../lm/index.ts";
import {
  byteTokenizer,
  endOfTurn,
  type NextLogits,
  noisyLogits,
  ScriptedModel,
  vocabSize,
} from "../testing/scripted.ts";
import { NgramCounts } from "./ngram-counts.ts";
import { suggest } from "./suggest.ts";
import { type SuperposedOptions, superposedDrafts } from "./superposed.ts";

const bytes = (text: string) => [...new TextEncoder().encode(text)];

/** Logits that do not depend on the text: `favours` letters in falling order, one logit apart. */
const favouring =
  (favours: string): NextLogits =>
  () => {
    const logits = new Float32Array(vocabSize).fill(-50);
    bytes(favours).forEach((token, i) => {
      logits[token] = -i;
    });
    return logits;
  };

async function draftsOf(next: NextLogits, prompt: string, options: SuperposedOptions) {
  const sequence = await new ScriptedModel(next).open();
  const result = await superposedDrafts(sequence, bytes(prompt), options);
  expect(sequence.length).toBe(prompt.length);
  return {
    ...result,
    texts: result.drafts.map(({ tokens }) => String.fromCharCode(...tokens)),
  };
}

describe("superposed drafts", () => {
  it("are greedy decoding when there is one draft and no counts", async () => {
    const all = bytes("a prompt that is longer than a block of sixty-four tokens, by some");
    const sequence = await new ScriptedModel(noisyLogits).open();
    const { drafts, steps } = await superposedDrafts(sequence, all, { drafts: 1, tokens: 8 });
    const greedy = [...all];
    for (let i = 0; i < 8; i++) {
      const logits = noisyLogits(greedy);
      greedy.push(logits.indexOf(Math.max(...logits)));
    }
    expect(drafts[0]!.tokens).toEqual(greedy.slice(all.length));
    expect(steps).toBe(7);
  });

  it("begin with different tokens, and take one step a position whatever their number", async () => {
    for (const drafts of [1, 2, 3, 5]) {
      const mixtures: TokenMixture[] = [];
      const { steps, texts } = await draftsOf(favouring("abcdefghijklmnop"), "x", {
        drafts,
        tokens: 4,
        temperature: 1,
        onStep: (_, mixture) => mixtures.push(mixture),
      });
      expect(steps).toBe(3);
      expect(new Set(texts).size).toBe(drafts);
      expect(mixtures[0]!.tokens).toEqual(bytes("abcdefgh").slice(0, drafts));
      for (const { weights } of mixtures) expect(weights.reduce((sum, w) => sum + w, 0)).toBeCloseTo(1, 12);
    }
  });

  it("weigh drafts by their probability, and feed the best alone when asked to", async () => {
    const seen: TokenMixture[] = [];
    const options = { drafts: 2, tokens: 2, temperature: 1, onStep: (_: number, m: TokenMixture) => seen.push(m) };
    await draftsOf(favouring("ab"), "x", { ...options, candidates: 2 });
    expect(seen[0]!.weights[0]).toBeCloseTo(1 / (1 + Math.exp(-1)), 6);
    await draftsOf(favouring("ab"), "x", { ...options, candidates: 2, input: "first" });
    expect(seen[1]).toEqual({ tokens: bytes("a"), weights: [1] });
  });

  it("keep only what the counts know, each draft for itself", async () => {
    // the model cannot tell which letter goes with which; the counts can
    const ngrams = NgramCounts.fromDocuments(["x-a1", "x-b2", "x-c3"].map(bytes));
    const { texts } = await draftsOf(favouring("abc123"), "x-", { tokens: 2, temperature: 1, ngrams, candidates: 6 });
    expect(texts).toEqual(["a1", "b2", "c3"]);
    const without = await draftsOf(favouring("abc123"), "x-", { tokens: 2, temperature: 1, candidates: 6 });
    expect(without.texts).not.toContain("b2");
  });

  it("let a draft that the counts do not know live only when nothing else does", async () => {
    const ngrams = NgramCounts.fromDocuments(["xab"].map(bytes));
    const alone = await draftsOf(favouring("ab"), "x", { drafts: 1, tokens: 3, temperature: 1, ngrams });
    // "xab" is known; nothing is known after it, and the model decides
    expect(alone.texts).toEqual(["aba"]);
    expect(alone.drafts[0]!.score).toBeLessThan(-200);
    const unknown = await draftsOf(favouring("ab"), "q", { drafts: 1, tokens: 1, temperature: 1, ngrams });
    expect(unknown.texts).toEqual(["a"]);
  });

  it("keep drafts that end", async () => {
    const next: NextLogits = (tokens) => {
      const logits = favouring("ab")(tokens);
      if (tokens[tokens.length - 1] === 98) logits[endOfTurn] = 5;
      return logits;
    };
    const sequence = await new ScriptedModel(next).open();
    const { drafts } = await superposedDrafts(sequence, bytes("b"), { drafts: 2, tokens: 3, ends: [endOfTurn] });
    expect(drafts[0]).toMatchObject({ tokens: [endOfTurn], finished: true });
  });

  it("are ranked by the model itself out of a larger pool, across block boundaries too", async () => {
    for (const length of [5, 60]) {
      const prompt = bytes("p".repeat(length));
      const model = new ScriptedModel(noisyLogits);
      const sequence = await model.open();
      const options = { drafts: 2, pool: 6, tokens: 7, temperature: 1 };
      const { drafts } = await superposedDrafts(sequence, prompt, options);
      expect(sequence.length).toBe(length);
      expect(model.openCount).toBe(1);
      const scoreOf = (draft: readonly number[]) =>
        draft.reduce((sum, token, i) => {
          const logits = noisyLogits([...prompt, ...draft.slice(0, i)]);
          return sum + logits[token]! - Math.log(logits.reduce((total, x) => total + Math.exp(x), 0));
        }, 0);
      for (const { tokens, score } of drafts) expect(score).toBeCloseTo(scoreOf(tokens), 3);
      const all = await superposedDrafts(await model.open(), prompt, { ...options, drafts: 6, pool: undefined });
      const best = all.drafts.map(({ tokens }) => scoreOf(tokens)).sort((a, b) => b - a);
      expect(drafts.map(({ score }) => score)).toEqual([expect.closeTo(best[0]!, 3), expect.closeTo(best[1]!, 3)]);
    }
  });

  it("refuse impossible options", async () => {
    const refused = (options: SuperposedOptions) => draftsOf(favouring("ab"), "x", options);
    await expect(refused({ drafts: 0 })).rejects.toThrow(/drafts is 0/);
    await expect(refused({ drafts: 4, candidates: 3 })).rejects.toThrow(/4 drafts from 3 candidates/);
    await expect(refused({ pool: 2 })).rejects.toThrow(/pool of 2/);
    await expect(refused({ ngramShare: 1 })).rejects.toThrow(/ngramShare is 1/);
    await expect(refused({ temperature: 0 })).rejects.toThrow(/temperature is 0/);
    await expect(draftsOf(favouring("ab"), "", {})).rejects.toThrow(/the prompt has 0 tokens/);
    await expect(refused({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "aborted" });
  });
});

describe("suggestions", () => {
  const scripted = new ScriptedModel(favouring("abc"));
  const model = {
    tokenizer: byteTokenizer(),
    contextLength: 64,
    promptTokens: (prompt: string | readonly number[]) => (typeof prompt === "string" ? bytes(prompt) : prompt),
    open: () => scripted.open(),
  };
  it("are text, and close their sequence", async () => {
    const found = await suggest(model, "x", { drafts: 3, tokens: 2, temperature: 1 });
    expect(found.map(({ text }) => text)).toEqual(["aa", "ab", "ba"]);
    expect(scripted.openCount).toBe(0);
    await expect(suggest(model, "x".repeat(60))).rejects.toMatchObject({ code: "context-overflow" });
  });
});

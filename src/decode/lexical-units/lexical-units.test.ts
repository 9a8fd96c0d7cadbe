import { describe, expect, it } from "vitest";
import { generate } from "../generate.ts";
import type { SamplingOptions } from "../options.ts";
import {
  byteTokenizer,
  endOfTurn,
  type NextLogits,
  noisyLogits,
  ScriptedModel,
  vocabSize,
} from "../testing/scripted.ts";
import { type LexicalUnitDecodingOptions, type LexicalUnitStep, lexicalUnitDecoding } from "./lexical-units.ts";

/** A control token that looks ahead here. */
const placeholder = 256;
const tokenizer = byteTokenizer();
const prompt = tokenizer.encode("A prompt: ");

/** What a placeholder says: the token after the `r` next ones, and how sure it is. */
type LookAhead = (text: readonly number[], r: number) => { readonly token: number; readonly sure: boolean };

/**
 * A model with placeholders: one that looks ahead stands at the end, and any that entered the cache would be seen by the next token.
 */
function lookingAhead(next: NextLogits, ahead: LookAhead): NextLogits {
  return (tokens) => {
    let end = tokens.length;
    while (tokens[end - 1] === placeholder) end--;
    if (tokens.indexOf(placeholder) >= 0 && tokens.indexOf(placeholder) < end)
      throw new Error("a placeholder was kept");
    const text = tokens.slice(0, end);
    const r = tokens.length - end;
    if (!r) {
      // the placeholder must not be said although it is likely
      const logits = next(text).slice();
      logits[placeholder] = 99;
      return logits;
    }
    const { token, sure } = ahead(text, r);
    const logits = new Float32Array(vocabSize);
    logits[token] = sure ? 20 : 3;
    logits[placeholder] = 99;
    return logits;
  };
}

async function run(
  logits: NextLogits,
  options: Partial<LexicalUnitDecodingOptions> = {},
): Promise<{ tokens: number[]; steps: LexicalUnitStep[]; cached: number }> {
  const sequence = await new ScriptedModel(logits).open();
  const steps: LexicalUnitStep[] = [];
  const all = { placeholder, maxTokens: 150, ends: [endOfTurn], ...options };
  for await (const step of lexicalUnitDecoding(sequence, prompt, all)) steps.push(step);
  return { tokens: steps.flatMap(({ tokens }) => tokens), steps, cached: sequence.length };
}

async function plain(next: NextLogits, sampling: SamplingOptions = {}, maxTokens = 150): Promise<number[]> {
  const sequence = await new ScriptedModel(next).open();
  const tokens: number[] = [];
  const options = { ...sampling, maxTokens };
  for await (const chunk of generate({ sequence, tokenizer, prompt, contextLength: 4096 }, options))
    tokens.push(...chunk.tokens);
  return tokens;
}

const script = tokenizer.encode("abcdefghijklmnopqrstuvwxyz,".repeat(8));
const saying: NextLogits = (text) => {
  const logits = new Float32Array(vocabSize);
  logits[script[text.length - prompt.length] ?? endOfTurn] = 12;
  return logits;
};
const knowing: LookAhead = (text, r) => ({ token: script[text.length - prompt.length + r] ?? endOfTurn, sure: true });

describe("lexical unit decoding", () => {
  it("takes a whole unit a step where the placeholders are sure, and keeps no row of theirs", async () => {
    const ahead = lookingAhead(saying, knowing);
    for (const verify of [false, true]) {
      const { tokens, steps, cached } = await run(ahead, { verify, maxTokens: 120 });
      expect(tokens).toEqual(script.slice(0, 120));
      // four tokens a step, but for cuts at the boundaries of blocks and, checked, one step more
      expect(steps.length).toBeGreaterThanOrEqual(30);
      expect(steps.length).toBeLessThanOrEqual(34);
      expect(cached).toBeLessThan(prompt.length + 120);
      expect(steps.every(({ rejected, guarded }) => !rejected && !guarded)).toBe(true);
    }
  });

  it("takes as many as are sure from the first one on", async () => {
    const doubtful: LookAhead = (text, r) => ({ ...knowing(text, r), sure: r !== 2 });
    const { tokens, steps } = await run(lookingAhead(saying, doubtful), { verify: false, maxTokens: 40 });
    expect(tokens).toEqual(script.slice(0, 40));
    expect(Math.max(...steps.map((step) => step.tokens.length))).toBe(2);
    expect(Math.max(...steps.map((step) => step.rows))).toBe(2 + 3);
  });

  it("decodes plainly above a confidence of 1, and without placeholders", async () => {
    const wanted = await plain(noisyLogits);
    const guess: LookAhead = () => ({ token: 65, sure: true });
    for (const verify of [false, true])
      for (const options of [{ minConfidence: 1.01 }, { placeholders: 0 }]) {
        const { tokens, steps } = await run(lookingAhead(noisyLogits, guess), { verify, ...options });
        expect(tokens).toEqual(wanted);
        expect(steps).toHaveLength(wanted.length);
      }
  });

  it("verified, writes what plain decoding writes whatever the placeholders say, sampled or not", async () => {
    // two of three guesses are those of greedy decoding
    const guess: LookAhead = (text, r) => {
      const all = [...text];
      for (let i = 0; i <= r; i++) {
        const logits = noisyLogits(all);
        all.push(logits.indexOf(Math.max(...logits)));
      }
      return { token: (text.length + r) % 3 ? all[all.length - 1]! : 90, sure: true };
    };
    for (const sampling of [{}, { temperature: 0.7, seed: 3 }, { temperature: 0, repetitionPenalty: 1.3 }]) {
      const { tokens, steps } = await run(lookingAhead(noisyLogits, guess), sampling);
      expect(tokens).toEqual(await plain(noisyLogits, sampling));
      expect(steps.length).toBeLessThan(tokens.length);
      expect(steps.some(({ rejected }) => rejected > 0)).toBe(true);
    }
    // and unverified it does not
    const { tokens } = await run(lookingAhead(noisyLogits, guess), { verify: false });
    expect(tokens).not.toEqual(await plain(noisyLogits));
  });

  it("ends a span before a token that repeats the one before, or that makes it the last span again", async () => {
    const letters = (text: readonly number[], shift: number) => 97 + ((text.length - prompt.length + shift) % 4);
    const cycle: NextLogits = (text) => {
      const logits = new Float32Array(vocabSize);
      logits[letters(text, 0)] = 12;
      return logits;
    };
    const twice: LookAhead = (text) => ({ token: letters(text, 1), sure: true });
    const doubled = await run(lookingAhead(cycle, twice), { verify: false, maxTokens: 40 });
    expect(tokenizer.decode(doubled.tokens)).toMatch(/^(abcd)+/);
    expect(doubled.steps.filter(({ guarded }) => guarded).length).toBeGreaterThan(15);
    // spans of four would all be "abcd": every second one stops at "abc"
    const right: LookAhead = (text, r) => ({ token: letters(text, r), sure: true });
    const { steps, tokens } = await run(lookingAhead(cycle, right), { verify: false, maxTokens: 21 });
    expect(tokenizer.decode(tokens)).toBe("abcdabcdabcdabcdabcda");
    expect(steps.map((step) => step.tokens.length).slice(0, 3)).toEqual([4, 3, 4]);
    expect(steps[1]!.guarded).toBe(true);
  });

  it("ends with an end of text inside a span, and never goes past the most tokens", async () => {
    const ending: NextLogits = (text) => (text.length < prompt.length + 6 ? saying(text) : saying(Array(9999).fill(1)));
    const ahead: LookAhead = (text, r) =>
      text.length + r < prompt.length + 6 ? knowing(text, r) : { token: endOfTurn, sure: true };
    for (const verify of [false, true]) {
      const { tokens } = await run(lookingAhead(ending, ahead), { verify });
      expect(tokens).toEqual([...script.slice(0, 6), endOfTurn]);
      for (let maxTokens = 1; maxTokens < 12; maxTokens++) {
        const cut = await run(lookingAhead(saying, knowing), { verify, maxTokens });
        expect(cut.tokens).toEqual(script.slice(0, maxTokens));
      }
    }
  });

  it("refuses impossible options", async () => {
    const refused = (options: Partial<LexicalUnitDecodingOptions>) => run(saying, options);
    await expect(refused({ placeholders: 1.5 })).rejects.toThrow(/placeholders is 1.5/);
    await expect(refused({ minConfidence: 0 })).rejects.toThrow(/minConfidence is 0/);
    await expect(refused({ verify: false, temperature: 1 })).rejects.toThrow(/leave verify on/);
    await expect(refused({ maxTokens: 0 })).rejects.toThrow(/maxTokens is 0/);
    const stopped = AbortSignal.abort();
    await expect(refused({ signal: stopped })).rejects.toMatchObject({ code: "aborted" });
  });
});

/**
 * A draft model with a real model: distilled from its own answers, kept, tried by the tuner, and exact.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadModel } from "../../src/index.ts";
import {
  distillDraft,
  draftModelName,
  keptDraftModel,
  type Model,
  ownQuestions,
  saveProfile,
  tuneModel,
} from "../../src/serve/index.ts";

describe("a draft of the shipped model", () => {
  let folder: string;
  let model: Model;
  const cache = process.env.BLETCHLEY_CACHE;
  const questions = ["Say something of the sea.", "What is a king?", "Tell of two friends.", "Who comes here?"];
  const ask = async (speculation: Model["speculation"], options = {}) => {
    model.speculation = speculation;
    const texts: string[] = [];
    let accepted = 0;
    for (const content of questions) {
      const chunks = model.chat([{ role: "user", content }], { maxTokens: 48, temperature: 0, ...options });
      const { tokens, stats } = await model.collect(chunks);
      texts.push(String(tokens));
      accepted += stats.drafting?.accepted ?? 0;
    }
    return { texts, accepted };
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "bletchley-draft-"));
    process.env.BLETCHLEY_CACHE = folder;
    model = await loadModel("tiny", { draft: false });
  });
  afterAll(async () => {
    await model.dispose();
    if (cache === undefined) delete process.env.BLETCHLEY_CACHE;
    else process.env.BLETCHLEY_CACHE = cache;
    await rm(folder, { recursive: true, force: true });
  });

  it("has questions that the model asks itself, and keeps", { timeout: 60_000 }, async () => {
    const progress: number[] = [];
    const own = await ownQuestions(model, 12, { onProgress: ({ done }) => progress.push(done) });
    expect(own).toHaveLength(12);
    expect(new Set(own).size).toBe(12);
    expect(progress).toHaveLength(12);
    expect(await ownQuestions(model, 10, { onProgress: ({ done }) => progress.push(done) })).toEqual(own.slice(0, 10));
    expect(progress).toHaveLength(12);
    // more of them are other ones
    const more = await ownQuestions(model, 20);
    expect(more.slice(0, 12)).toEqual(own);
    expect(new Set(more).size).toBe(20);
  });

  it("is distilled from its answers, kept, and changes no token", { timeout: 120_000 }, async () => {
    expect(await keptDraftModel(model)).toEqual({});
    const options = { answerTokens: 1500, maxTokens: 40, layers: 1, width: 64, epochs: 4 };
    const draft = await distillDraft(model, options);
    expect(draft.parameters).toBeGreaterThan(60_000);
    expect(draft.answerTokens).toBeGreaterThan(1300);
    // a thousand tokens to choose from
    expect(draft.agreement).toBeGreaterThan(0.05);
    const { [draftModelName]: make } = await keptDraftModel(model);
    for (const sampling of [{}, { temperature: 1, seed: 3 }]) {
      const plain = await ask(undefined, sampling);
      const drafted = await ask({ drafters: [make!()], size: "all" }, sampling);
      expect(drafted.texts).toEqual(plain.texts);
      // at temperature 1 a draft that has seen so little hardly ever draws what the model draws
      if (!("temperature" in sampling)) expect(drafted.accepted).toBeGreaterThan(10);
      expect((await ask({ drafters: [make!()] }, sampling)).texts).toEqual(plain.texts);
    }
  });

  it("is a candidate of the tuner, and is loaded again where it was chosen", { timeout: 120_000 }, async () => {
    model.speculation = undefined;
    const tuning = { prompts: questions, maxTokens: 24, candidates: [[], [draftModelName]] };
    const profile = await tuneModel(model, tuning);
    expect(profile.candidates.map(({ drafters }) => drafters)).toEqual([[], [draftModelName]]);
    await saveProfile({ ...profile, chosen: [draftModelName] });
    await using again = await loadModel("tiny");
    expect(again.speculation?.drafters.map(({ name }) => name)).toEqual([draftModelName]);
    const chunks = again.chat([{ role: "user", content: questions[0]! }], { maxTokens: 48, temperature: 0 });
    expect(String((await again.collect(chunks)).tokens)).toBe((await ask(undefined)).texts[0]);
  });
});

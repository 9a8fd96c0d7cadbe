/**
 * Draft heads with a real model: trained on its own answers, kept, tried by the tuner, and exact whichever way they draft.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  CostCurve,
  type Drafter,
  type HeadDesign,
  HeadDrafter,
  HeadRunner,
  leastSpeedup,
  matchVerifier,
  newDraftHeads,
  rankChain,
  rankTree,
  recursiveRejection,
  Sampler,
  TokenChooser,
  type TokenEmbeddings,
  tune,
} from "../../src/decode/index.ts";
import { scriptedHidden, scriptedHiddenSize, vocabSize } from "../../src/decode/testing/scripted.ts";
import { toyLogits, toyTokens } from "../../src/decode/testing/toy.ts";
import { loadModel } from "../../src/index.ts";
import { initialize, normal } from "../../src/nn/index.ts";
import { testLaw } from "../../src/papers/index.ts";
import { headsName, keptHeads, type Model, openTokenVectors, trainHeads, tuneModel } from "../../src/serve/index.ts";
import { NDArray } from "../../src/util/ndarray.ts";
import { Random } from "../../src/util/random.ts";

const size = scriptedHiddenSize;
const embeddings: TokenEmbeddings = {
  read: (token, out, offset) => out.set(new Random(token + 5).normals(size, 1), offset),
};

describe("sampling with trees of draft heads", () => {
  const next = toyLogits(4);
  const prompt = [97, 98];
  const temperature = 0.8;
  const law = (tokens: readonly number[]) => new Sampler({ temperature }).distribution(next(tokens));

  it.each(["best", "drawn"] as const)(
    "keeps the law of two tokens, children %s",
    { timeout: 60_000 },
    async (children) => {
      const design: HeadDesign = { kind: "hydra", heads: 2, hiddenSize: size, blocks: 1, lmHead: "own", vocabSize };
      const heads = newDraftHeads(design, Int32Array.from(toyTokens), new Float32Array(8 * size), 2);
      initialize(heads, 2, [[/./, normal(0.35)]]);
      await using runner = await HeadRunner.compile(heads, { threads: 1 });
      const tree = rankTree([[0], [1], [0, 0], [0, 1], [1, 0]]);
      const drafter = new HeadDrafter({ runner, embeddings, tree, children });
      const verifier = children === "drawn" ? recursiveRejection : matchVerifier;
      const random = new Random(1);
      const counts = new Map<string, number>();
      const trials = 6000;
      let accepted = 0;
      const session = await drafter.open();
      session.observeHidden!(0, NDArray.from([...scriptedHidden([97])], [1, size]));
      for (let trial = 0; trial < trials; trial++) {
        const sampling = { temperature, seed: trial };
        const draft = await session.propose({ tokens: prompt, maxNodes: 63, maxDepth: 2, sampling, random });
        const pathOf = (node: number): number[] =>
          node < 0 ? [] : [...pathOf(draft.parents[node]!), draft.tokens[node]!];
        const chooser = new TokenChooser(new Sampler(sampling, prompt), new Set());
        const logits = (node: number) => next([...prompt, ...pathOf(node)]);
        const { path, next: last } = verifier.verify(draft, logits, chooser);
        accepted += path.length;
        const text = [...path.map((node) => draft.tokens[node]!), last];
        // what the step did not decide is decided plainly
        while (text.length < 2) text.push(chooser.choose(next([...prompt, ...text])));
        const key = text.slice(0, 2).join();
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
      const wanted = new Map<string, number>();
      const first = law(prompt);
      for (const a of toyTokens) {
        const second = law([...prompt, a]);
        for (const b of toyTokens) wanted.set(`${a},${b}`, first[a]! * second[b]!);
      }
      expect(accepted / trials).toBeGreaterThan(0.05);
      expect(testLaw(counts, wanted).pValue).toBeGreaterThan(0.001);
    },
  );
});

describe("draft heads of the shipped model", () => {
  let folder: string;
  let model: Model;
  const cache = process.env.BLETCHLEY_CACHE;
  const prompts = ["Say something of the sea.", "What is a king?", "Tell of two friends.", "Who comes here?"];
  const ask = async (speculation: Model["speculation"], options = {}) => {
    model.speculation = speculation;
    const texts: string[] = [];
    for (const content of prompts)
      texts.push(
        String(
          (await model.collect(model.chat([{ role: "user", content }], { maxTokens: 48, temperature: 0, ...options })))
            .tokens,
        ),
      );
    return texts;
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "bletchley-heads-"));
    process.env.BLETCHLEY_CACHE = folder;
    model = await loadModel("tiny", { form: "f32", draft: false });
  });
  afterAll(async () => {
    await model.dispose();
    if (cache === undefined) delete process.env.BLETCHLEY_CACHE;
    else process.env.BLETCHLEY_CACHE = cache;
    await rm(folder, { recursive: true, force: true });
  });

  it("are trained on its answers, kept, and change no token", { timeout: 120_000 }, async () => {
    expect(await keptHeads(model)).toEqual({});
    const questions = Array.from({ length: 24 }, (_, i) => `Tell me of the number ${i}.`);
    const { saved } = await trainHeads(model, {
      prompts: questions,
      answerTokens: 700,
      maxTokens: 40,
      epochs: 3,
      draftVocabulary: 400,
    });
    expect(saved.target).toEqual({ sha256: model.source.sha256, form: "f32" });
    expect(saved.heads._tokens.length).toBeLessThanOrEqual(400);
    const { [headsName]: make } = await keptHeads(model);
    for (const options of [{}, { temperature: 1, seed: 3 }]) {
      const plain = await ask(undefined, options);
      expect(await ask({ drafters: [make!()], size: "all" }, options)).toEqual(plain);
      expect(await ask({ drafters: [make!()] }, options)).toEqual(plain);
    }
    await using vectors = await openTokenVectors(model);
    for (const design of [
      { kind: "medusa", blocks: 1 },
      { kind: "hydra", blocks: 2, prefixHeads: 2 },
    ] as const) {
      const tokens = saved.heads._tokens;
      const { hiddenSize, vocabSize: vocabulary } = model.config;
      const whole: HeadDesign = { ...design, heads: 3, hiddenSize, lmHead: "own", vocabSize: vocabulary };
      const heads = newDraftHeads(whole, tokens, vectors.lmHead(tokens), 1);
      await using runner = await HeadRunner.compile(heads, { threads: 1 });
      const plain = await ask(undefined);
      const seen: number[] = [];
      const inner = new HeadDrafter({ runner, embeddings: vectors.embeddings, tree: rankChain(1) });
      const watched: Drafter = {
        name: "watched",
        kind: "deterministic",
        readsWholeText: inner.readsWholeText,
        open: () => {
          const session = inner.open();
          let first = true;
          return {
            propose: (request) => session.propose(request),
            observeHidden(place, hidden) {
              if (first) seen.push(place);
              first = false;
              session.observeHidden!(place, hidden);
            },
          };
        },
      };
      const long = model.promptTokens("Say something of the sea. ".repeat(12));
      for (let round = 0; round < 2; round++) {
        model.speculation = { drafters: [watched], size: "all" };
        await model.collect(model.generate(long, { maxTokens: 4, temperature: 0 }));
      }
      // what a cache holds of a prompt is read again only where a prefix layer needs it
      expect(seen[1]! > 0).toBe(!inner.readsWholeText);
      for (const tree of [rankChain(3), rankTree([[0], [1], [0, 0], [0, 1], [1, 0], [0, 0, 0]])])
        expect(
          await ask({ drafters: [new HeadDrafter({ runner, embeddings: vectors.embeddings, tree })], size: "all" }),
        ).toEqual(plain);
    }
  });

  it("are a candidate of the tuner, whose cost counts", { timeout: 120_000 }, async () => {
    const own = await keptHeads(model);
    const profile = await tuneModel(model, { prompts, maxTokens: 24, candidates: [[], [headsName]] });
    expect(profile.candidates.map(({ drafters }) => drafters)).toEqual([[], [headsName]]);
    expect(profile.candidates[1]!.tokensPerStep).toBeGreaterThanOrEqual(1);
    // heads that take longer than they save are not chosen, however well they guess
    const costs = new CostCurve({ contexts: [0], rows: [1, 64], milliseconds: [[1, 1.2]] });
    const decode = async (prompt: string, speculation: Model["speculation"], maxTokens: number) => {
      model.speculation = speculation;
      const { stats } = await model.collect(
        model.chat([{ role: "user", content: prompt }], { maxTokens, temperature: 0 }),
      );
      const drafting = stats.drafting && { ...stats.drafting, draftMs: 100 * stats.steps };
      return { ...stats, ...(drafting && { drafting }) };
    };
    const slow = await tune(
      { vocabSize: model.config.vocabSize, costs, drafters: own, decode },
      { prompts, maxTokens: 24, candidates: [[headsName]] },
    );
    expect(slow.candidates[1]!.predictedSpeedup).toBeLessThan(leastSpeedup);
    expect(slow.chosen).toEqual([]);
  });
});

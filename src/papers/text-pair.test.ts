import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { generate, kSeqVerifier } from "../decode/index.ts";
import { distributionPairs, draftArm, efficiencyOf } from "./draft-arms.ts";
import { type TextPairOptions, trainTextPair } from "./text-pair.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bletchley-pair-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const verse =
  "The cat sat on the mat, and the dog lay by the door;\nthe cat rose from the mat, and the dog was no more.\n\n";

describe("a pair", () => {
  const progress: string[] = [];
  const options = (): TextPairOptions => ({
    text: verse.repeat(40),
    recipe: {
      vocabSize: 270,
      batch: 2,
      length: 32,
      target: { layers: 1, width: 64, steps: 12, learningRate: 1e-2 },
      draft: { layers: 1, width: 32, steps: 6, learningRate: 1e-2 },
    },
    folder,
    onProgress: (task, done) => progress.push(`${task} ${done}`),
  });

  it("is trained once, and drafts for its target", { timeout: 60_000 }, async () => {
    const pair = await trainTextPair(options());
    expect(progress).toHaveLength(18);
    // an untrained model would need ln 270 = 5.6 nats
    expect(pair.losses.target).toBeLessThan(4);
    const again = await trainTextPair(options());
    expect(progress).toHaveLength(18);
    expect(again.losses).toEqual(pair.losses);

    const draft = await pair.load("draft");
    const target = await pair.load("target");
    const text = [...pair.heldOut.subarray(0, 40)];
    const pairs = await distributionPairs({ draft, target }, [text], { temperature: 1, skip: 30 });
    expect(pairs).toHaveLength(10);
    for (const { p, q } of pairs) for (const x of [p, q]) expect(x.reduce((a, b) => a + b)).toBeCloseTo(1, 6);

    const arm = draftArm("three", draft, { kind: "independent", count: 3, length: 2 }, kSeqVerifier);
    const sequence = await target.open();
    const { tokenizer } = pair;
    const input = { sequence, tokenizer, prompt: text, contextLength: 512, speculation: arm.speculation };
    let steps = 0;
    const tokens: number[] = [];
    for await (const chunk of generate(input, { temperature: 1, seed: 1, maxTokens: 40 })) {
      tokens.push(...chunk.tokens);
      steps = chunk.stats?.steps ?? 0;
    }
    expect(tokens).toHaveLength(40);
    expect(steps).toBeLessThan(35);
    const { nodes, withTwins } = arm.siblings();
    expect(nodes).toBeGreaterThanOrEqual(steps - 2);
    expect(withTwins).toBeGreaterThan(0);
    await draft.dispose();
    await target.dispose();
  });

  it("is refused when its width is no multiple of a head's", async () => {
    const { recipe, ...rest } = options();
    const wrong = { ...recipe, target: { ...recipe.target, width: 40 } };
    await expect(trainTextPair({ ...rest, recipe: wrong })).rejects.toThrow(/width is 40/);
  });
});

describe("the efficiency of an arm", () => {
  it("counts tokens, checks and time", () => {
    const record = { tokens: [1, 2, 3, 4, 5], milliseconds: 100, byDepth: [], modelMs: 60 };
    const found = efficiencyOf([
      { ...record, steps: 2, drafted: 6, accepted: 2, draftMs: 20, verifyMs: 10 },
      { ...record, steps: 2, drafted: 6, accepted: 4, draftMs: 20, verifyMs: 10 },
    ]);
    expect(found.tokensPerCall).toEqual({ value: 2.5, error: expect.closeTo(0.5, 12) });
    expect(found).toMatchObject({ checkedPerToken: 1.6, tokensPerSecond: 40, draftShare: 0.2, verifyShare: 0.1 });
  });
});

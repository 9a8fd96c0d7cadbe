/** Adapters beside frozen layers: before, during and after training, merged, and as files. */
import { describe, expect, it } from "vitest";
import { initialize, Linear, LinearGroup, normal, stateDict } from "../../nn/index.ts";
import { adamW } from "../../optim/index.ts";
import { compile } from "../../runtime/index.ts";
import { matmul } from "../../tensor/index.ts";
import { TrainStep, tokenLabelLoss } from "../../train/index.ts";
import { NDArray } from "../../util/ndarray.ts";
import { buildDecoder } from "../families/index.ts";
import { TokenClassifier } from "../token-classifier.ts";
import { addLowRank, lowRankAdapters, mergeLowRank, removeLowRank } from "./low-rank.ts";
import { loadLowRank, saveLowRank } from "./peft.ts";

const n = 6;

function classifierOf(): TokenClassifier {
  const decoder = buildDecoder({
    family: "llama",
    vocabSize: 20,
    hiddenSize: 16,
    layerCount: 2,
    headCount: 2,
    kvHeadCount: 1,
    headDim: 8,
    intermediateSize: 24,
    contextLength: 64,
    normEpsilon: 1e-5,
    rope: { base: 10_000, scale: 1 },
    localLayers: [false, false],
    attentionScale: 8 ** -0.5,
    embeddingScale: 1,
    tiedEmbeddings: true,
    attentionBias: false,
  });
  const classifier = new TokenClassifier(decoder, { labels: 3 });
  initialize(classifier, 1, [[/(_proj|lm_head)\.weight$/, normal(0.3)]]);
  return classifier;
}

const tokens = NDArray.from([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], [2, n], "i64");
const labels = NDArray.from([0, 1, 2, -100, 1, 0, 2, 2, -100, 0, 0, 1], [2, n], "i64");
const targets = /(q_proj|v_proj)$/;

async function logitsOf(classifier: TokenClassifier): Promise<Float32Array> {
  await using f = await compile(({ tokens }) => ({ logits: classifier.forward(tokens) }), {
    inputs: { tokens: { dtype: "i64", shape: [2, n] } },
  });
  return (await f.run({ tokens })).logits.data as Float32Array;
}

async function trained(classifier: TokenClassifier, steps = 5): Promise<number[]> {
  await using step = await TrainStep.compile({
    module: classifier,
    inputs: { tokens: { dtype: "i64", shape: [2, n] }, labels: { dtype: "i64", shape: [2, n] } },
    loss: (batch) => tokenLabelLoss(classifier.forward(batch.tokens), batch.labels),
    optimizer: adamW(),
  });
  const losses: number[] = [];
  for (let i = 0; i < steps; i++) losses.push((await step.run([{ tokens, labels }], 0.02)).loss);
  return losses;
}

const largest = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), 0);

describe("low-rank adapters", () => {
  it("change nothing before training, and are named after their layers", async () => {
    const classifier = classifierOf();
    const before = await logitsOf(classifier);
    const paths = addLowRank(classifier.decoder, { targets, rank: 2, alpha: 4, dropout: 0.1, seed: 3 });
    expect(paths).toEqual([0, 1].flatMap((l) => ["q", "v"].map((x) => `model.layers.${l}.self_attn.${x}_proj`)));
    expect(await logitsOf(classifier)).toEqual(before);
    const names = [...classifier.decoder.parameters()].map(([path]) => path).filter((path) => /lora/.test(path));
    expect(names).toContain("model.layers.1.self_attn.v_proj.lora_A.weight");
    expect(names).toHaveLength(8);
    const [first, second] = [...lowRankAdapters(classifier.decoder).values()];
    expect((first!.lora_A.weight.value as NDArray).data).not.toEqual((second!.lora_A.weight.value as NDArray).data);
  });

  it("learn alone, together with the head, and lower the loss", async () => {
    const classifier = classifierOf();
    addLowRank(classifier.decoder, { targets, rank: 2, alpha: 4, dropout: 0.1 });
    const before = new Map([...stateDict(classifier)].map(([path, array]) => [path, array.copy()]));
    const losses = await trained(classifier, 30);
    expect(losses.at(-1)).toBeLessThan(0.7 * losses[0]!);
    const changed = [...stateDict(classifier)].filter(
      ([path, { data }]) => largest(data as Float32Array, before.get(path)!.data as Float32Array) > 0,
    );
    const paths = changed.map(([path]) => path);
    expect(paths.filter((path) => !/lora_[AB]\.weight$|^score\./.test(path))).toEqual([]);
    expect(paths.filter((path) => /lora/.test(path))).toHaveLength(8);
  });

  it("merged are the same as beside", async () => {
    const classifier = classifierOf();
    addLowRank(classifier.decoder, { targets, rank: 3, alpha: 6 });
    await trained(classifier);
    const beside = await logitsOf(classifier);
    const weight = classifier.decoder.parameters();
    const old = new Map([...weight].map(([path, { value }]) => [path, (value as NDArray).copy()]));
    expect(mergeLowRank(classifier.decoder)).toBe(4);
    expect(lowRankAdapters(classifier.decoder).size).toBe(0);
    expect(largest(await logitsOf(classifier), beside)).toBeLessThan(1e-5);
    const now = new Map([...classifier.decoder.parameters()].map(([path, { value }]) => [path, value as NDArray]));
    const path = "model.layers.0.self_attn.q_proj.weight";
    expect(largest(now.get(path)!.data as Float32Array, old.get(path)!.data as Float32Array)).toBeGreaterThan(1e-3);
  });

  it("survive files in PEFT's names", async () => {
    const classifier = classifierOf();
    addLowRank(classifier.decoder, { targets, rank: 2, alpha: 8, dropout: 0.25 });
    await trained(classifier);
    const beside = await logitsOf(classifier);
    const files = saveLowRank(classifier.decoder, "some/model");
    expect(JSON.parse(files.config)).toMatchObject({ peft_type: "LORA", r: 2, lora_alpha: 8, lora_dropout: 0.25 });
    expect(new TextDecoder("latin1").decode(files.weights)).toContain(
      '"base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"',
    );
    removeLowRank(classifier.decoder);
    expect(largest(await logitsOf(classifier), beside)).toBeGreaterThan(1e-3);
    expect(await loadLowRank(classifier.decoder, files)).toHaveLength(4);
    expect(await logitsOf(classifier)).toEqual(beside);

    const config = (changes: object) => JSON.stringify({ ...JSON.parse(files.config), ...changes });
    await expect(loadLowRank(classifierOf().decoder, { ...files, config: config({ r: 3 }) })).rejects.toThrow(
      /lora_A.*\[2,16\]/,
    );
    await expect(
      loadLowRank(classifierOf().decoder, { ...files, config: config({ peft_type: "IA3" }) }),
    ).rejects.toThrow(/IA3/);
    await expect(
      loadLowRank(classifierOf().decoder, { ...files, config: config({ alpha_pattern: { v_proj: 64 } }) }),
    ).rejects.toThrow(/alpha_pattern/);
    await expect(loadLowRank(classifierOf(), files)).rejects.toThrow(/no linear layer/);
  });

  it("stand beside layers that are computed as one, whatever computes them", async () => {
    const group = new LinearGroup(4, { a: 3, b: 2 }, { bias: true });
    initialize(group, 2);
    addLowRank(group, { targets: "b", rank: 1 });
    const [, b] = group.parts;
    const adapter = lowRankAdapters(group).get("b")!;
    adapter.lora_B.weight.value = NDArray.from([0.5, -2], [2, 1]);
    const x = NDArray.from([1, -2, 0.5, 3], [1, 4]);
    const run = async () => {
      await using f = await compile(({ x }) => ({ y: group.packed(x), b: group.forward(x)[1]! }), {
        inputs: { x: { dtype: "f32", shape: [1, 4] } },
      });
      const { y, b } = await f.run({ x });
      return [...(y.data as Float32Array), ...(b.data as Float32Array)];
    };
    const apart = await run();
    const all = new Linear(4, 5);
    all.weight.value = NDArray.from(
      group.parts.flatMap((part) => (part.weight.value as NDArray).toNumbers()),
      [5, 4],
    );
    group._kernel = { parameters: {}, apply: (x) => matmul(x, all.weight.tensor.transpose()) };
    expect(largest(await run(), apart)).toBeLessThan(1e-6);
    expect(b!.adapter).toBe(adapter);
  });

  it("refuse what cannot be", () => {
    const { decoder } = classifierOf();
    expect(() => addLowRank(decoder, { targets: "nothing", rank: 2 })).toThrow(/no linear layer is called "nothing"/);
    expect(() => addLowRank(decoder, { targets, rank: 0 })).toThrow(/rank is 0/);
    expect(() => addLowRank(decoder, { targets, rank: 2, alpha: -1 })).toThrow(/alpha is -1/);
    expect(() => addLowRank(decoder, { targets, rank: 2, dropout: 1 })).toThrow(/dropout is 1/);
    expect(() => saveLowRank(decoder)).toThrow(/no adapters/);
    addLowRank(decoder, { targets, rank: 2 });
    expect(() => addLowRank(decoder, { targets: /q_proj$/, rank: 2 })).toThrow(/has an adapter already/);
  });
});

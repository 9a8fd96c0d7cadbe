/** Layers that see what follows, against order by order loops' expectations: who can influence whom, padding, and parts of a pass. */
import { describe, expect, it } from "vitest";
import { initialize, normal } from "../nn/index.ts";
import { compile } from "../runtime/index.ts";
import { fileSource } from "../sources/index.ts";
import { input } from "../tensor/index.ts";
import { NDArray } from "../util/ndarray.ts";
import { Random } from "../util/random.ts";
import type { DecoderConfig } from "./config.ts";
import type { Decoder } from "./decoder.ts";
import { buildDecoder } from "./families/index.ts";
import { openGguf } from "./load.ts";
import { decoderInMemory } from "./parameters.ts";
import { TokenClassifier } from "./token-classifier.ts";
import { unmaskedLayers, unmaskedLayout, unmaskingConfigurations } from "./unmasking.ts";
import { sequenceHidden, sequenceLogits, sequencePrefix } from "./whole-sequences.ts";

const config: DecoderConfig = {
  family: "llama",
  vocabSize: 40,
  hiddenSize: 32,
  layerCount: 4,
  headCount: 4,
  kvHeadCount: 2,
  headDim: 8,
  intermediateSize: 48,
  contextLength: 64,
  normEpsilon: 1e-5,
  rope: { base: 10_000, scale: 1 },
  localLayers: [false, false, false, false],
  attentionScale: 8 ** -0.5,
  embeddingScale: 1,
  tiedEmbeddings: true,
  attentionBias: false,
};

function decoderOf(changed: Partial<DecoderConfig> = {}): Decoder {
  const decoder = buildDecoder({ ...config, ...changed });
  initialize(decoder, 5, [[/(_proj|lm_head)\.weight$/, normal(0.3)]]);
  return decoder;
}

const tiny = await (async () => {
  const path = "models/tiny/tiny.gguf";
  await using source = await fileSource(path);
  return await decoderInMemory(await openGguf(source, path));
})();
const decoders: Readonly<Record<string, Decoder>> = {
  "a small Llama": decoderOf(),
  "a small Gemma with windows": decoderOf({
    family: "gemma3",
    localLayers: [true, false, true, false],
    slidingWindow: 5,
    localRope: { base: 1000, scale: 1 },
    embeddingScale: 32 ** 0.5,
  }),
  "the model that ships": tiny,
};

const n = 12;
const ids = (rows: readonly (readonly number[])[]) => NDArray.from(rows.flat(), [rows.length, rows[0]!.length], "i64");
const textOf = (seed: number, length = n) => {
  const random = new Random(seed);
  return Array.from({ length }, () => 4 + random.integer(30));
};
const bits = (flags: readonly boolean[]) => NDArray.from(flags.map(Number), [flags.length], "bool");

/** Logits `[batch, n, vocabulary]` under a configuration that is given when the graph runs. */
async function chosenAtRun(decoder: Decoder, batch: number, length = n) {
  return compile(
    ({ tokens, unmask, mask }) => ({
      logits: sequenceLogits(decoder, tokens, unmaskedLayout({ unmask, length, attentionMask: mask })),
    }),
    {
      inputs: {
        tokens: { dtype: "i64", shape: [batch, length] },
        mask: { dtype: "i64", shape: [batch, length] },
        unmask: { dtype: "bool", shape: [decoder._config.layerCount] },
      },
    },
  );
}

const largest = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), 0);

describe("configurations", () => {
  it("are enumerated in binary order, the lowest group first", () => {
    expect(unmaskingConfigurations(2)).toEqual(["00", "01", "10", "11"]);
    expect(unmaskingConfigurations(4)).toHaveLength(16);
    expect(unmaskedLayers("10", 4)).toEqual([true, true, false, false]);
    expect(unmaskedLayers("001", 6)).toEqual([false, false, false, false, true, true]);
    expect(() => unmaskedLayers("001", 4)).toThrow(/4 layers do not divide into 3/);
    expect(() => unmaskedLayers("0a", 4)).toThrow(/"0a"/);
    expect(() => unmaskingConfigurations(0)).toThrow(/0 groups/);
  });
});

describe.each(Object.entries(decoders))("unmasking %s", (_, decoder) => {
  const layers = decoder._config.layerCount;
  const groups = layers % 4 ? layers : 4;
  const configurations = unmaskingConfigurations(Math.min(groups, 4));

  it("changes nothing when no layer is unmasked", async () => {
    await using stock = await compile(({ tokens }) => ({ logits: sequenceLogits(decoder, tokens) }), {
      inputs: { tokens: { dtype: "i64", shape: [1, n] } },
    });
    await using own = await chosenAtRun(decoder, 1);
    const tokens = ids([textOf(1)]);
    const unmask = bits(Array<boolean>(layers).fill(false));
    const a = (await stock.run({ tokens })).logits.data as Float32Array;
    const b = (await own.run({ tokens, unmask, mask: ids([Array(n).fill(1)]) })).logits.data as Float32Array;
    expect(largest(a, b)).toBeLessThanOrEqual(1e-6);
  });

  it("lets a later token change an earlier one exactly when some layer is unmasked, as the fixed graphs do", async () => {
    await using own = await chosenAtRun(decoder, 1);
    const [text, at] = [textOf(2), 7];
    const changed = text.with(at, 4 + ((text[at]! - 3) % 30));
    const width = decoder._config.vocabSize;
    for (const configuration of configurations) {
      const flags = unmaskedLayers(configuration, layers);
      const run = async (tokens: readonly number[]) =>
        (await own.run({ tokens: ids([tokens]), unmask: bits(flags), mask: ids([Array(n).fill(1)]) })).logits
          .data as Float32Array;
      const [a, b] = [await run(text), await run(changed)];
      const before = largest(a.subarray(0, at * width), b.subarray(0, at * width));
      if (configuration.includes("1")) expect(before, configuration).toBeGreaterThan(1e-4);
      else expect(before).toBe(0);
      await using fixed = await compile(
        ({ tokens }) => ({ logits: sequenceLogits(decoder, tokens, unmaskedLayout({ unmask: flags, length: n })) }),
        { inputs: { tokens: { dtype: "i64", shape: [1, n] } } },
      );
      expect(largest((await fixed.run({ tokens: ids([text]) })).logits.data as Float32Array, a)).toBeLessThan(1e-5);
    }
  });

  it("gives tokens the same logits whatever padding stands behind them", async () => {
    const short = textOf(3, 8);
    const width = decoder._config.vocabSize;
    await using alone = await chosenAtRun(decoder, 1, 8);
    await using padded = await chosenAtRun(decoder, 2);
    for (const configuration of configurations) {
      const unmask = bits(unmaskedLayers(configuration, layers));
      const own = (await alone.run({ tokens: ids([short]), mask: ids([Array(8).fill(1)]), unmask })).logits;
      const { logits } = await padded.run({
        tokens: ids([textOf(4), [...short, 5, 9, 5, 9]]),
        mask: ids([Array(n).fill(1), [...Array(8).fill(1), 0, 0, 0, 0]]),
        unmask,
      });
      const second = (logits.data as Float32Array).subarray(n * width, (n + 8) * width);
      expect(largest(own.data as Float32Array, second), configuration).toBeLessThan(1e-5);
    }
  });

  it("goes on from a kept prefix with the same bits, and only with the blocks that are left", async () => {
    const blocks = Math.ceil(layers / 2);
    const flags = Array.from({ length: layers }, (_, l) => l >= blocks);
    const layout = unmaskedLayout({ unmask: flags, length: n });
    const hiddenSize = decoder._config.hiddenSize;
    await using whole = await compile(
      ({ tokens }) => ({
        hidden: sequenceHidden(decoder, tokens, layout),
        residual: sequencePrefix(decoder, tokens, blocks, layout).residual,
        inOne: sequenceHidden(decoder, sequencePrefix(decoder, tokens, blocks, layout), layout),
      }),
      { inputs: { tokens: { dtype: "i64", shape: [1, n] } } },
    );
    await using rest = await compile(
      ({ residual }) => ({ hidden: sequenceHidden(decoder, { blocks, residual }, layout) }),
      { inputs: { residual: { dtype: "f32", shape: [1, n, hiddenSize] } } },
    );
    const { hidden, residual, inOne } = await whole.run({ tokens: ids([textOf(6)]) });
    const later = (await rest.run({ residual })).hidden;
    expect(largest(later.data as Float32Array, hidden.data as Float32Array)).toBeLessThan(1e-5);
    expect(largest(inOne.data as Float32Array, hidden.data as Float32Array)).toBeLessThan(1e-5);
    expect(rest.graph.nodes.length).toBeLessThan(whole.graph.nodes.length);
  });
});

describe("everything unmasked", () => {
  it("has no order but that of positions", async () => {
    const decoder = decoderOf();
    const layout = unmaskedLayout({ unmask: [true, true, true, true], length: n });
    await using f = await compile(
      ({ tokens, positions }) => ({ logits: sequenceLogits(decoder, tokens, { ...layout, positions }) }),
      { inputs: { tokens: { dtype: "i64", shape: [1, n] }, positions: { dtype: "i64", shape: [1, n] } } },
    );
    const text = textOf(7);
    const order = [3, 0, 11, 5, 1, 9, 2, 10, 4, 8, 6, 7];
    const places = Array.from({ length: n }, (_, i) => i);
    const straight = (await f.run({ tokens: ids([text]), positions: ids([places]) })).logits.data as Float32Array;
    const mixed = (await f.run({ tokens: ids([order.map((i) => text[i]!)]), positions: ids([order]) })).logits
      .data as Float32Array;
    order.forEach((from, to) => {
      const [a, b] = [straight.subarray(from * 40, from * 40 + 40), mixed.subarray(to * 40, to * 40 + 40)];
      expect(largest(a, b)).toBeLessThan(1e-5);
    });
  });

  it("sees as far to the right as to the left where there is a window", async () => {
    const { bias } = unmaskedLayout({ unmask: [true, false], length: 4 });
    const of = bias as Extract<typeof bias, (...args: never) => unknown>;
    await using f = await compile(
      ({ x }) => ({ near: x.add(of(0, 2)), past: x.add(of(1, 2)), all: x.add(of(1, undefined)) }),
      {
        inputs: { x: { dtype: "f32", shape: [1] } },
      },
    );
    const seen = Object.entries(await f.run({ x: NDArray.from([0]) })).map(([name, { data }]) => [
      name,
      Array.from(data as Float32Array, (value) => +(value === 0)).join(""),
    ]);
    expect(Object.fromEntries(seen)).toEqual({
      near: "1100111001110011",
      past: "1000110001100011",
      all: "1000110011101111",
    });
  });

  it("refuses masks that do not fit", () => {
    const mask = input("mask", "i64", [2, 5]);
    expect(() => unmaskedLayout({ unmask: [true], length: 4, attentionMask: mask })).toThrow(/\[2, 5\]/);
    expect(() => unmaskedLayout({ unmask: input("u", "f32", [4]), length: 4 })).toThrow(/bool\[layers\]/);
    const decoder = decoderOf();
    const tokens = input("tokens", "i64", [1, 4]);
    expect(() => sequenceLogits(decoder, tokens, unmaskedLayout({ unmask: [true], length: 4 }))).toThrow(/layer 1/);
    expect(() => sequencePrefix(decoder, tokens, 5)).toThrow(/5 blocks of 4/);
  });
});

describe("a token classifier", () => {
  it("reads labels at the token itself", async () => {
    const decoder = decoderOf();
    const classifier = new TokenClassifier(decoder, { labels: 3 });
    initialize(classifier.score, 1);
    await using f = await compile(
      ({ tokens }) => ({ logits: classifier.forward(tokens), hidden: sequenceHidden(decoder, tokens) }),
      { inputs: { tokens: { dtype: "i64", shape: [1, n] } } },
    );
    const { logits, hidden } = await f.run({ tokens: ids([textOf(8)]) });
    const [w, b] = [classifier.score.weight.value as NDArray, classifier.score.bias!.value as NDArray];
    for (let i = 0; i < n; i++)
      for (let c = 0; c < 3; c++) {
        let sum = b.at(c);
        for (let k = 0; k < 32; k++) sum += w.at(c * 32 + k) * hidden.at(i * 32 + k);
        expect(logits.at(i * 3 + c)).toBeCloseTo(sum, 4);
      }
  });
});

/** Branches in one pass against the same placeholders run one branch at a time. */
import { describe, expect, it } from "vitest";
import { initialize, normal } from "../nn/index.ts";
import { compile } from "../runtime/index.ts";
import { input } from "../tensor/index.ts";
import { NDArray } from "../util/ndarray.ts";
import { Random } from "../util/random.ts";
import { branchedLogits } from "./branched-sequences.ts";
import type { DecoderConfig } from "./config.ts";
import { buildDecoder } from "./families/index.ts";
import { sequenceLogits } from "./whole-sequences.ts";

const config: DecoderConfig = {
  family: "llama",
  vocabSize: 40,
  hiddenSize: 32,
  layerCount: 2,
  headCount: 4,
  kvHeadCount: 2,
  headDim: 8,
  intermediateSize: 48,
  contextLength: 64,
  normEpsilon: 1e-5,
  rope: { base: 10_000, scale: 1 },
  localLayers: [false, false],
  attentionScale: 8 ** -0.5,
  embeddingScale: 1,
  tiedEmbeddings: true,
  attentionBias: false,
};

function decoderOf(changed: Partial<DecoderConfig> = {}) {
  const decoder = buildDecoder({ ...config, ...changed });
  initialize(decoder, 5, [[/(_proj|lm_head)\.weight$/, normal(0.3)]]);
  return decoder;
}

describe("branchedLogits", () => {
  it("gives the text and every branch the logits that they have alone", async () => {
    const decoder = decoderOf();
    const random = new Random(2);
    const [batch, n] = [2, 17];
    // two kinds of placeholders, so that an exchanged place would show
    const placeholders = [38, 39, 38];
    const k = placeholders.length;
    const texts = Array.from({ length: batch }, () => Array.from({ length: n }, () => random.integer(38)));
    // an anchor at either end, and one of them twice
    const anchors = [
      [0, 16, 7, 7],
      [3, 4, 5, 11],
    ];
    const branches = anchors[0]!.length;
    await using packed = await compile(
      ({ tokens, anchors }) => ({ ...branchedLogits(decoder, tokens, anchors, placeholders) }),
      { inputs: { tokens: { dtype: "i64", shape: [batch, n] }, anchors: { dtype: "i64", shape: [batch, branches] } } },
    );
    await using alone = await compile(({ tokens }) => ({ logits: sequenceLogits(decoder, tokens) }), {
      inputs: { tokens: { dtype: "i64", shape: [1, "n"] } },
    });
    const { main, branches: ahead } = await packed.run({
      tokens: NDArray.from(texts.flat(), [batch, n], "i64"),
      anchors: NDArray.from(anchors.flat(), [batch, branches], "i64"),
    });
    const rows = async (tokens: readonly number[], from: number) => {
      const { logits } = await alone.run({ tokens: NDArray.from(tokens, [1, tokens.length], "i64") });
      return Array.from((logits.data as Float32Array).subarray(from * config.vocabSize));
    };
    let [largest, compared] = [0, 0];
    const compare = (found: ArrayLike<number>, wanted: readonly number[]) => {
      expect(found.length).toBe(wanted.length);
      wanted.forEach((x, i) => {
        largest = Math.max(largest, Math.abs(x - found[i]!));
      });
      compared += wanted.length;
    };
    for (const [b, text] of texts.entries()) {
      const width = n * config.vocabSize;
      compare((main.data as Float32Array).subarray(b * width, (b + 1) * width), await rows(text, 0));
      for (const [j, anchor] of anchors[b]!.entries()) {
        const size = k * config.vocabSize;
        const start = (b * branches + j) * size;
        compare(
          (ahead.data as Float32Array).subarray(start, start + size),
          await rows([...text.slice(0, anchor + 1), ...placeholders], anchor + 1),
        );
      }
    }
    expect(compared).toBe(batch * (n + branches * k) * config.vocabSize);
    expect(largest).toBeLessThan(1e-4);
  });

  it("refuses what does not fit", () => {
    const i64 = (name: string, ...shape: (number | string)[]) => input(name, "i64", shape);
    const decoder = decoderOf();
    expect(() => branchedLogits(decoder, i64("t", 2, 9), i64("a", 3, 4), [39])).toThrow(/\[2, 9\], \[3, 4\]/);
    expect(() => branchedLogits(decoder, i64("t", 2, "n"), i64("a", 2, 4), [39])).toThrow(/known sizes/);
    expect(() => branchedLogits(decoder, i64("t", 2, 9), i64("a", 2, 4), [])).toThrow(/at least one placeholder/);
    const windowed = decoderOf({ slidingWindow: 8, localLayers: [true, false] });
    expect(() => branchedLogits(windowed, i64("t", 2, 9), i64("a", 2, 4), [39])).toThrow(/sliding window/);
  });
});

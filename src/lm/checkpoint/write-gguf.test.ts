/** A decoder that was trained here, written as GGUF and opened again: the step gives what whole sequences gave. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readGguf, tokenizerFromGguf, trainBpe, writeGguf } from "../../formats/index.ts";
import { initialize, normal } from "../../nn/index.ts";
import { compile } from "../../runtime/index.ts";
import { openFile } from "../../runtime/node/file-source.ts";
import { NDArray } from "../../util/ndarray.ts";
import type { DecoderConfig } from "../config.ts";
import { buildDecoder } from "../families/index.ts";
import { loadDecoder, openGguf } from "../load.ts";
import { LocalSequenceModel } from "../sequence.ts";
import { sequenceLogits } from "../whole-sequences.ts";
import { decoderAsGguf } from "./write-gguf.ts";

const text = "the cat sat on the mat, the rat sat on the cat";
const vocabulary = trainBpe([text], { vocabSize: 272, control: ["<|endoftext|>"] });
const config: DecoderConfig = {
  family: "llama",
  vocabSize: vocabulary.tokens.length,
  hiddenSize: 64,
  layerCount: 2,
  headCount: 4,
  kvHeadCount: 2,
  headDim: 16,
  intermediateSize: 96,
  contextLength: 128,
  normEpsilon: 1e-5,
  rope: { base: 10_000, scale: 1 },
  localLayers: [false, false],
  attentionScale: 0.25,
  embeddingScale: 1,
  tiedEmbeddings: true,
  attentionBias: false,
};

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bletchley-write-gguf-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const options = { name: "test", vocabulary, endOfText: "<|endoftext|>", licence: "Apache-2.0" } as const;

describe("decoderAsGguf", () => {
  it.each([
    ["F32", 1e-3],
    ["Q8_0", 0.2],
  ] as const)("as %s opens again and computes the same", async (type, tolerance) => {
    const decoder = buildDecoder(config);
    initialize(decoder, 3, [[/(_proj|lm_head)\.weight$/, normal(0.15)]]);
    const path = join(folder, `${type}.gguf`);
    const chunks: Uint8Array[] = [];
    for await (const chunk of writeGguf(decoderAsGguf(decoder, { ...options, type }))) chunks.push(chunk);
    await writeFile(path, Buffer.concat(chunks));

    const file = await openFile(path);
    const { metadata } = await readGguf(file);
    expect(metadata.get("general.license")).toBe("Apache-2.0");
    const tokenizer = tokenizerFromGguf(metadata);
    const ids = tokenizer.encode(text);
    expect(ids.length).toBeLessThan(text.length);
    expect(tokenizer.decode(ids)).toBe(text);
    expect(tokenizer.specials.eosIds).toEqual([0]);

    await using whole = await compile(({ tokens }) => ({ logits: sequenceLogits(decoder, tokens) }), {
      inputs: { tokens: { dtype: "i64", shape: [1, "n"] } },
    });
    const wanted = (await whole.run({ tokens: NDArray.from(ids, [1, ids.length], "i64") })).logits.toNumbers();
    const checkpoint = await openGguf(file, path);
    expect(checkpoint.config).toMatchObject({ ...config, normEpsilon: Math.fround(1e-5) });
    const loaded = await loadDecoder(checkpoint, { form: "f32", cacheFolder: folder, sha256: type.repeat(8) });
    const sequence = await new LocalSequenceModel(loaded.model).open();
    const got = (await sequence.step({ tokens: ids })).logits.toNumbers();
    expect(got.length).toBe(wanted.length);
    expect(Math.max(...wanted.map(Math.abs))).toBeGreaterThan(1);
    const largest = Math.max(...got.map((x, i) => Math.abs(x - wanted[i]!)));
    expect(largest).toBeLessThan(tolerance);
    await sequence.close();
    await loaded.dispose();
    await file.close();
  });

  it("refuses what it cannot write", () => {
    const decoder = buildDecoder(config);
    expect(() => decoderAsGguf(decoder, options)).toThrow(/lm_head|has no value/);
    initialize(decoder, 1);
    expect(() => decoderAsGguf(decoder, { ...options, endOfText: "<end>" })).toThrow(/<end>/);
    const smaller = { ...vocabulary, tokens: vocabulary.tokens.slice(1) };
    expect(() => decoderAsGguf(decoder, { ...options, vocabulary: smaller })).toThrow(/tokens/);
    const gemma = buildDecoder({ ...config, family: "gemma3" });
    expect(() => decoderAsGguf(gemma, options)).toThrow(/gemma3/);
  });
});

describe("sequenceLogits", () => {
  it("refuses embeddings that are no parameter, and tokens that are no batch", async () => {
    const untied = buildDecoder({ ...config, tiedEmbeddings: false });
    const trace = (decoder: typeof untied, shape: readonly string[]) =>
      compile(({ tokens }) => ({ logits: sequenceLogits(decoder, tokens) }), {
        inputs: { tokens: { dtype: "i64", shape } },
      });
    await expect(trace(untied, ["b", "n"])).rejects.toMatchObject({ code: "unsupported" });
    await expect(trace(buildDecoder(config), ["n"])).rejects.toMatchObject({ code: "shape" });
  });
});

/**
 * Steps that are fed mixtures of token embeddings, in every family: scaled embeddings and learned positions included.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { KvCache, loadDecoder, type StepModel, type TokenMixture } from "../../src/lm/index.ts";
import { openFolder, tinyDecoders, tinyFolder } from "./tiny.ts";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bletchley-mixtures-"));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

async function logitsOf(model: StepModel, mixtures?: Readonly<Record<number, TokenMixture>>): Promise<Float32Array> {
  const { logits } = await model.step(new KvCache(model.config), { tokens: [5, 7, 9], mixtures });
  return logits.data as Float32Array;
}

describe.each(tinyDecoders)("a mixture in a tiny %s", (name) => {
  it("of one token is that token, to the bit, and changes no row before it", async () => {
    await using opened = await openFolder(tinyFolder(name));
    const loaded = await loadDecoder(opened.checkpoint, {
      form: "f32",
      cacheFolder: folder,
      sha256: name.padEnd(64, "0"),
      threads: 1,
    });
    const { model } = loaded;
    try {
      const plain = await logitsOf(model);
      const width = model.config.vocabSize;
      expect(await logitsOf(model, { 1: { tokens: [7], weights: [1] } })).toEqual(plain);
      expect(await logitsOf(model, { 1: { tokens: [7, 7], weights: [0.25, 0.75] } })).toEqual(plain);
      // zero weights add nothing; the row's own token is not read
      expect(await logitsOf(model, { 1: { tokens: [7, 3], weights: [1, 0] } })).toEqual(plain);
      const mixed = await logitsOf(model, { 1: { tokens: [7, 3], weights: [0.5, 0.5] } });
      expect(mixed.subarray(0, width)).toEqual(plain.subarray(0, width));
      expect(mixed.subarray(width, 2 * width)).not.toEqual(plain.subarray(width, 2 * width));
      const swapped = await logitsOf(model, { 1: { tokens: [3, 7], weights: [0.5, 0.5] } });
      expect(swapped).toEqual(mixed);
      for (const mixture of [
        { tokens: [], weights: [] },
        { tokens: [1, 2], weights: [1] },
        { tokens: [1], weights: [Number.NaN] },
      ])
        await expect(logitsOf(model, { 0: mixture })).rejects.toThrow(/a finite weight for each/);
      await expect(logitsOf(model, { 0: { tokens: [width], weights: [1] } })).rejects.toThrow(/outside of the vocabul/);
    } finally {
      await loaded.dispose();
    }
  });
});

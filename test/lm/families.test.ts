import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Checkpoint, KvCache, type LoadedDecoder, loadDecoder, openGguf } from "../../src/lm/index.ts";
import { openFile } from "../../src/runtime/node/file-source.ts";
import {
  type Expected,
  largestDifference,
  logitsOf,
  openFolder,
  tinyDecoders,
  tinyFolder,
  tinyJson,
  writeTinyGguf,
} from "./tiny.ts";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bletchley-families-"));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

async function withDecoder<T>(
  checkpoint: Checkpoint,
  key: string,
  form: string,
  body: (loaded: LoadedDecoder) => Promise<T>,
): Promise<T> {
  const loaded = await loadDecoder(checkpoint, { form, cacheFolder: folder, sha256: key.padEnd(64, "0"), threads: 1 });
  try {
    return await body(loaded);
  } finally {
    await loaded.dispose();
  }
}

describe.each(tinyDecoders)("a random tiny %s", (name) => {
  const expected = tinyJson<Expected>(name, "expected.json");
  const { tokens } = expected;

  it("computes the reference's logits from safetensors, however the tokens arrive", async () => {
    await using opened = await openFolder(tinyFolder(name));
    await withDecoder(opened.checkpoint, `s-${name}`, "f32", async ({ model }) => {
      const chunks = await logitsOf(model, tokens, (room) => room);
      expect(chunks.length).toBe(tokens.length);
      expect(largestDifference(chunks, expected)).toBeLessThan(1e-4);
      let size = 0;
      for (const rowsOf of [() => 1, () => 1 + (size++ % 7)])
        expect(await logitsOf(model, tokens, rowsOf)).toEqual(chunks);
    });
  });

  it("gives tokens of a draft tree the bits that they have in a chain", async () => {
    await using opened = await openFolder(tinyFolder(name));
    await withDecoder(opened.checkpoint, `s-${name}`, "f32", async ({ model }) => {
      const chain = await logitsOf(model, tokens, (room) => room);
      const cache = new KvCache(model.config);
      while (cache.length < tokens.length) {
        // each token of the chain has a wrong sibling before it
        const count = Math.min(5, cache.room, tokens.length - cache.length);
        const at = cache.length;
        const rows = Array.from({ length: 2 * count }, (_, i) => i);
        const { logits, keys, values } = await model.step(cache, {
          tokens: rows.map((i) => (tokens[at + (i >> 1)]! + (i % 2 ? 0 : 1)) % model.config.vocabSize),
          parents: rows.map((i) => (i < 2 ? -1 : 2 * (i >> 1) - 1)),
        });
        for (let i = 0; i < count; i++) {
          const width = model.config.vocabSize;
          const row = (logits.data as Float32Array).slice((2 * i + 1) * width, (2 * i + 2) * width);
          expect(row).toEqual(chain[at + i]);
        }
        cache.commit(
          keys,
          values,
          rows.filter((i) => i % 2),
        );
      }
    });
  });

  it("computes the reference's logits from a GGUF file with llama.cpp's names and layouts", async () => {
    const path = join(folder, `${name}.gguf`);
    await writeTinyGguf(name, path);
    const source = await openFile(path);
    await withDecoder(await openGguf(source, path), `g-${name}`, "f32", async ({ model }) => {
      expect(largestDifference(await logitsOf(model, tokens, (room) => room), expected)).toBeLessThan(1e-4);
    });
    await source.close();
  });
});

/**
 * A sequence's cache under random lives: whatever was stepped, kept, cut back and forked, a token's logits have the bits
 * that a fresh cache gives when the tokens come in canonical chunks.
 */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type DecoderConfig, KvCache, loadDecoder, type StepModel } from "../../src/lm/index.ts";
import { NDArray } from "../../src/util/ndarray.ts";
import { Random } from "../../src/util/random.ts";
import { logitsOf, openFolder, tinyDecoders, tinyFolder, tinyJson } from "./tiny.ts";

const folder = mkdtempSync(join(tmpdir(), "bletchley-cache-"));
afterAll(() => rmSync(folder, { recursive: true }));

function sameBits(a: Float32Array, b: Float32Array): boolean {
  return Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(Buffer.from(b.buffer, b.byteOffset, b.byteLength));
}

/** A cache, and the tokens that it should hold. */
interface Life {
  cache: KvCache;
  tokens: number[];
}

/** Lives for `rounds` operations; checks the last kept row of every step against a fresh cache, and returns how many. */
async function live(model: StepModel, random: Random, rounds: number, longest: number): Promise<number> {
  let lives: Life[] = [{ cache: new KvCache(model.config), tokens: [] }];
  let checked = 0;
  for (let round = 0; round < rounds; round++) {
    const life = lives[random.integer(lives.length)]!;
    const { cache, tokens } = life;
    expect(cache.length).toBe(tokens.length);
    const choice = random.integer(20);
    if (choice === 0 && lives.length < 4) {
      lives.push({ cache: cache.fork(), tokens: [...tokens] });
    } else if (choice === 1 && lives.length > 1) {
      lives = lives.filter((other) => other !== life);
    } else if (choice <= 4 && tokens.length) {
      // often near a block's boundary
      const near = 64 * random.integer(1 + Math.floor(tokens.length / 64)) + random.integer(3) - 1;
      const length = Math.min(tokens.length, Math.max(0, random.integer(2) ? near : random.integer(tokens.length + 1)));
      if (cache.truncate(length)) tokens.length = length;
    } else if (tokens.length < longest) {
      const room = Math.min(cache.room, longest - tokens.length);
      const count = random.integer(3) ? Math.min(room, 1 + random.integer(70)) : 1 + random.integer(Math.min(room, 4));
      const rows = Array.from({ length: count }, () => random.integer(model.config.vocabSize));
      const { logits, keys, values } = await model.step(cache, { tokens: rows });
      const kept = random.integer(4) ? count : 1 + random.integer(count);
      cache.commit(keys, values, [...Array(kept).keys()]);
      tokens.push(...rows.slice(0, kept));
      const fresh = await logitsOf(model, tokens, (free) => free);
      const width = logits.shape[1]!;
      const row = (logits.data as Float32Array).subarray((kept - 1) * width, kept * width);
      expect(sameBits(row, fresh.at(-1)!), `after ${tokens.length} tokens, round ${round}`).toBe(true);
      checked++;
    }
  }
  return checked;
}

describe.each(tinyDecoders)("the cache of %s", (name) => {
  it("gives the bits of a fresh one after any life", async () => {
    await using opened = await openFolder(tinyFolder(name));
    const loaded = await loadDecoder(opened.checkpoint, {
      form: "f32",
      cacheFolder: folder,
      sha256: name.padEnd(64, "0"),
      threads: 1,
    });
    try {
      // learned positions end with the context; the others go on, past where the long part grows in larger units
      const longest = name === "gpt2" ? loaded.model.config.contextLength : 700;
      expect(await live(loaded.model, new Random(5), 150, longest)).toBeGreaterThan(40);
    } finally {
      await loaded.dispose();
    }
  }, 60_000);
});

describe.each([1, 2, 63, 64, 65, 100, 128, 129])("a sliding window of %i", (window) => {
  it("reaches exactly as far as it says", async () => {
    const altered = join(folder, `window-${window}`);
    cpSync(tinyFolder("gemma3"), altered, { recursive: true });
    const config = tinyJson<object>("gemma3", "config.json");
    const local = { num_hidden_layers: 1, layer_types: ["sliding_attention"], sliding_window: window };
    writeFileSync(join(altered, "config.json"), JSON.stringify({ ...config, ...local }));
    await using opened = await openFolder(altered);
    const loaded = await loadDecoder(opened.checkpoint, {
      form: "f32",
      cacheFolder: folder,
      sha256: `${window}`.padStart(64, "f"),
      threads: 1,
    });
    try {
      const random = new Random(window);
      const tokens = Array.from({ length: 330 }, () => 3 + random.integer(150));
      const before = await logitsOf(loaded.model, tokens, (free) => free);
      for (const position of [0, 62, 63, 64, 100, 127, 128, 150]) {
        const other = tokens.map((token, i) => (i === position ? token + 7 : token));
        const after = await logitsOf(loaded.model, other, () => 1 + random.integer(64));
        const changed = after.flatMap((row, i) => (sameBits(row, before[i]!) ? [] : [i]));
        expect(changed[0]).toBe(position);
        expect(changed.at(-1)).toBe(position + window - 1);
        expect(changed.length).toBe(window);
      }
    } finally {
      await loaded.dispose();
    }
  }, 60_000);
});

describe("KvCache", () => {
  it("takes only rows that a step had", () => {
    const config = { layerCount: 1, kvHeadCount: 1, headDim: 2, localLayers: [false] } as unknown as DecoderConfig;
    const cache = new KvCache(config);
    const [keys, values] = [NDArray.zeros([1, 1, 3, 2]), NDArray.zeros([1, 1, 3, 3])];
    for (const row of [3, -1, 0.5]) expect(() => cache.commit(keys, values, [0, row])).toThrow(`row ${row} is not one`);
    expect(cache.length).toBe(0);
    cache.commit(keys, values, [0, 2]);
    expect(cache.length).toBe(2);
  });
});

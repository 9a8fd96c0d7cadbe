/**
 * A sequence's cache under random lives: whatever was stepped, kept, cut back and forked, a token's logits have the bits
 * that a fresh cache gives when the tokens come in canonical chunks.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { KvCache, loadDecoder, type StepModel } from "../../src/lm/index.ts";
import { Random } from "../../src/util/random.ts";
import { logitsOf, openFolder, tinyDecoders, tinyFolder } from "./tiny.ts";

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

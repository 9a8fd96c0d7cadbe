/**
 * One arithmetic per token, on real weights: in every weight form a token's logits have the same bits whether its
 * predecessors came one by one, in chunks, or in trees with wrong siblings between them.
 */
import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { forms, KvCache, loadDecoder, openGguf, type StepModel } from "../../src/lm/index.ts";
import { openFile } from "../../src/runtime/node/file-source.ts";
import { cacheRoot, type ResolvedModel, resolveModel } from "../../src/sources/index.ts";
import { Random } from "../../src/util/random.ts";

const length = 100;
const random = new Random(11);
const tokens = Array.from({ length }, () => random.integer(49_152));

let source: ResolvedModel;

beforeAll(async () => {
  source = await resolveModel("smollm2");
  mkdirSync(cacheRoot(), { recursive: true });
}, 300_000);

/** A hash of each position's logits: comparing them whole takes longer than computing them. */
type Bits = readonly string[];

function bitsOf(logits: Float32Array, row: number, width: number): string {
  const { buffer, byteOffset } = logits;
  return createHash("sha1")
    .update(new Uint8Array(buffer, byteOffset + 4 * row * width, 4 * width))
    .digest("hex");
}

/** Logits of all positions when steps take as many rows as `next` says. */
async function chains(model: StepModel, next: () => number): Promise<Bits> {
  const cache = new KvCache(model.config);
  const out: string[] = [];
  while (out.length < length) {
    const count = Math.min(next(), cache.room, length - out.length);
    const { logits, keys, values } = await model.step(cache, { tokens: tokens.slice(out.length, out.length + count) });
    for (let i = 0; i < count; i++) out.push(bitsOf(logits.data as Float32Array, i, logits.shape[1]!));
    cache.commit(keys, values, [...Array(count).keys()]);
  }
  return out;
}

/** The same through trees: every right token has wrong siblings, some of them with children. */
async function trees(model: StepModel): Promise<Bits> {
  const cache = new KvCache(model.config);
  const draw = new Random(12);
  const out: string[] = [];
  while (out.length < length) {
    const depth = Math.min(1 + draw.integer(5), cache.room, length - out.length);
    const tree: { token: number; parent: number; right: boolean }[] = [];
    let parent = -1;
    for (let d = 0; d < depth; d++) {
      const siblings = draw.integer(3);
      for (let s = 0; s < siblings; s++) {
        tree.push({ token: draw.integer(49_152), parent, right: false });
        if (d + 1 < depth) tree.push({ token: draw.integer(49_152), parent: tree.length - 1, right: false });
      }
      tree.push({ token: tokens[out.length + d]!, parent, right: true });
      parent = tree.length - 1;
    }
    const rows = [...tree.keys()].filter((i) => tree[i]!.right);
    const { logits, keys, values } = await model.step(cache, {
      tokens: tree.map(({ token }) => token),
      parents: tree.map((node) => node.parent),
      wanted: rows,
    });
    rows.forEach((_, i) => {
      out.push(bitsOf(logits.data as Float32Array, i, logits.shape[1]!));
    });
    cache.commit(keys, values, rows);
  }
  return out;
}

describe.each(forms.map(({ name }) => name))("SmolLM2 in form %s", (form) => {
  it("gives every token the same bits however it arrived", async () => {
    const file = await openFile(source.path);
    const loaded = await loadDecoder(await openGguf(file, source.path), {
      form,
      cacheFolder: `${cacheRoot()}/converted`,
      sha256: source.sha256,
    });
    try {
      const one = await chains(loaded.model, () => 1);
      const chunked = await chains(loaded.model, () => 64);
      const sizes = new Random(13);
      const mixed = await chains(loaded.model, () => 1 + sizes.integer(20));
      const branched = await trees(loaded.model);
      for (const [how, bits] of Object.entries({ chunked, mixed, branched }))
        for (let i = 0; i < length; i++) expect(bits[i], `token ${i}, ${how}`).toBe(one[i]);
      expect(new Set(one).size).toBe(length);
    } finally {
      await loaded.dispose();
      await file.close();
    }
  }, 120_000);
});

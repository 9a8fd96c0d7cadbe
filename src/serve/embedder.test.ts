import { readFileSync } from "node:fs";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { resolveModel } from "../sources/index.ts";
import { type Embedder, planBatches } from "./embedder.ts";
import { loadEmbedder } from "./load-embedder.ts";

interface Sentence {
  readonly text: string;
  readonly ids: readonly number[];
  readonly embedding: readonly number[];
}

const golden = new URL("../../test/golden/lm/all-minilm-l6-v2.json", import.meta.url);
const { sentences } = JSON.parse(readFileSync(golden, "utf8")) as { sentences: Sentence[] };

function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!;
    aa += a[i]! ** 2;
    bb += b[i]! ** 2;
  }
  return dot / Math.sqrt(aa * bb);
}

const present = await resolveModel("minilm").then(
  () => true,
  () => false,
);

describe.skipIf(!present)("MiniLM on its real weights", async () => {
  const embedder: Embedder = present ? await loadEmbedder("minilm", { offline: true }) : (undefined as never);
  afterAll(() => embedder.dispose());

  it("gives the reference's vectors and tokens", async () => {
    expect(sentences.length).toBe(65);
    expect([embedder.dimensions, embedder.maxTokens]).toEqual([384, 256]);
    const vectors = await embedder.embed(sentences.map(({ text }) => text));
    sentences.forEach(({ text, ids, embedding }, i) => {
      expect(1 - cosine(vectors[i]!, embedding), text).toBeLessThan(1e-5);
      expect(Math.hypot(...vectors[i]!)).toBeCloseTo(1, 5);
      expect(Math.min(embedder.countTokens(text), embedder.maxTokens), text).toBe(ids.length);
    });
  });

  it("gives a text the same vector whatever else is in the call", async () => {
    const texts = sentences.slice(0, 24).map(({ text }) => text);
    const together = await embedder.embed(texts);
    for (const i of [0, 7, 23]) {
      const [alone] = await embedder.embed([texts[i]!]);
      alone!.forEach((x, c) => {
        expect(Math.abs(x - together[i]![c]!)).toBeLessThan(1e-6);
      });
    }
  });

  it("cuts long texts as the reference does and takes empty ones", async () => {
    const word = "river ";
    const [cut, exact, empty] = await embedder.embed([word.repeat(5000), word.repeat(254), ""]);
    expect(1 - cosine(cut!, exact!)).toBeLessThan(1e-9);
    expect(embedder.countTokens("")).toBe(2);
    expect(Math.hypot(...empty!)).toBeCloseTo(1, 5);
    expect(await embedder.embed([])).toEqual([]);
  });

  const manyTexts = new Array<string>(60).fill("a text of some words. ".repeat(20));

  it("leaves the event loop free", async () => {
    let ticks = 0;
    const timer = setInterval(() => ticks++, 5);
    await embedder.embed(manyTexts);
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(2);
  });

  it("serves calls side by side and stops when asked", async () => {
    const controller = new AbortController();
    const long = embedder.embed(manyTexts, { signal: controller.signal }).then(
      () => "done",
      (thrown) => thrown.code,
    );
    const [small] = await embedder.embed(["short"]);
    expect(small!.length).toBe(384);
    controller.abort();
    expect(await long).toBe("aborted");
  });

  it("refuses what is no text", async () => {
    await expect(embedder.embed([1 as unknown as string])).rejects.toMatchObject({ code: "argument" });
  });
});

describe("planBatches", () => {
  it("takes every text once, within the budget and with little padding", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 2, max: 512 }), { maxLength: 200 }), (lengths) => {
        const batches = planBatches(lengths);
        expect(batches.flat().sort((a, b) => a - b)).toEqual(lengths.map((_, i) => i));
        for (const batch of batches) {
          const padded = batch.length * Math.max(...batch.map((i) => lengths[i]!));
          const used = batch.reduce((sum, i) => sum + lengths[i]!, 0);
          expect(padded).toBeLessThanOrEqual(Math.max(2048, used));
          expect(padded).toBeLessThanOrEqual(1.25 * used + 16);
        }
      }),
    );
  });
});
